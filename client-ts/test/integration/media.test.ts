import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { WebSocket as NodeSocket } from "ws";
import { Auth, Client, directChannel, Media, MemoryTokens, type Message, type UploadState } from "../../src/index";
import { Server } from "./server";

const webSocket = (url: string, protocol: string) => new NodeSocket(url, protocol) as unknown as WebSocket;

let server: Server;

before(async () => {
  server = await Server.start();
});
after(() => server?.stop());

let phones = 0;

async function signIn(name: string): Promise<{ id: string; auth: Auth; media: Media }> {
  const auth = new Auth({ url: server.url, storage: new MemoryTokens() });
  const phone = `+4915112346${String(++phones).padStart(3, "0")}`;
  const { dev_code } = await auth.requestCode(phone);
  const grant = await auth.signIn({ phone, code: dev_code!, name, device: { name: "test", platform: "node" } });
  return { id: grant.user.id, auth, media: new Media(auth, server.url) };
}

/** Bytes that repeat nowhere within a part. */
function bytes(n: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(n);
  for (let i = 0, x = 1; i < n; i++) all[i] = (x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 16;
  return all;
}

const sha256 = (b: Uint8Array) => createHash("sha256").update(b).digest("hex");

async function loaded(media: Media, id: string): Promise<Uint8Array> {
  for (let tries = 0; ; tries++) {
    try {
      return new Uint8Array(await (await media.download(id)).arrayBuffer());
    } catch (err) {
      if (tries > 50) throw err;
      await new Promise((done) => setTimeout(done, 100)); // what is just sent is archived soon
    }
  }
}

test("a file goes to somebody in one call, and to nobody else", async () => {
  const [ann, bob, eve] = [await signIn("Ann"), await signIn("Bob"), await signIn("Eve")];
  const a = new Client({ url: server.url, auth: ann.auth, webSocket });
  const b = new Client({ url: server.url, auth: bob.auth, webSocket });
  const live = new Promise((done) => b.on("synced", done));
  const comes = new Promise<Message>((done) => b.on("message", done));
  a.connect();
  b.connect();
  await live;
  const data = bytes(3_000_000);
  const moved: number[] = [];
  await ann.media.send(a, bob.id, new File([data], "päper.bin"), { caption: "as promised", onProgress: (n) => moved.push(n), more: { page: 7 } });
  const { kind, body } = await comes;
  assert.equal(kind, "media");
  assert.deepEqual(
    { ...body, media: "" },
    { media: "", name: "päper.bin", type: "application/octet-stream", size: data.length, caption: "as promised", page: 7 },
  );
  assert.equal(moved.at(-1), data.length);
  assert.equal(sha256(await loaded(bob.media, body.media)), sha256(data));
  const end = await bob.media.download(body.media, { range: { start: data.length - 10 } });
  assert.deepEqual(new Uint8Array(await end.arrayBuffer()), data.slice(-10));
  assert.equal((await bob.media.info(body.media)).sha256, sha256(data));
  const link = await bob.media.link(body.media);
  assert.ok(link.expires_at > Date.now());
  assert.equal(sha256(new Uint8Array(await (await fetch(link.url)).arrayBuffer())), sha256(data));
  await assert.rejects(eve.media.download(body.media), { name: "WeftError", code: "not_found" });
  await assert.rejects(eve.media.link(body.media), { code: "not_found" });
  a.close();
  b.close();
});

test("an upload that is paused, and one over a crash of the server, go on where they were", async () => {
  const [ann, bob] = [await signIn("Ann"), await signIn("Bob")];
  const data = bytes(20_000_000);
  const states: UploadState[] = [];
  let [paused, crashed] = [false, false];
  let isDown = () => {};
  const down = new Promise<void>((done) => (isDown = done));
  const upload = ann.media.upload(directChannel(ann.id, bob.id), new Blob([data]), {
    name: "film.bin",
    onState: (s) => {
      states.push(s);
      if (s === "waiting") isDown();
    },
    onProgress: (n) => {
      if (!paused && n > 4_000_000) {
        paused = true;
        upload.pause();
        assert.equal(upload.state, "paused");
        setTimeout(() => upload.resume(), 50);
      } else if (!crashed && n > 12_000_000) {
        crashed = true;
        void server.kill();
      }
    },
  });
  await down;
  await server.up();
  const file = await upload.done;
  assert.equal(file.sha256, sha256(data));
  assert.deepEqual([paused, crashed], [true, true]);
  assert.ok(states.includes("paused") && states.at(-1) === "done", states.join());
});

test("an upload that was left goes on in another process, and one that the server has no more begins anew", async () => {
  const [ann, bob] = [await signIn("Ann"), await signIn("Bob")];
  const channel = directChannel(ann.id, bob.id);
  const data = bytes(18_000_000);
  const left = new AbortController();
  let at = "";
  const first = ann.media.upload(channel, new Blob([data]), {
    signal: left.signal, onBegun: (where) => (at = where), onProgress: (n) => n > 9_000_000 && left.abort(),
  });
  await assert.rejects(first.done, { code: "closed" });
  assert.match(at, /^\/v1\/media\/uploads\//);
  let least = Infinity;
  const second = ann.media.upload(channel, new Blob([data]), { resume: at, onProgress: (n) => (least = Math.min(least, n)) });
  assert.equal((await second.done).sha256, sha256(data));
  assert.ok(least > 1_000_000, `it went on at ${least}`);
  assert.ok(at.endsWith((await second.done).media));

  let begun = 0;
  const gone = "/v1/media/uploads/01975c3a-8d4e-7b1f-9c2d-3e4f5a6b7c8e";
  const third = ann.media.upload(channel, new Blob(["small"]), { resume: gone, onBegun: () => begun++ });
  assert.equal((await third.done).size, 5);
  assert.equal(begun, 1);
});

test("what is cancelled is gone, what is refused is told, and what is empty is a file", async () => {
  const [ann, bob, eve] = [await signIn("Ann"), await signIn("Bob"), await signIn("Eve")];
  const channel = directChannel(ann.id, bob.id);
  let at = "";
  const upload = ann.media.upload(channel, new Blob([bytes(20_000_000)]), { onBegun: (where) => (at = where), onProgress: (n) => n > 8_500_000 && upload.pause() });
  while (upload.state !== "paused") await new Promise((done) => setTimeout(done, 10));
  await upload.cancel();
  await assert.rejects(upload.done, { code: "closed" });
  const head = await fetch(server.url + at, { method: "HEAD", headers: { Authorization: `Bearer ${await ann.auth.accessToken()}`, "Tus-Resumable": "1.0.0" } });
  assert.equal(head.status, 404);
  await assert.rejects(eve.media.upload(channel, new Blob(["x"])).done, (err: { code: string; message: string }) => err.code !== "unavailable" && err.message !== "");
  assert.equal((await ann.media.upload(channel, new Blob([])).done).size, 0);
});
