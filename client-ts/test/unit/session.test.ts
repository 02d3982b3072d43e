import assert from "node:assert/strict";
import { test } from "node:test";
import { ann, CHANNEL, grant, message } from "./fake";

const settle = () => new Promise(setImmediate);

test("a resume brings nothing twice, and the cursor moves only when the server says so", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  const told: number[] = [];
  client.on("message", (m) => told.push(m.seq));
  client.connect();
  const peer = await dialed();
  assert.equal((await peer.live()).cursor, undefined);
  peer.say(message(3), { ev: "cursor", cursor: "c2" }, message(5));
  assert.equal(client.cursor, "c2");
  peer.drop();
  const next = await dialed();
  assert.equal((await next.welcome()).cursor, "c2");
  next.say(message(5), message(6), { ev: "synced", cursor: "c3" });
  assert.deepEqual(told, [3, 5, 6]);
  assert.equal(client.cursor, "c3");
});

test("a cursor that the server does not know is given up on the same connection", async (t) => {
  const { client, dialed } = ann({ cursor: "stale" });
  t.after(() => client.close());
  let resets = 0;
  client.on("reset", () => resets++);
  client.connect();
  const peer = await dialed();
  peer.say({ ev: "info", heartbeat: 25, limits: {} });
  const first = await peer.request();
  assert.equal(first.cursor, "stale");
  peer.say({ id: first.id, err: { code: "conflict", message: "another fabric" } });
  const second = await peer.request();
  assert.deepEqual([second.op, second.cursor], ["hello", undefined]);
  assert.deepEqual([resets, client.cursor], [1, undefined]);
});

test("marks of a moment are one, and are said again until they are confirmed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live();
  peer.say(message(3), message(4), message(5, "ann"));
  await settle();
  assert.deepEqual(peer.rest, [], "not at once");
  t.mock.timers.tick(100);
  const ack = await peer.request();
  assert.deepEqual([ack.op, ack.channel, ack.seq], ["ack", CHANNEL, 4]);
  client.read(CHANNEL, 3);
  client.read(CHANNEL, 4);
  t.mock.timers.tick(100);
  const read = await peer.request();
  assert.deepEqual([read.op, read.seq], ["read", 4]);
  peer.say({ id: ack.id, ok: {} });
  peer.drop();
  t.mock.timers.tick(250);
  const next = await dialed();
  await next.welcome();
  const again = await next.request();
  assert.deepEqual([again.op, again.seq], ["read", 4]);
  next.say({ id: again.id, ok: {} });
  t.mock.timers.tick(1000);
  await settle();
  assert.deepEqual(next.rest, [], "what was confirmed is settled");
});

test("a silent server is asked whether it is there, and left if it is not", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live({ heartbeat: 25 });
  t.mock.timers.tick(25_000);
  const ping = await peer.request();
  assert.equal(ping.op, "ping");
  peer.say({ id: ping.id, ok: { now: 1 } });
  t.mock.timers.tick(25_000);
  assert.equal((await peer.request()).op, "ping");
  assert.equal(client.state.name, "live");
  t.mock.timers.tick(10_000);
  assert.equal(client.state.name, "waiting");
  assert.ok(peer.closed);
});

test("a question waits for a connection, survives its loss, and ends after 15 s", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, dialed } = ann();
  t.after(() => client.close());
  const asked = client.history(CHANNEL, { limit: 5 });
  client.connect();
  const peer = await dialed();
  await peer.live();
  assert.equal((await peer.request()).op, "history");
  peer.drop();
  t.mock.timers.tick(250);
  const next = await dialed();
  await next.live();
  const again = await next.request();
  next.say({ id: again.id, ok: { messages: [], more: false } });
  assert.deepEqual(await asked, { messages: [], more: false });
  const unanswered = client.receipts(CHANNEL);
  t.mock.timers.tick(15_000);
  await assert.rejects(unanswered, { code: "unavailable" });
});

test("watched users are told to each connection, and their presence comes as events", async (t) => {
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live();
  const watching = client.watch(["bob", "cem"]);
  const watch = await peer.request();
  peer.say({ id: watch.id, ok: { presence: [{ user: "bob", online: true }] } });
  assert.deepEqual(await watching, [{ user: "bob", online: true }]);
  const unwatched = client.unwatch(["cem"]);
  peer.say({ id: (await peer.request()).id, ok: {} });
  await unwatched;
  peer.drop();
  const told: unknown[] = [];
  client.on("presence", (p) => told.push(p));
  const next = await dialed();
  await next.live();
  const again = await next.request();
  assert.deepEqual([again.op, again.users], ["watch", ["bob"]]);
  next.say({ id: again.id, ok: { presence: [{ user: "bob", online: false, last_seen: 7 }] } });
  assert.deepEqual(told, [{ user: "bob", online: false, last_seen: 7 }]);
});

test("a token that is refused is renewed, once, and the client comes back at once", async (t) => {
  let refreshes = 0;
  const { client, dialed } = ann({
    fetch: async () => {
      refreshes++;
      return Response.json(grant("access-2"));
    },
  });
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  assert.equal((await peer.live()).token, "access-1");
  peer.drop(4401);
  assert.equal((await (await dialed()).live()).token, "access-2");
  assert.equal(refreshes, 1);
});

test("a device that was revoked is signed out and its grant dropped", async () => {
  const { client, auth, dialed } = ann();
  client.connect();
  const peer = await dialed();
  await peer.live();
  const sent = client.send("bob", "text", { text: "a" });
  peer.drop(4403);
  assert.deepEqual(client.state, { name: "signed-out" });
  assert.equal(auth.grant, null);
  await assert.rejects(sent, { code: "unauthenticated" });
});

test("after bye it comes back when it was asked to", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { client, dialed } = ann();
  t.after(() => client.close());
  client.connect();
  const peer = await dialed();
  await peer.live();
  peer.say({ ev: "bye", reason: "drain", retry_ms: 4000 });
  peer.drop(1012);
  const { state } = client;
  assert.ok(state.name === "waiting" && state.retryAt >= 3000 && state.retryAt <= 5000, JSON.stringify(state));
  client.connect();
  await dialed(); // a user who asks need not wait
});

test("closed means closed", async () => {
  const { client, dialed } = ann();
  client.connect();
  const peer = await dialed();
  await peer.live();
  const asked = client.channels();
  client.close();
  assert.deepEqual(client.state, { name: "closed" });
  assert.ok(peer.closed);
  await assert.rejects(asked, { code: "closed" });
  await assert.rejects(client.send("bob", "text", {}), { code: "closed" });
  await assert.rejects(client.channels(), { code: "closed" });
});

test("a page that goes offline asks whether the server is still there, and one that comes back does not wait", async (t) => {
  const page = new EventTarget();
  const scope = globalThis as Record<string, unknown>;
  scope.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  scope.addEventListener = page.addEventListener.bind(page);
  scope.removeEventListener = page.removeEventListener.bind(page);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, dialed } = ann();
  t.after(() => {
    client.close();
    delete scope.document;
    delete scope.addEventListener;
    delete scope.removeEventListener;
  });
  client.connect();
  const peer = await dialed();
  await peer.live();
  page.dispatchEvent(new Event("offline"));
  assert.equal((await peer.request()).op, "ping");
  t.mock.timers.tick(10_000);
  assert.equal(client.state.name, "waiting");
  page.dispatchEvent(new Event("offline"));
  assert.equal(client.state.name, "waiting", "there is no network to dial over");
  page.dispatchEvent(new Event("online"));
  assert.equal(client.state.name, "connecting");
  await dialed();
});
