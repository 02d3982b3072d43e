import assert from "node:assert/strict";
import { test } from "node:test";
import { type MediaFile, type Upload, type UploadOptions, WeftError } from "@weft/client";
import { byteSize, mediaOf, mediaPreview, playTime, typeName } from "../src/store/media";
import { bars } from "../src/store/recorder";
import { Uploads } from "../src/store/uploads";
import type { Kept, UploadStore } from "../src/store/uploadstore";

class Memory implements UploadStore {
  readonly kept = new Map<string, Kept>();
  all = async (me: string) => [...this.kept.values()].filter((k) => k.me === me);
  put = async (k: Kept) => void this.kept.set(k.id, k);
  remove = async (id: string) => void this.kept.delete(id);
}

/** Uploads that end when the test says so. */
class Server {
  readonly calls: { name: string; opts: UploadOptions; ok: (f: MediaFile) => void; no: (e: unknown) => void; did: string[] }[] = [];
  upload = (_to: string, _file: Blob, opts: UploadOptions = {}) => {
    const did: string[] = [];
    const done = new Promise<MediaFile>((ok, no) => this.calls.push({ name: opts.name!, opts, ok, no, did }));
    return {
      done, state: "uploading", pause: () => did.push("pause"), resume: () => did.push("resume"), cancel: async () => void did.push("cancel"),
    } as unknown as Upload;
  };
}

const stored = (id: string): MediaFile => ({ media: id, state: "ready", name: "a", type: "text/plain", size: 3, sha256: "00" });
const settled = () => new Promise((done) => setImmediate(done));
const file = (name: string) => ({ file: new Blob(["abc"]), name, more: { caption: name } });
const free = async () => () => {};

test("some go up at a time, and each becomes one message under an id that stays", async () => {
  const [server, store, sent] = [new Server(), new Memory(), [] as unknown[]];
  const uploads = new Uploads(server, store, "ann", (channel, body, cid) => sent.push([channel, body, cid]), free);
  uploads.add("c", ["1", "2", "3", "4"].map(file));
  assert.deepEqual(server.calls.map((c) => c.name), ["1", "2", "3"]);
  assert.deepEqual(uploads.list.value.map((u) => u.state), ["uploading", "uploading", "uploading", "queued"]);
  await settled();
  assert.equal(store.kept.size, 4);
  const { id } = uploads.list.value[1]!;
  server.calls[1]!.ok(stored("m2"));
  await settled();
  assert.deepEqual(sent, [["c", { media: "m2", name: "a", type: "text/plain", size: 3, caption: "2" }, id]]);
  assert.deepEqual(server.calls.map((c) => c.name), ["1", "2", "3", "4"]);
  assert.equal(store.kept.size, 3);
});

test("the next page goes on where the server is, and leaves alone what another tab has", async () => {
  const store = new Memory();
  const before = new Server();
  const first = new Uploads(before, store, "ann", () => {}, free);
  first.add("c", [file("1"), file("2"), file("3")]);
  before.calls[0]!.opts.onBegun!("/v1/media/uploads/x");
  const [one, two, three] = first.list.value.map((u) => u.id);
  first.pause(two!);
  await settled();
  first.stop();

  const [after, sent] = [new Server(), [] as string[]];
  const uploads = new Uploads(after, store, "ann", (_, __, cid) => sent.push(cid), async (id) => (id === three ? undefined : () => {}));
  await uploads.restore();
  assert.deepEqual(uploads.list.value.map((u) => [u.id, u.state]), [[one, "uploading"], [two, "paused"]]);
  assert.deepEqual(after.calls.map((c) => [c.name, c.opts.resume]), [["1", "/v1/media/uploads/x"]]);
  after.calls[0]!.ok(stored("m1"));
  await settled();
  assert.deepEqual(sent, [one]);
  uploads.cancel(two!);
  await settled();
  assert.deepEqual([...store.kept.keys()], [three]);
  const others = new Uploads(new Server(), store, "bob", () => {}, free);
  await others.restore();
  assert.deepEqual(others.list.value, []);
});

