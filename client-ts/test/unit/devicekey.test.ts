import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { test } from "node:test";
import { Auth, type DeviceKey, type DeviceKeys, type Grant, MemoryTokens, userNkey, WebCryptoKey } from "../../src/index";
import { ann, grant } from "./fake";

// What NATS's own library for nkeys (Go) makes of the same seeds.
const golden = [
  {
    seed: "00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9",
    public: "4d0ec3a0d03fefff93a9bcce2a24b406d46f44aeff1f7787daedb13caafa402c",
    nkey: "UBGQ5Q5A2A76774TVG6M4KREWQDNI32EV37R654H3LW3CPFK7JACYEW2",
    n0nce: "j9EY2lClIlmIe4cIVUn4KMUshWH0z2x5ZzzMjVgy7gwnWu561gkusstSoMlQJrS2jp6vqSicOfbQoe3EGIxwCw",
  },
  {
    seed: "fff8f1eae3dcd5cec7c0b9b2aba49d968f88817a736c655e575049423b342d26",
    public: "6e7069ed8359b13d197548a4c6f50776d523f3f82322f1f2ca1747ba9056bd89",
    nkey: "UBXHA2PNQNM3CPIZOVEKJRXVA53NKI7T7ARSF4PSZILUPOUQK26YT6IH",
    n0nce: "TRVNUteFkGE-cidSIX5mx9yPw8sLuYAnpfEBvVL1TtjtrKSPHHfz-rj2-j5L9RqaiCdv1ECpX1w8GH_mZnX2Ag",
  },
];

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

test("keys and signatures are written as NATS writes them", async () => {
  for (const g of golden) {
    assert.equal(userNkey(bytes(g.public)), g.nkey);
    const pkcs8 = bytes(`302e020100300506032b657004220420${g.seed}`); // RFC 8410 section 7
    const key = new WebCryptoKey(g.nkey, await crypto.subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, false, ["sign"]));
    assert.equal(await key.sign("n0nce"), g.n0nce);
  }
  assert.throws(() => userNkey(new Uint8Array(31)), RangeError);
});

test("WebCrypto's key signs and cannot be read out", async () => {
  const key = await WebCryptoKey.generate();
  assert.match(key.publicKey, /^U[A-Z2-7]{55}$/);
  const signature = Buffer.from(await key.sign("a nonce"), "base64url");
  // base32 backwards: the 32 bytes behind the prefix
  const bits = [...key.publicKey].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const raw = Buffer.from((bits.match(/.{8}/g) ?? []).slice(1, 33).map((b) => parseInt(b, 2)));
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  assert.ok(verify(null, Buffer.from("a nonce"), publicKey, signature));
  assert.ok(!verify(null, Buffer.from("another nonce"), publicKey, signature));
  const { privateKey } = key.stored;
  for (const format of ["pkcs8", "jwk"] as const) await assert.rejects(crypto.subtle.exportKey(format, privateKey));
});

test("a key of Node's is one too", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  const key: DeviceKey = { publicKey: userNkey(raw), sign: async (nonce) => sign(null, Buffer.from(nonce), privateKey).toString("base64url") };
  const web = new WebCryptoKey(key.publicKey, await crypto.subtle.importKey("pkcs8", privateKey.export({ format: "der", type: "pkcs8" }), { name: "Ed25519" }, false, ["sign"]));
  assert.equal(await key.sign("n0nce"), await web.sign("n0nce"));
});

/** Keeps keys in memory. */
class Keys implements DeviceKeys {
  readonly kept = new Map<string, DeviceKey>();
  made = 0;
  broken = false;

  async create(): Promise<DeviceKey> {
    const key = { publicKey: `key-${++this.made}`, sign: async (nonce: string) => `${nonce} by key` };
    this.kept.set(key.publicKey, key);
    return key;
  }

  async find(publicKey: string): Promise<DeviceKey | null> {
    if (this.broken) throw new Error("the disk is away");
    return this.kept.get(publicKey) ?? null;
  }

  async retain(publicKey: string | undefined): Promise<void> {
    for (const key of [...this.kept.keys()]) if (key !== publicKey) this.kept.delete(key);
  }
}

type Asked = { path: string; body: any };

function server(...answers: (() => Response)[]): { asked: Asked[]; fetch: typeof fetch } {
  const asked: Asked[] = [];
  return {
    asked,
    fetch: async (input, init) => {
      asked.push({ path: new URL(String(input)).pathname, body: init?.body ? JSON.parse(String(init.body)) : undefined });
      const answer = answers.shift();
      if (!answer) throw new Error("unexpected call");
      return answer();
    },
  };
}

