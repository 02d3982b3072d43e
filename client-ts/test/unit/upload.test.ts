// Uploads against a server of tus that answers as the test says: what the real one does seldom.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { Auth, type Grant, Media, mediaBody, MemoryTokens, type UploadState } from "../../src/index";

const AT = "/v1/media/uploads/01975c3a-8d4e-7b1f-9c2d-3e4f5a6b7c8e";
const told = { media: AT.slice(18), state: "ready", name: "a.txt", type: "text/plain", size: 5, sha256: "00" };

let server: Server;
let asked: string[] = [];
let answer: (what: string, req: IncomingMessage) => [status: number, headers?: Record<string, string>, body?: unknown];

before(async () => {
  server = createServer((req: IncomingMessage, res: ServerResponse) => {
    const chunks: Buffer[] = [];
    req.on("data", (c: Buffer) => chunks.push(c));
    req.on("end", () => {
      const what = `${req.method} ${req.url === "/v1/media/uploads" ? "" : req.url!.startsWith(AT) ? "upload" : req.url}`.trim();
      asked.push(what);
      const [status, headers = {}, body] = answer(what, req);
      res.writeHead(status, { "Tus-Resumable": "1.0.0", ...headers });
      res.end(body === undefined ? undefined : JSON.stringify(body));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
});
after(() => server.close());

const info = `GET /v1/media/${told.media}/info`;

/** What goes well, where the test says nothing else. */
function fine(what: string): [number, Record<string, string>?, unknown?] {
  switch (what) {
    case "POST":
      return [201, { Location: AT }];
    case "HEAD upload":
      return [200, { "Upload-Offset": "0", "Upload-Length": "5" }];
    case "PATCH upload":
      return [204, { "Upload-Offset": "5" }];
    case "POST /v1/auth/refresh":
      return [200, {}, grant("second")];
  }
  return what === info ? [200, {}, told] : [404, {}, { code: "not_found", detail: what }];
}

function grant(token: string): Grant {
  const user = { id: "ann", name: "Ann" };
  return { user, device: { id: "d", name: "test", platform: "node" }, access_token: token, expires_at: Date.now() + 600_000, refresh_token: "r" };
}

function media(): Media {
  asked = [];
  answer = fine;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const storage = new MemoryTokens();
  storage.save(grant("first"));
  return new Media(new Auth({ url, storage }), url);
}

const file = () => new File(["hello"], "a.txt", { type: "text/plain" });

test("a file goes up with who it is for, and its id is the upload's", async () => {
  const m = media();
  let metadata = "";
  answer = (what, req) => {
    if (what === "POST") metadata = String(req.headers["upload-metadata"]);
    return fine(what);
  };
  const states: UploadState[] = [];
  assert.deepEqual(await m.upload("bob", file(), { onState: (s) => states.push(s) }).done, told);
  assert.deepEqual(asked, ["POST", "PATCH upload", info]);
  const pairs = metadata.split(",").map((p) => p.split(" ")).map(([k, v]) => [k, Buffer.from(v!, "base64").toString()]);
  assert.deepEqual(Object.fromEntries(pairs), { channel: "bob", filename: "a.txt", filetype: "text/plain" });
  assert.deepEqual(states, ["done"]);
  assert.deepEqual(mediaBody(told, { caption: "x" }), { media: told.media, name: "a.txt", type: "text/plain", size: 5, caption: "x" });
});

test("a token that is refused is renewed, once", async () => {
  const m = media();
  answer = (what, req) => (what === "POST" && req.headers.authorization === "Bearer first" ? [401] : fine(what));
  await m.upload("bob", file()).done;
  assert.deepEqual(asked, ["POST", "POST /v1/auth/refresh", "POST", "PATCH upload", info]);
  const n = media();
  answer = (what) => (what === "POST" ? [401, {}, { code: "unauthenticated", detail: "no" }] : fine(what));
  await assert.rejects(n.upload("bob", file()).done, { name: "WeftError", code: "unauthenticated" });
});

test("a server that has no time is asked again where the upload is, and never begins anew for that", async () => {
  const m = media();
  const refuse = new Map([["POST", 503], ["PATCH upload", 423], ["HEAD upload", 503]]);
  answer = (what) => {
    const status = refuse.get(what);
    refuse.delete(what);
    return status ? [status] : fine(what);
  };
  const states: UploadState[] = [];
  await m.upload("bob", file(), { onState: (s) => states.push(s) }).done;
  assert.deepEqual(asked, ["POST", "POST", "PATCH upload", "HEAD upload", "HEAD upload", "PATCH upload", info]);
  assert.equal(states.filter((s) => s === "waiting").length, 3);
});

test("an upload that is gone begins anew; one that is gone twice is given up", async () => {
  const m = media();
  answer = (what) => (what === "HEAD upload" ? [404] : fine(what));
  await m.upload("bob", file(), { resume: AT }).done;
  assert.deepEqual(asked, ["HEAD upload", "POST", "PATCH upload", info]);
  const n = media();
  answer = (what) => (what === "HEAD upload" || what === "PATCH upload" ? [404] : fine(what));
  await assert.rejects(n.upload("bob", file(), { resume: AT }).done, { code: "not_found" });
});

test("what is refused is told as the server says it", async () => {
  const m = media();
  answer = () => [413, {}, { code: "too_large", detail: "files have up to 4 bytes here" }];
  const upload = m.upload("bob", file());
  await assert.rejects(upload.done, { code: "too_large", message: "files have up to 4 bytes here", status: 413 });
  assert.equal(upload.state, "failed");
  assert.deepEqual(asked, ["POST"]);
});

test("a file that cannot be read any more is no lost connection", async () => {
  const m = media();
  const gone = file();
  gone.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("NotReadable")) }) as unknown as Blob;
  await assert.rejects(m.upload("bob", gone).done, { code: "bad_request" });
});

test("what is ended tells so, and a signal that came before begins nothing", async () => {
  const m = media();
  await assert.rejects(m.upload("bob", file(), { signal: AbortSignal.abort() }).done, { code: "closed" });
  assert.deepEqual(asked, []);
});
