import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message, Sent } from "@weft/client";
import { WeftError } from "@weft/client";
import { Outbox } from "../src/store/outgoing";
import { e164 } from "../src/store/signin";

class Memory {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

/** A server that answers when the test says so. */
class Server {
  readonly calls: { to: string; cid: string; ok: (s: Sent) => void; no: (e: unknown) => void }[] = [];
  send = (to: string, _kind: string, _body: unknown, opts?: { cid?: string }) =>
    new Promise<Sent>((ok, no) => this.calls.push({ to, cid: opts?.cid ?? "", ok, no }));
}

const settled = () => new Promise((done) => setImmediate(done));

test("a message is pending until it is stored", async () => {
  const server = new Server();
  const stored: Message[] = [];
  const outbox = new Outbox(server, "ann", (m) => stored.push(m), new Memory());
  outbox.send("c", "text", { text: "hello" });
  assert.equal(outbox.pending.value.length, 1);
  server.calls[0]!.ok({ channel: "c", seq: 7, prev: 4, at: 99 });
  await settled();
  assert.equal(outbox.pending.value.length, 0);
  assert.deepEqual(stored, [
    { channel: "c", seq: 7, prev: 4, at: 99, from: "ann", cid: server.calls[0]!.cid, kind: "text", body: { text: "hello" } },
  ]);
});

test("what was not stored is sent again, under the same cid, by the next page", async () => {
  const storage = new Memory();
  const before = new Server();
  new Outbox(before, "ann", () => {}, storage).send("c", "text", { text: "hello" });
  const after = new Server();
  const outbox = new Outbox(after, "ann", () => {}, storage);
  outbox.restore();
  assert.equal(after.calls[0]!.cid, before.calls[0]!.cid);
  after.calls[0]!.ok({ channel: "c", seq: 1, prev: 0, at: 1 });
  await settled();
  assert.equal(storage.items.size, 0);
});

test("a refused message stays, says why, and can be retried under the same cid", async () => {
  const server = new Server();
  const outbox = new Outbox(server, "ann", () => {}, new Memory());
  outbox.send("c", "text", { text: "hello" });
  server.calls[0]!.no(Object.assign(Object.create(WeftError.prototype), { code: "forbidden", message: "blocked" }));
  await settled();
  assert.equal(outbox.pending.value[0]?.failed, "blocked");
  outbox.retry(outbox.pending.value[0]!.cid);
  assert.equal(outbox.pending.value[0]?.failed, undefined);
  assert.equal(server.calls[1]!.cid, server.calls[0]!.cid);
});

test("phone numbers are taken as people write them", () => {
  assert.equal(e164("+49 151 234-567"), "+49151234567");
  assert.equal(e164("0049 (151) 234567"), "+49151234567");
  for (const wrong of ["0151 234567", "+0 151", "+49", "hello", ""]) assert.equal(e164(wrong), null, wrong);
});
