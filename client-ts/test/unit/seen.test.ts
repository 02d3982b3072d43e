import assert from "node:assert/strict";
import { test } from "node:test";
import { Seen } from "../../src/seen";

const channel = "ann.bob";

test("what a resume brings again is no news", () => {
  const seen = new Seen();
  assert.deepEqual([3, 5, 3, 5, 6].map((seq) => seen.take({ channel, seq })), [true, true, false, false, true]);
});

test("channels do not know of one another, and the first message of each is news", () => {
  const seen = new Seen();
  assert.ok(seen.take({ channel, seq: 9 }));
  assert.ok(seen.take({ channel: "ann.cem", seq: 2 }));
});

test("a reply that overtakes an earlier message does not hide it", () => {
  const seen = new Seen();
  seen.sent(channel, 5);
  assert.ok(seen.take({ channel, seq: 4 }), "the other's message before it is news");
  assert.ok(!seen.take({ channel, seq: 5 }), "the own one was told of by its reply");
  assert.ok(seen.take({ channel, seq: 6 }));
});

test("another fabric's seqs say nothing", () => {
  const seen = new Seen();
  seen.take({ channel, seq: 9 });
  seen.clear();
  assert.ok(seen.take({ channel, seq: 1 }));
});
