import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pending } from "../../src/index";
import { ann, CHANNEL, message } from "./fake";

const place = (seq: number) => ({ channel: CHANNEL, seq, prev: seq - 1, at: seq });

test("what is written in a tick shares a frame, and each gets its own answer", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live();
  const sent = [client.send("bob", "text", { text: "a" }), client.send("bob", "text", { text: "b" })];
  const [first, second] = [await peer.request(), await peer.request()];
  assert.equal(peer.frames.length, 2, "hello, and both");
  assert.deepEqual([first.op, first.to, first.kind, first.body], ["send", "bob", "text", { text: "a" }]);
  peer.say({ id: second.id, ok: place(2) }, { id: first.id, err: { code: "forbidden", message: "no" } });
  await assert.rejects(sent[0]!, { code: "forbidden", message: "no" });
  assert.deepEqual(await sent[1], place(2));
});

test("frames stay within the server's limit", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live({ limits: { frame_bytes: 400 } });
  for (let i = 0; i < 6; i++) client.send("bob", "text", { text: "x".repeat(60) }).catch(() => {});
  for (let i = 0; i < 6; i++) await peer.request();
  assert.ok(peer.frames.length > 3);
  for (const frame of peer.frames.slice(1)) assert.ok(frame.length <= 400, `${frame.length} bytes`);
});

test("an unanswered send goes again after a reconnect, under its cid and in order, once it has caught up", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live();
  const sent = [client.send("bob", "text", { text: "a" }), client.send("bob", "text", { text: "b" })];
  const cids = [(await peer.request()).cid, (await peer.request()).cid];
  peer.drop();
  const late = client.send("bob", "text", { text: "c" });

  const next = await dialed();
  assert.equal((await next.welcome()).cursor, "c1");
  await new Promise(setImmediate);
  assert.deepEqual(next.rest, [], "nothing before it has caught up");
  next.say({ ev: "synced", cursor: "c2" });
  const again = [await next.request(), await next.request(), await next.request()];
  assert.deepEqual(again.map((r) => (r.body as { text: string }).text), ["a", "b", "c"]);
  assert.deepEqual(again.slice(0, 2).map((r) => r.cid), cids);
  next.say(...again.map((r, i) => ({ id: r.id, ok: place(i + 1) })));
  assert.deepEqual(await Promise.all([...sent, late]), [place(1), place(2), place(3)]);
});

test("a resume that brings the message answers its send", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  const told: number[] = [];
  client.on("message", (m) => told.push(m.seq));
  client.connect();
  const peer = await dialed();
  await peer.live();
  const sent = client.send("bob", "text", { text: "a" });
  const { cid } = await peer.request();
  peer.drop();
  const next = await dialed();
  await next.welcome();
  next.say(message(6), message(7, "ann", String(cid)), message(8), { ev: "synced", cursor: "c2" });
  assert.deepEqual(await sent, place(7));
  assert.deepEqual(told, [6, 8]);
  await new Promise(setImmediate);
  assert.deepEqual(next.rest, [], "it is not sent again");
});

test("what the server has no time for is sent again, those behind it after it", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live();
  const first = client.send("bob", "text", { text: "a" });
  const request = await peer.request();
  peer.say({ id: request.id, err: { code: "rate_limited", message: "slow down" } });
  const second = client.send("bob", "text", { text: "b" });
  const again = [await peer.request(), await peer.request()];
  assert.deepEqual(again.map((r) => (r.body as { text: string }).text), ["a", "b"]);
  assert.equal(again[0]!.cid, request.cid);
  peer.say(...again.map((r, i) => ({ id: r.id, ok: place(i + 1) })));
  assert.deepEqual(await Promise.all([first, second]), [place(1), place(2)]);
});

test("an outbox is kept in step, and what it held too long is looked for before it is sent", async (t) => {
  let kept: Pending[] = [
    { to: "bob", kind: "text", body: { text: "stored" }, cid: "one", since: Date.now() - 3_600_000 },
    { to: "bob", kind: "text", body: { text: "lost" }, cid: "two", since: Date.now() - 3_600_000 },
    { to: "bob", kind: "text", body: { text: "new" }, cid: "three" },
  ];
  const { client, dialed } = ann({ outbox: { load: () => structuredClone(kept), save: (p) => (kept = structuredClone(p)) } });
  t.after(() => client.close());
  const settled: string[] = [];
  client.on("settled", (s) => settled.push(s.pending.cid));
  client.connect();
  const peer = await dialed();
  await peer.live();
  for (const _ of ["one", "two"]) {
    const look = await peer.request();
    assert.deepEqual([look.op, look.channel], ["history", CHANNEL]);
    const { ev: _ev, ...stored } = message(4, "ann", "one") as { ev: string };
    peer.say({ id: look.id, ok: { messages: [stored], more: false } });
  }
  const sends = [await peer.request(), await peer.request()];
  assert.deepEqual(sends.map((r) => [r.op, r.cid]), [["send", "two"], ["send", "three"]]);
  peer.say(...sends.map((r, i) => ({ id: r.id, ok: place(5 + i) })));
  await new Promise(setImmediate);
  assert.deepEqual(settled, ["one", "two", "three"]);
  assert.deepEqual(kept, []);
});

test("a body that is no JSON is refused here and stops nobody", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  await assert.rejects(client.send("bob", "text", { n: 1n }), { code: "bad_request" });
  await assert.rejects(client.send("bob", "text", undefined), { code: "bad_request" });
  client.connect();
  const peer = await dialed();
  await peer.live({ limits: { body_bytes: 20 } });
  await assert.rejects(client.send("bob", "text", { text: "longer than that" }), { code: "too_large" });
  client.send("bob", "text", { text: "a" }).catch(() => {});
  assert.deepEqual((await peer.request()).body, { text: "a" });
});

test("what an outbox held too long is looked for on a resumed connection too: the cursor may lie behind it", async (t) => {
  const old = { to: "bob", kind: "text", body: { text: "stored" }, cid: "one", since: Date.now() - 3_600_000 };
  const { client, dialed } = ann({ cursor: "c9", outbox: { load: () => [old], save: () => {} } });
  t.after(() => client.close());
  const settled = new Promise<{ sent?: { seq: number } }>((resolve) => client.on("settled", resolve));
  client.connect();
  const peer = await dialed();
  assert.equal((await peer.live()).cursor, "c9");
  const look = await peer.request();
  assert.equal(look.op, "history");
  const { ev: _ev, ...stored } = message(4, "ann", "one") as { ev: string };
  peer.say({ id: look.id, ok: { messages: [stored], more: false } });
  assert.equal((await settled).sent?.seq, 4);
  await new Promise(setImmediate);
  assert.deepEqual(peer.rest, [], "it is not sent again");
});