const ok = (body: unknown) => () => Response.json(body);
const refuse = (status: number, code: string) => () => Response.json({ code, detail: code }, { status });
const device = { name: "Firefox", platform: "web" };
const byCode = { phone: "+4915123456789", code: "123456", device };
const expired = (g: Grant): Grant => ({ ...g, expires_at: Date.now() + 1000 });

test("a sign-in binds its tokens to a key of its own, which goes with them", async () => {
  const keys = new Keys();
  const storage = new MemoryTokens();
  const { asked, fetch } = server(
    refuse(401, "unauthenticated"), ok(expired(grant("access-1"))), ok(grant("access-2")), ok(grant("access-3")), () => new Response(null, { status: 204 }),
  );
  const auth = new Auth({ url: "http://weft.test", storage, keys, fetch });
  await assert.rejects(auth.signIn(byCode), { code: "unauthenticated" });
  assert.equal(keys.kept.size, 0, "a key is left of a sign-in that failed");
  const first = await auth.signIn(byCode);
  assert.deepEqual(asked[1]!.body, { ...byCode, device: { ...device, public_key: "key-2" } });
  assert.equal(first.public_key, "key-2");
  await auth.accessToken();
  assert.equal(auth.grant?.access_token, "access-2");
  assert.equal((await auth.deviceKey())?.publicKey, "key-2", "a renewed grant is bound to the same key");
  // another tab or page finds it by the grant
  const other = new Auth({ url: "http://weft.test", storage, keys, fetch });
  assert.equal((await other.deviceKey())?.publicKey, "key-2");
  // signing in by an issuer is no other, and leaves no key of before
  await auth.oidcToken({ state: "s", code: "c", device });
  assert.equal(asked.at(-1)!.path, "/v1/auth/oidc/token");
  assert.deepEqual(asked.at(-1)!.body, { state: "s", code: "c", device: { ...device, public_key: "key-3" } });
  assert.deepEqual([...keys.kept.keys()], ["key-3"]);
  await auth.signOut();
  assert.equal(keys.kept.size, 0);
  assert.equal(auth.grant, null);
  assert.equal(auth.ended, undefined, "signing out oneself needs no reason");
});

test("where there can be no key the tokens are bearers", async () => {
  const none: DeviceKeys = { create: async () => null, find: async () => null, retain: async () => {} };
  const { asked, fetch } = server(ok(grant("access-1")));
  const auth = new Auth({ url: "http://weft.test", storage: new MemoryTokens(), keys: none, fetch });
  await auth.signIn(byCode);
  assert.deepEqual(asked[0]!.body.device, device);
  assert.equal(await auth.deviceKey(), undefined);
});

test("a key that is gone ends the sign-in, one that cannot be read now does not", async () => {
  const keys = new Keys();
  const storage = new MemoryTokens();
  const { fetch } = server(ok(grant("access-1")));
  await new Auth({ url: "http://weft.test", storage, keys, fetch }).signIn(byCode);
  const auth = new Auth({ url: "http://weft.test", storage, keys, fetch });
  keys.broken = true;
  await assert.rejects(auth.deviceKey(), { code: "unavailable" });
  assert.ok(auth.grant);
  keys.broken = false;
  keys.kept.clear();
  await assert.rejects(auth.deviceKey(), { code: "unauthenticated" });
  assert.equal(auth.grant, null);
  assert.equal(auth.ended, "key_lost");
});

test("hello is signed, and signed again where the cursor is refused", async () => {
  const key: DeviceKey = { publicKey: "key", sign: async (nonce) => `${nonce} by key` };
  const { client, dialed } = ann({ cursor: "another fabric's", keys: key });
  client.connect();
  const peer = await dialed();
  peer.say({ ev: "info", proto: 1, nonce: "n0nce", heartbeat: 25, limits: {} });
  const hello = await peer.request();
  assert.deepEqual([hello.sig, hello.cursor], ["n0nce by key", "another fabric's"]);
  peer.say({ id: hello.id, err: { code: "conflict", message: "another fabric's" } });
  const again = await peer.request();
  assert.deepEqual([again.sig, again.cursor], ["n0nce by key", undefined]);
  client.close();
});

test("a device that was revoked tells why, in other tabs too", async () => {
  const { client, auth, storage, dialed } = ann();
  client.connect();
  const peer = await dialed();
  await peer.live();
  peer.drop(4403, "signed_out");
  assert.equal(client.state.name, "signed-out");
  assert.equal(auth.ended, "signed_out");
  assert.equal(storage.ended(), "signed_out");
  storage.save(grant("access-9"));
  assert.equal(auth.ended, undefined);
});

test("a reason that is not known yet is one all the same", async () => {
  const { client, auth, dialed } = ann();
  client.connect();
  const peer = await dialed();
  await peer.live();
  peer.drop(4403, "for a reason of the future");
  assert.equal(auth.ended, "revoked");
});
