import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff, jitter } from "../../src/backoff";

test("the ceiling doubles from 0.25 s to 15 s", () => {
  const ceilings = [1, 2, 3, 6, 7, 8, 1000].map((attempt) => backoff(attempt, () => 1));
  assert.deepEqual(ceilings, [250, 500, 1000, 8000, 15000, 15000, 15000]);
});

test("the wait is spread down to nothing", () => {
  assert.equal(backoff(5, () => 0), 0);
  assert.equal(backoff(1, () => 0.5), 125);
});

test("what the server asks for is spread over a quarter each way", () => {
  assert.deepEqual([0, 0.5, 1].map((r) => jitter(1000, () => r)), [750, 1000, 1250]);
  assert.equal(jitter(0), 0);
});
