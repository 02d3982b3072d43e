import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Channel, Message } from "@weft/client";
import { marksOf, unreadOf } from "../src/store/chat";
import { ChatList } from "../src/store/chatlist";

const ann = "018f0000-0000-7000-8000-00000000000a";

const user = (n: number) => `018f0000-0000-7000-8000-0000000001${String(n).padStart(2, "0")}`;
const channelWith = (n: number) => `${ann}.${user(n)}`;

function message(n: number, seq: number, from = user(n)): Message {
  return { channel: channelWith(n), seq, prev: 0, at: seq, from, cid: `c${seq}`, kind: "text", body: { text: "" } };
}

/** A server with a list of chats, newest first, told in pages of two. */
class Server {
  channelsOf: Channel[] = [];
  asked: (string | undefined)[] = [];
  fails = false;

  list(n: number, seq: number, unread: number, read = 0): void {
    this.channelsOf = this.channelsOf.filter((c) => c.id !== channelWith(n));
    this.channelsOf.unshift({
      id: channelWith(n), kind: "direct", name: `User ${n}`, peer: { id: user(n), name: `User ${n}` }, last: message(n, seq), unread,
      receipts: [{ user: user(n), delivered: read, read }],
    });
  }

  async channels(q: { cursor?: string } = {}) {
    this.asked.push(q.cursor);
    if (this.fails) throw new Error("offline");
    const from = Number(q.cursor ?? 0);
    const more = this.channelsOf.length > from + 2;
    return { channels: this.channelsOf.slice(from, from + 2), ...(more && { cursor: String(from + 2) }) };
  }
}

const directory = {
  user: async (id: string) => ({ id, name: `Named ${id.slice(-2)}` }),
  channel: async (id: string): Promise<Channel> => ({ id, kind: "direct", name: `Told ${id.slice(-2)}`, unread: 0, receipts: [] }),
};
const settled = () => new Promise((done) => setImmediate(done));
const ids = (chats: ChatList) => chats.order.value.map((c) => c.name);

test("the list is read page by page, and read anew as far as it was read", async () => {
  const server = new Server();
  for (const n of [1, 2, 3, 4, 5]) server.list(n, n, 0);
  const chats = new ChatList(server, directory, ann);
  await chats.refresh();
  assert.deepEqual(ids(chats), ["User 5", "User 4"]);
  await chats.loadMore();
  assert.equal(chats.more.value, true);
  server.asked = [];
  await chats.refresh();
  assert.deepEqual(server.asked, [undefined, "2"]);
  await chats.loadMore();
  assert.equal(chats.more.value, false);
  assert.deepEqual(ids(chats), ["User 5", "User 4", "User 3", "User 2", "User 1"]);
});

test("a refresh brings marks and counts that no event told of", async () => {
  const server = new Server();
  server.list(1, 10, 0);
  const chats = new ChatList(server, directory, ann);
  await chats.refresh();
  server.list(1, 12, 2, 9); // while the connection was lost
  await chats.refresh();
  await settled();
  const chat = chats.get(channelWith(1))!;
  assert.equal(unreadOf(chat), 2);
  assert.equal(marksOf(chat, user(1)).read, 9);
});

test("a message moves its chat to the top", async () => {
  const server = new Server();
  for (const n of [1, 2]) server.list(n, n, 0);
  const chats = new ChatList(server, directory, ann);
  await chats.refresh();
  chats.message(message(1, 7));
  await settled();
  assert.deepEqual(ids(chats), ["User 1", "User 2"]);
  assert.equal(chats.unread.value, 1);
});

test("who writes for the first time is listed at once, and named when the list is asked", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const server = new Server();
    const chats = new ChatList(server, directory, ann);
    await chats.refresh();
    server.list(3, 7, 1);
    chats.message(message(3, 7));
    await settled();
    assert.equal(chats.order.value.length, 1);
    mock.timers.tick(1000);
    await settled();
    assert.deepEqual(ids(chats), ["User 3"]);
    assert.equal(unreadOf(chats.order.value[0]!), 1);
  } finally {
    mock.timers.reset();
  }
});

test("who the list does not bring is asked for by name", async () => {
  const chats = new ChatList(new Server(), directory, ann);
  chats.message(message(3, 7));
  await chats.refresh();
  await settled();
  assert.deepEqual(ids(chats), ["Named 03"]);
});

test("a chat that was opened and never written in is not listed", async () => {
  const chats = new ChatList(new Server(), directory, ann);
  chats.open(channelWith(1), { id: user(1), name: "User 1" });
  await settled();
  assert.equal(chats.get(channelWith(1))?.name, "User 1");
  assert.deepEqual(ids(chats), []);
});

test("a list that could not be read leaves what is known", async () => {
  const server = new Server();
  server.list(1, 1, 0);
  const chats = new ChatList(server, directory, ann);
  await chats.refresh();
  server.fails = true;
  await chats.refresh();
  assert.equal(chats.error.value, true);
  assert.deepEqual(ids(chats), ["User 1"]);
  server.fails = false;
  await chats.refresh();
  assert.equal(chats.error.value, false);
});
