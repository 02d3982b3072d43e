import assert from "node:assert/strict";
import { test } from "node:test";
import { split } from "../src/store/split";

test("a text within the limit stays whole", () => {
  assert.deepEqual(split("hello world", 11), ["hello world"]);
});

test("a longer one is cut at lines, then words, then anywhere but within a character", () => {
  assert.deepEqual(split("one two\nthree four", 10), ["one two", "three four"]);
  assert.deepEqual(split("one two three", 9), ["one two", "three"]);
  assert.deepEqual(split("x".repeat(25), 10), ["x".repeat(10), "x".repeat(10), "x".repeat(5)]);
  assert.deepEqual(split("a🙂🙂🙂", 4), ["a🙂", "🙂🙂"]);
});

test("nothing but space between is lost", () => {
  const text = Array.from({ length: 5000 }, (_, i) => `word${i}`).join(" ");
  const parts = split(text, 1000);
  assert.ok(parts.every((part) => part.length <= 1000));
  assert.equal(parts.join(" "), text);
});
