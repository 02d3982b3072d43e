import assert from "node:assert/strict";
import { test } from "node:test";
import { Auth, type Grant, MemoryTokens, WeftError } from "../../src/index";

type Asked = { path: string; body: { refresh_token: string; attempt: string } };

const MINUTE = 60_000;

function grant(n: number, validMs = 15 * MINUTE): Grant {
  return {
    user: { id: "ann", name: "Ann" },
    device: { id: "phone", name: "Phone", platform: "test" },
    access_token: `access-${n}`,
    expires_at: Date.now() + validMs,
    refresh_token: `refresh-${n}`,
  };
}

// signedIn gives an Auth that holds a grant, and records what it asks; answers are given in turn.
function signedIn(held: Grant, ...answers: (() => Response | Promise<Response>)[]) {
  const asked: Asked[] = [];
  const storage = new MemoryTokens();
  storage.save(held);
  const auth = new Auth({
    url: "http://weft.test/",
    storage,
    fetch: async (input, init) => {
      asked.push({ path: String(input), body: init?.body ? JSON.parse(String(init.body)) : undefined });
      const answer = answers.shift();
      if (!answer) throw new Error("unexpected call");
      return answer();
    },
  });
  return { auth, asked, storage };
}

const ok = (body: unknown) => () => Response.json(body);
const refuse = (status: number, code: string) => () => Response.json({ code, detail: code }, { status });
const unreachable = () => Promise.reject(new TypeError("fetch failed"));

test("a good token is used as it is", async () => {
  const { auth, asked } = signedIn(grant(1));
  assert.equal(await auth.accessToken(), "access-1");
  assert.equal(asked.length, 0);
});

test("many who need a token cause one refresh", async () => {
  const { auth, asked } = signedIn(grant(1, 1000), ok(grant(2)));
  const changes: (string | undefined)[] = [];
  auth.onChange((g) => changes.push(g?.access_token));
  const tokens = await Promise.all([auth.accessToken(), auth.accessToken(), auth.accessToken({ refresh: true })]);
  assert.deepEqual(tokens, ["access-2", "access-2", "access-2"]);
  assert.deepEqual(asked.map((a) => [a.path, a.body.refresh_token]), [["http://weft.test/v1/auth/refresh", "refresh-1"]]);
  assert.deepEqual(changes, ["access-2"]);
});

test("a refresh whose reply is lost is tried again under the same name, a new one gets another", async () => {
  const { auth, asked, storage } = signedIn(grant(1, 1000), unreachable, ok(grant(2, 1000)), ok(grant(3)));
  await assert.rejects(auth.accessToken(), { code: "unavailable" });
  assert.equal(storage.load()?.attempt, asked[0]!.body.attempt, "a reload tries under the same name too");
  assert.equal(await auth.accessToken(), "access-2");
  assert.equal(await auth.accessToken(), "access-3");
  const [first, again, next] = asked.map((a) => a.body.attempt);
  assert.ok(first);
  assert.equal(again, first);
  assert.notEqual(next, first);
});

test("a token that was refused is not renewed if another tab did already", async () => {
  const { auth, asked, storage } = signedIn(grant(1));
  storage.save(grant(2));
  assert.equal(await auth.accessToken({ refused: "access-1" }), "access-2");
  assert.equal(asked.length, 0);
});

test("a refusal signs out, an outage does not", async () => {
  const { auth } = signedIn(grant(1, 1000), refuse(503, "unavailable"), refuse(401, "unauthenticated"));
  const changes: (Grant | null)[] = [];
  auth.onChange((g) => changes.push(g));
  await assert.rejects(auth.accessToken(), { code: "unavailable", status: 503 });
  assert.equal(auth.grant?.refresh_token, "refresh-1");
  await assert.rejects(auth.accessToken(), (err: unknown) => err instanceof WeftError && err.code === "unauthenticated");
  assert.equal(auth.grant, null);
  assert.deepEqual(changes, [null]);
  await assert.rejects(auth.accessToken(), { code: "unauthenticated" });
});

test("who signs out during a refresh stays signed out", async () => {
  const begun = deferred<void>();
  const answer = deferred<Response>();
  const { auth } = signedIn(
    grant(1, 1000),
    () => {
      begun.resolve();
      return answer.promise;
    },
    ok(grant(2)),
    () => new Response(null, { status: 204 }),
  );
  const token = auth.accessToken();
  await begun.promise;
  await auth.signOut();
  answer.resolve(Response.json(grant(2)));
  await assert.rejects(token, { code: "unauthenticated" });
  assert.equal(auth.grant, null);
});

test("a page of a proxy is told by its status", async () => {
  const { auth } = signedIn(grant(1), () => new Response("<h1>Bad Gateway</h1>", { status: 502 }));
  await assert.rejects(auth.requestCode("+491511234567"), { code: "unavailable", status: 502 });
});

function deferred<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}

test("two tabs that need a token cause one refresh", async (t) => {
  let last: Promise<unknown> = Promise.resolve();
  let held = 0;
  const locks = {
    request: (_name: string, ...args: [((lock: object | null) => Promise<unknown>)] | [object, (lock: object | null) => Promise<unknown>]) => {
      const f = args.at(-1) as (lock: object | null) => Promise<unknown>;
      if (args.length === 2 && held > 0) return f(null);
      held++;
      const run = () => f({}).finally(() => held--);
      return (last = last.then(run, run));
    },
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  t.after(() => {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  });
  const { auth: one, asked, storage } = signedIn(grant(1, 1000), ok(grant(2)));
  const two = new Auth({ url: "http://weft.test", storage, fetch: () => Promise.reject(new Error("the first tab's is enough")) });
  assert.deepEqual(await Promise.all([one.accessToken(), two.accessToken()]), ["access-2", "access-2"]);
  assert.equal(asked.length, 1);
});