test("what was refused is kept with the reason until it is tried again or cancelled", async () => {
  const [server, store] = [new Server(), new Memory()];
  const uploads = new Uploads(server, store, "ann", () => assert.fail("nothing is sent"), free);
  uploads.add("c", [file("1")]);
  const { id } = uploads.list.value[0]!;
  server.calls[0]!.no(new WeftError("forbidden", "only admins write here"));
  await settled();
  assert.deepEqual([uploads.list.value[0]!.state, uploads.list.value[0]!.failed], ["failed", "only admins write here"]);
  assert.equal(store.kept.get(id)?.failed, "only admins write here");
  uploads.retry(id);
  assert.equal(server.calls.length, 2);
  assert.deepEqual([uploads.list.value[0]!.state, uploads.list.value[0]!.failed], ["uploading", undefined]);
  uploads.cancel(id);
  await settled();
  assert.deepEqual(server.calls[1]!.did, ["cancel"]);
  assert.deepEqual([uploads.list.value.length, store.kept.size], [0, 0]);
  server.calls[1]!.ok(stored("late")); // it was done as it was cancelled
  await settled();
});

test("a paused one makes room, and goes on as the same upload", () => {
  const server = new Server();
  const uploads = new Uploads(server, new Memory(), "ann", () => {}, free);
  uploads.add("c", ["1", "2", "3", "4"].map(file));
  const { id } = uploads.list.value[0]!;
  uploads.pause(id);
  assert.deepEqual(server.calls.map((c) => c.name), ["1", "2", "3", "4"]);
  uploads.resume(id);
  assert.equal(uploads.list.value[0]!.state, "queued");
  uploads.cancel(uploads.list.value[1]!.id);
  assert.deepEqual(server.calls[0]!.did, ["pause", "resume"]);
  assert.equal(server.calls.length, 4);
});

test("of a body only what is as it should be is shown", () => {
  const of = (body: unknown) => mediaOf({ kind: "media", body });
  assert.equal(of(null), null);
  assert.equal(of({ media: 7 }), null);
  assert.equal(mediaOf({ kind: "text", body: { media: "m" } }), null);
  assert.equal(of({ media: "m", type: "image/jpeg" })?.kind, "file", "a picture without a size was not understood by the server");
  assert.equal(of({ media: "m", type: "image/svg+xml", width: 5, height: 5 })?.kind, "file");
  assert.equal(of({ media: "m", type: "image/png", width: 5, height: 5 })?.kind, "picture");
  assert.equal(of({ media: "m", type: "video/webm", voice: true })?.kind, "audio");
  assert.equal(of({ media: "m", type: "text/html", voice: true })?.kind, "file");
  const odd = of({ media: "m", type: "audio/webm", voice: true, duration: "x", waveform: [5, -1, 900, "z", null], poster: "https://else/where.png" })!;
  assert.deepEqual([odd.duration, odd.waveform, odd.poster], [0, [5, 0, 100, 0, 0], ""]);
  assert.equal(of({ media: "m", type: "video/mp4", poster: "data:image/svg+xml;base64,AAAA" })?.poster, "");
  assert.equal(of({ media: "m", type: "video/mp4", poster: "data:image/jpeg;base64,AAAA" })?.poster, "data:image/jpeg;base64,AAAA");
  assert.equal(mediaPreview(of({ media: "m", type: "audio/webm", voice: true, duration: 61_000 })!), "🎤 Voice message (1:01)");
});

test("sizes, times and types are told as people say them", () => {
  assert.deepEqual([0, 999, 1000, 9_940_000, 12_582_912, 2 ** 31].map(byteSize), ["0 B", "999 B", "1.0 kB", "9.9 MB", "13 MB", "2.1 GB"]);
  assert.deepEqual([400, 59_600, 3_600_000].map(playTime), ["0:00", "1:00", "1:00:00"]);
  assert.equal(typeName({ type: "application/pdf", name: "a.b.pdf" }), "PDF");
  assert.equal(typeName({ type: "application/x-tar", name: "backup" }), "TAR");
  assert.deepEqual(bars([1, 9, 3, 4], 2), [9, 4]);
  assert.deepEqual(bars([5], 3), [5, 5, 5]);
  assert.deepEqual(bars([]), []);
});
