import assert from "node:assert/strict";
import { test } from "node:test";
import { byteLength, packFrames, readFrame } from "../../src/frames";

test("a frame holds several objects, and empty lines say nothing", () => {
  assert.deepEqual(readFrame('{"ev":"a"}\n{"id":1,"ok":{}}\n\n'), [{ ev: "a" }, { id: 1, ok: {} }]);
});

test("what is no object is no frame", () => {
  for (const data of ["{", "[]", "1", "null", '{}\n"x"', new ArrayBuffer(2)]) assert.throws(() => readFrame(data), SyntaxError);
});

test("requests share frames up to the limit, in order, newlines counted", () => {
  assert.deepEqual(packFrames(["aaa", "bbb", "ccc"], 7), ["aaa\nbbb", "ccc"]);
  assert.deepEqual(packFrames(["aaa", "bbb"], 6), ["aaa", "bbb"]);
  assert.deepEqual(packFrames(["a", "too long", "b"], 4), ["a", "too long", "b"]);
  assert.deepEqual(packFrames(["a", "b"], 0), ["a\nb"]);
  assert.deepEqual(packFrames([], 10), []);
});

test("the limit counts bytes, not characters", () => {
  assert.deepEqual(packFrames(["ää", "ü"], 6), ["ää", "ü"]);
  for (const text of ["", "plain", "äöü", "€", "😀 a", "日本"]) assert.equal(byteLength(text), new TextEncoder().encode(text).length, text);
});
