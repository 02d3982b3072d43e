import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel, Message } from "@weft/client";
import { countIsStale, emptyChat, listed, marked, newestFirst, received, unreadOf } from "../src/store/chat";
import { stateOf } from "../src/store/ticks";

const ann = "018f0000-0000-7000-8000-00000000000a";
const bob = "018f0000-0000-7000-8000-00000000000b";
const channel = `${ann}.${bob}`;

function message(seq: number, from: string): Message {
  return { channel, seq, prev: seq - 1, at: 1_000 * seq, from, cid: `cid-${seq}`, kind: "text", body: { text: `${seq}` } };
}

function snapshot(last: number, unread: number, marks: Channel["receipts"] = []): Channel {
  return { id: channel, kind: "direct", name: "Bob", peer: { id: bob, name: "Bob" }, last: message(last, bob), unread, receipts: marks };
}

// ann looks at her chat with bob.
const fresh = emptyChat(channel, { id: bob, name: "Bob" });

test("ticks follow the other one's marks, and nothing else", () => {
  let chat = received(fresh, message(5, ann), ann);
  assert.equal(stateOf(message(5, ann), chat, ann), "sent");
  assert.equal(stateOf(message(4, bob), chat, ann), "in");

  chat = marked(chat, { user: ann, delivered: 9, read: 9 }, ann); // her own marks say nothing of her messages
  assert.equal(stateOf(message(5, ann), chat, ann), "sent");

  chat = marked(chat, { user: bob, delivered: 5, read: 0 }, ann);
  assert.equal(stateOf(message(5, ann), chat, ann), "delivered");
  assert.equal(stateOf(message(6, ann), chat, ann), "sent");

  chat = marked(chat, { user: bob, delivered: 5, read: 5 }, ann);
  assert.equal(stateOf(message(5, ann), chat, ann), "read");
});

test("marks never go back, and read implies delivered", () => {
  let chat = marked(fresh, { user: bob, delivered: 0, read: 7 }, ann);
  assert.deepEqual(chat.marks.get(bob), { delivered: 7, read: 7 });
  const late = marked(chat, { user: bob, delivered: 3, read: 2 }, ann);
  assert.equal(late, chat);
  chat = listed(chat, snapshot(9, 0, [{ user: bob, delivered: 4, read: 4 }]), ann);
  assert.deepEqual(chat.marks.get(bob), { delivered: 7, read: 7 });
});

test("incoming messages count as unread once each; one's own never do", () => {
  let chat = fresh;
  for (const m of [message(1, bob), message(2, bob), message(2, bob), message(3, ann), message(1, bob)]) chat = received(chat, m, ann);
  assert.equal(unreadOf(chat), 2);
  assert.equal(chat.last?.seq, 3);
});

test("one's own read mark, from here or another device, clears what it passes", () => {
  let chat = fresh;
  for (const seq of [1, 2, 3]) chat = received(chat, message(seq, bob), ann);
  chat = marked(chat, { user: ann, read: 2 }, ann);
  assert.equal(unreadOf(chat), 1);
  chat = marked(chat, { user: ann, read: 3 }, ann);
  assert.equal(unreadOf(chat), 0);
  assert.equal(unreadOf(received(chat, message(3, bob), ann)), 0); // replayed after a resume
});

test("the server's count and events meanwhile add up", () => {
  let chat = received(fresh, message(12, bob), ann); // came while the list was on its way
  chat = listed(chat, snapshot(10, 4), ann);
  assert.equal(unreadOf(chat), 5);
  assert.equal(chat.last?.seq, 12);
  chat = listed(chat, snapshot(12, 5), ann); // asked again: the count has it now
  assert.equal(unreadOf(chat), 5);
  chat = listed(chat, snapshot(10, 4), ann); // an older answer, overtaken
  assert.equal(unreadOf(chat), 5);
});

test("a list that was made before our read mark arrived does not bring unread back", () => {
  let chat = listed(fresh, snapshot(10, 4), ann);
  chat = marked(chat, { user: ann, read: 10 }, ann);
  assert.equal(unreadOf(chat), 0);
  chat = listed(chat, snapshot(10, 4, [{ user: ann, delivered: 10, read: 6 }]), ann);
  assert.equal(unreadOf(chat), 0);
});

test("a mark within what only the server has counted asks for a new count", () => {
  const chat = listed(fresh, snapshot(10, 4), ann);
  assert.equal(countIsStale(chat, ann, 8), true);
  assert.equal(countIsStale(chat, ann, 10), false);
  assert.equal(countIsStale(marked(chat, { user: ann, read: 10 }, ann), ann, 8), false);
});

test("unread is capped as the server caps it", () => {
  let chat = listed(fresh, snapshot(10, 1000), ann);
  chat = received(chat, message(11, bob), ann);
  assert.equal(unreadOf(chat), 1000);
});

test("chats are listed newest first", () => {
  const older = received({ ...fresh, id: "older" }, message(1, bob), ann);
  const newer = received({ ...fresh, id: "newer" }, message(2, bob), ann);
  const silent = { ...fresh, id: "silent" };
  assert.deepEqual([silent, older, newer].sort(newestFirst).map((c) => c.id), ["newer", "older", "silent"]);
});
