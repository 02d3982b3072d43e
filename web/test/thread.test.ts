import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Message } from "@weft/client";
import { MAX_MESSAGES, Thread } from "../src/store/thread";
import { add, emptyWindow, holeBefore } from "../src/store/window";

const channel = "a.b";

// Seqs are not dense: other channels share the log.
const seqOf = (n: number) => 3 * n;

function message(n: number): Message {
  return { channel, seq: seqOf(n), prev: n > 1 ? seqOf(n - 1) : 0, at: n, from: "b", cid: `c${n}`, kind: "text", body: { text: `${n}` } };
}

/** A server that holds n messages, and answers when it is told to, or at once. */
class Server {
  messages: Message[];
  held: (() => void)[] | null = null;
  asked = 0;
  constructor(n: number) {
    this.messages = Array.from({ length: n }, (_, i) => message(i + 1));
  }
  arrive(): Message {
    const m = message(this.messages.length + 1);
    this.messages.push(m);
    return m;
  }
  async history(_: string, q: { before?: number; after?: number; limit?: number } = {}) {
    this.asked++;
    const { before, after, limit = 50 } = q;
    const all = this.messages.filter((m) => (before ? m.seq < before : true) && (after ? m.seq > after : true));
    const page = after !== undefined ? all.slice(0, limit) : all.slice(-limit);
    if (this.held) await new Promise<void>((go) => this.held!.push(go));
    return { messages: page, more: all.length > page.length };
  }
  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const go of held) go();
  }
}

const numbers = (thread: Thread) => thread.window.value.messages.map((m) => m.seq / 3);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test("messages stand in order, each once, however they come", () => {
  const w = add(add(add(emptyWindow, [message(3)]), [message(1), message(2)]), [message(3), message(2)]);
  assert.deepEqual(w.messages.map((m) => m.seq), [3, 6, 9]);
  assert.equal(holeBefore(w, 9), undefined);
  assert.equal(holeBefore(add(w, [message(6)]), 18), 9);
});

test("what arrives while the newest page is on its way is kept", async () => {
  const server = new Server(10);
  server.held = [];
  const thread = new Thread(channel, server);
  const loading = thread.loadNewest();
  thread.receive(server.arrive());
  thread.receive(server.arrive());
  server.release();
  await loading;
  assert.deepEqual(numbers(thread), range(1, 12));
});

test("paging up and down reaches every message, and never holds more than its bound", async () => {
  const server = new Server(1000);
  const thread = new Thread(channel, server);
  await thread.loadNewest();
  thread.atEnd.value = false;
  const seen = new Set(numbers(thread));
  while (thread.window.value.older) {
    await thread.loadOlder();
    numbers(thread).forEach((n) => seen.add(n));
    assert.ok(thread.window.value.messages.length <= MAX_MESSAGES);
  }
  assert.equal(seen.size, 1000);
  assert.equal(numbers(thread)[0], 1);
  assert.equal(thread.window.value.newer, true);

  thread.receive(server.arrive()); // beyond the window: paging down brings it
  assert.equal(numbers(thread).at(-1), MAX_MESSAGES);
  while (thread.window.value.newer) {
    await thread.loadNewer();
    assert.ok(thread.window.value.messages.length <= MAX_MESSAGES);
  }
  assert.deepEqual(numbers(thread), range(1002 - MAX_MESSAGES, 1001));
});

test("what arrives while the last page down is on its way follows it", async () => {
  const server = new Server(400);
  const thread = new Thread(channel, server);
  await thread.loadNewest();
  thread.atEnd.value = false;
  while (thread.window.value.older) await thread.loadOlder();
  while (server.messages.at(-1)!.seq - thread.window.value.messages.at(-1)!.seq > 3 * 60) await thread.loadNewer();
  server.held = [];
  const loading = thread.loadNewer();
  const late = server.arrive();
  thread.receive(late);
  server.release();
  await loading;
  assert.equal(thread.window.value.newer, false);
  assert.equal(numbers(thread).at(-1), 401);
});

test("following the end lets go of the oldest", async () => {
  const server = new Server(MAX_MESSAGES);
  const thread = new Thread(channel, server);
  await thread.loadNewest();
  for (let i = 0; i < MAX_MESSAGES; i++) thread.receive(server.arrive());
  assert.deepEqual(numbers(thread), range(MAX_MESSAGES + 1, 2 * MAX_MESSAGES));
  assert.equal(thread.window.value.older, true);
});

test("a hole that an overtaking reply leaves is filled", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const server = new Server(5);
    const thread = new Thread(channel, server);
    await thread.loadNewest();
    server.arrive(); // its event never came
    thread.receive(server.arrive());
    assert.deepEqual(numbers(thread), [1, 2, 3, 4, 5, 7]);
    mock.timers.tick(1000);
    await Promise.resolve().then(() => {});
    assert.deepEqual(numbers(thread), range(1, 7));
  } finally {
    mock.timers.reset();
  }
});

test("events that come a moment after the reply that overtook them need no asking", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const server = new Server(5);
    const thread = new Thread(channel, server);
    await thread.loadNewest();
    const six = server.arrive();
    thread.receive(server.arrive());
    thread.receive(six);
    const asked = server.asked;
    mock.timers.tick(1000);
    assert.deepEqual(numbers(thread), range(1, 7));
    assert.equal(server.asked, asked);
  } finally {
    mock.timers.reset();
  }
});

test("an answer to a window that is gone is dropped", async () => {
  const server = new Server(500);
  const thread = new Thread(channel, server);
  await thread.loadNewest();
  server.held = [];
  const older = thread.loadOlder();
  const held = server.held;
  server.held = null;
  await thread.loadNewest();
  for (const go of held) go();
  await older;
  assert.deepEqual(numbers(thread), range(441, 500));
  assert.equal(thread.loading.value, "");
});

test("a failed load says so, and can be repeated", async () => {
  const server = new Server(3);
  let online = false;
  const history: Server["history"] = (c, q) => (online ? server.history(c, q) : Promise.reject(new Error("offline")));
  const thread = new Thread(channel, { history });
  await thread.loadNewest();
  assert.equal(thread.error.value, true);
  assert.equal(thread.loaded.value, false);
  thread.receive(server.arrive());
  online = true;
  await thread.loadNewest();
  assert.equal(thread.error.value, false);
  assert.deepEqual(numbers(thread), range(1, 4));
});
