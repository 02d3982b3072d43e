import assert from "node:assert/strict";
import { test } from "node:test";
import { type Payload, type Shown, take } from "../src/push/shown";

const hi: Payload = { kind: "message", channel: "a.b", seq: 5, count: 1, title: "Ann", body: "hi", lines: [{ seq: 5, text: "hi" }], at: 1 };

function shown(was: Shown | null, ...pushes: Payload[]): Shown | null {
  for (const push of pushes) {
    const change = take(was, push);
    if (change === "close") was = null;
    else if (change !== "keep") was = change.show;
  }
  return was;
}

test("a message is shown as it was pushed, and the next ones join it", () => {
  const first = take(null, hi);
  assert.ok(typeof first === "object" && !first.silent);
  assert.equal(first.show.body, "hi");
  const two = shown(null, hi, { ...hi, seq: 7, lines: [{ seq: 7, text: "there?" }], body: "there?" })!;
  assert.deepEqual([two.title, two.body, two.count, two.seq], ["Ann", "hi\nthere?", 2, 7]);
  const many = shown(two, { ...hi, seq: 20, count: 8, lines: [16, 17, 18, 19, 20].map((seq) => ({ seq, text: `n${seq}` })) })!;
  assert.equal(many.body, "10 new messages\nn16\nn17\nn18\nn19\nn20");
});

test("what comes twice is shown once", () => {
  assert.equal(take(shown(null, hi), hi), "keep");
});

test("what was deleted is withdrawn, alone or from among others, and never aloud", () => {
  assert.equal(take(shown(null, hi), { kind: "withdraw", channel: "a.b", seq: 5 }), "close");
  const two = shown(null, hi, { ...hi, seq: 7, lines: [{ seq: 7, text: "there?" }] });
  const left = take(two, { kind: "withdraw", channel: "a.b", seq: 5 });
  assert.ok(typeof left === "object" && left.silent);
  assert.deepEqual([left.show.body, left.show.count], ["there?", 1]);
  assert.equal(take(null, { kind: "withdraw", channel: "a.b", seq: 5 }), "keep");
  assert.equal(take(two, { kind: "withdraw", channel: "a.b", seq: 1 }), "keep");
});

test("what was edited is shown as it is now, and never aloud", () => {
  const edited = take(shown(null, hi), { kind: "edit", channel: "a.b", seq: 5, lines: [{ seq: 5, text: "hello" }] });
  assert.ok(typeof edited === "object" && edited.silent);
  assert.equal(edited.show.body, "hello");
  assert.equal(take(shown(null, hi), { kind: "edit", channel: "a.b", seq: 5 }), "keep"); // it shows no text
});

test("what was read elsewhere goes", () => {
  const two = shown(null, hi, { ...hi, seq: 7, lines: [{ seq: 7, text: "there?" }] });
  assert.equal(take(two, { kind: "read", channel: "a.b", seq: 7 }), "close");
  assert.equal(shown(two, { kind: "read", channel: "a.b", seq: 5 })!.body, "there?");
});

test("who wants to see no text sees none, also when several come", () => {
  const sender: Payload = { kind: "message", channel: "a.b", seq: 5, count: 1, title: "Ann", body: "New message" };
  assert.deepEqual(shown(null, sender, { ...sender, seq: 6 })!.body, "2 new messages");
  const none: Payload = { kind: "message", channel: "a.b", seq: 5, count: 1, title: "New message" };
  const two = shown(null, none, { ...none, seq: 6 })!;
  assert.deepEqual([two.title, two.body], ["2 new messages", ""]);
});

test("a withdrawn message that shows no text goes, where it is the only one", () => {
  const sender: Payload = { kind: "message", channel: "a.b", seq: 5, count: 1, title: "Ann", body: "New message" };
  assert.equal(take(shown(null, sender), { kind: "withdraw", channel: "a.b", seq: 5 }), "close");
});

test("a service's notification stands for itself", () => {
  const change = take(null, { kind: "notify", title: "Parcel", body: "it is there", link: "/p/7", tag: "n.x" });
  assert.ok(typeof change === "object");
  assert.deepEqual([change.show.title, change.show.body, change.show.link], ["Parcel", "it is there", "/p/7"]);
});
