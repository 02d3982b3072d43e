// A server that a test plays by hand, and a client that talks to it.
import { Auth, Client, type DeviceKey, type Grant, MemoryTokens, type Outbox } from "../../src/index";

export type Request = { op: string; id?: number; [field: string]: unknown };

export const CHANNEL = "ann.bob";

/** One connection, seen from the server's side. */
export class Peer {
  readonly frames: string[] = [];
  onmessage: ((e: { data: unknown }) => void) | null = null;
  onclose: ((e: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  private readonly requests: Request[] = [];
  private readonly waiting: ((r: Request) => void)[] = [];

  send(frame: string): void {
    this.frames.push(frame);
    for (const line of frame.split("\n")) {
      const request = JSON.parse(line) as Request;
      const waiter = this.waiting.shift();
      if (waiter) waiter(request);
      else this.requests.push(request);
    }
  }

  close(): void {
    this.closed = true;
  }

  /** The next request of the client. */
  request(): Promise<Request> {
    const request = this.requests.shift();
    return request ? Promise.resolve(request) : new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Requests that came and were not taken. */
  get rest(): Request[] {
    return this.requests;
  }

  say(...objects: object[]): void {
    this.onmessage?.({ data: objects.map((o) => JSON.stringify(o)).join("\n") });
  }

  /** The connection ends. */
  drop(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason });
  }

  /** Takes hello and answers it; returns the request. */
  async welcome(info: object = {}): Promise<Request> {
    this.say({ ev: "info", proto: 1, nonce: "n", heartbeat: 25, limits: {}, ...info });
    const hello = await this.request();
    this.say({ id: hello.id, ok: { user: "ann", device: "phone", session: "s", now: 1 } });
    return hello;
  }

  async live(info?: object): Promise<Request> {
    const hello = await this.welcome(info);
    this.say({ ev: "synced", cursor: "c1" });
    return hello;
  }
}

/** A client of ann's, and the connections it makes. */
export function ann(opts: { outbox?: Outbox; cursor?: string; keys?: DeviceKey; fetch?: typeof fetch } = {}): {
  client: Client; auth: Auth; storage: MemoryTokens; dialed(): Promise<Peer>;
} {
  const storage = new MemoryTokens();
  storage.save({ ...grant("access-1"), ...(opts.keys && { public_key: opts.keys.publicKey }) });
  const auth = new Auth({ url: "http://weft.test", storage, keys: opts.keys, fetch: opts.fetch });
  const peers: Peer[] = [];
  const waiting: ((p: Peer) => void)[] = [];
  const client = new Client({
    url: "http://weft.test",
    auth,
    outbox: opts.outbox,
    cursor: opts.cursor,
    webSocket: () => {
      const peer = new Peer();
      const waiter = waiting.shift();
      if (waiter) waiter(peer);
      else peers.push(peer);
      return peer as unknown as WebSocket;
    },
  });
  const dialed = (): Promise<Peer> => {
    const peer = peers.shift();
    return peer ? Promise.resolve(peer) : new Promise((resolve) => waiting.push(resolve));
  };
  return { client, auth, storage, dialed };
}

export function grant(token: string): Grant {
  return {
    user: { id: "ann", name: "Ann" },
    device: { id: "phone", name: "Phone", platform: "test" },
    access_token: token,
    expires_at: Date.now() + 900_000,
    refresh_token: `refresh of ${token}`,
  };
}

export function message(seq: number, from = "bob", cid = `cid-${seq}`): object {
  return { ev: "message", channel: CHANNEL, seq, prev: seq - 1, at: seq, from, cid, kind: "text", body: { text: `${seq}` } };
}
