// One WebSocket from its handshake to its end: hello, requests and their replies, and noticing that the other side is gone.
// It comes back by no means: that is the client's to decide, by how it ended.
import { WeftError, wireError } from "./errors.js";
import { packFrames, readFrame, type WireObject } from "./frames.js";
import type { Limits } from "./types.js";

export const SUBPROTOCOL = "weft.v1";
/** WebSocket.OPEN, which not every implementation has on its class. */
const OPEN = 1;
const HANDSHAKE_MS = 15_000;
const PONG_MS = 10_000;

/** Who the server says this session is. */
export type Identity = { user: string; device: string; session: string; now: number };

/** How a connection ended. */
export type End = {
  /** The close code; 1006 where there was none. */
  code: number;
  reason: string;
  /** What the server asked to wait, if it said bye. */
  retryMs?: number;
  /** Hello's answer, where it was an error. */
  refused?: WeftError;
};

/** The answer to a request; the error is of code "lost" where the connection ended before it came. */
export type Reply = (err: WeftError | undefined, ok: WireObject) => void;

export interface Handler {
  /** Hello was taken: requests may go. fresh: without a cursor. */
  welcomed(identity: Identity): void;
  synced(cursor: string, fresh: boolean): void;
  event(ev: string, object: WireObject): void;
  /** The server does not know the cursor; hello goes again without one. */
  cursorRefused(): void;
  /** An error that answers no request with an id. */
  complained(err: WeftError): void;
  /** The last call. */
  ended(end: End): void;
}

export class Connection {
  limits: Limits = {};
  private heartbeatMs = 0;
  private open = false;
  private over = false;
  private lastId = 0;
  private helloId = 0;
  private nonce = "";
  private retryMs: number | undefined;
  private refused: WeftError | undefined;
  private readonly replies = new Map<number, Reply>();
  private queue: string[] = [];
  private alive: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly socket: WebSocket,
    private readonly token: string,
    private cursor: string | undefined,
    private readonly handler: Handler,
    /** Signs the server's nonce, where the token is bound to a key. */
    private readonly sign?: (nonce: string) => Promise<string>,
  ) {
    socket.onmessage = (e) => this.received(e.data);
    socket.onclose = (e) => this.end({ code: e.code, reason: e.reason });
    socket.onerror = () => {}; // close follows, and says as much as there is to say
    this.alive = setTimeout(() => this.abort("no answer to the handshake"), HANDSHAKE_MS);
  }

  /** Asks; requests of one tick share a frame. Without reply, none is wanted. */
  request(op: string, fields: object, reply?: Reply): void {
    if (this.over) {
      reply?.(lost(), {});
      return;
    }
    const id = reply ? ++this.lastId : undefined;
    if (reply) this.replies.set(id!, reply);
    this.write(JSON.stringify(id === undefined ? { op, ...fields } : { op, id, ...fields }));
  }

  /** Asks the server whether it is still there, and gives the connection up if it is not. */
  probe(): void {
    if (!this.open || this.over) return;
    clearTimeout(this.alive);
    this.alive = setTimeout(() => this.abort("no answer to a ping"), PONG_MS);
    this.request("ping", {}, () => {});
  }

  /** Ends the connection in good manners; what was asked in this tick still goes out. */
  close(): void {
    this.flush();
    this.end({ code: 1000, reason: "" });
  }

  /** Gives the connection up without waiting for the other side. */
  abort(reason: string): void {
    this.end({ code: 1006, reason });
  }

  private end(end: End): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.alive);
    this.socket.onmessage = this.socket.onclose = null; // onerror stays: closing one that is still connecting is an error
    this.socket.close();
    const replies = [...this.replies.values()];
    this.replies.clear();
    const error = lost();
    for (const reply of replies) reply(error, {});
    if (this.retryMs !== undefined) end.retryMs = this.retryMs;
    if (this.refused) end.refused = this.refused;
    this.handler.ended(end);
  }

  private write(request: string): void {
    if (this.queue.push(request) === 1) queueMicrotask(() => this.flush());
  }

  private flush(): void {
    const requests = this.queue;
    this.queue = [];
    if (this.over || requests.length === 0 || this.socket.readyState > OPEN) return; // what goes to nobody is told as lost by the end
    for (const frame of packFrames(requests, this.limits.frame_bytes ?? 0)) this.socket.send(frame);
  }

  private received(data: unknown): void {
    let objects: WireObject[];
    try {
      objects = readFrame(data);
    } catch (err) {
      this.abort(`a malformed frame: ${String(err)}`);
      return;
    }
    if (this.open) this.watch();
    for (const object of objects) {
      if (this.over) return;
      if (typeof object.ev === "string") this.event(object.ev, object);
      else this.reply(object);
    }
  }

  // watch starts the silence anew after which the server is asked whether it is still there.
  private watch(): void {
    clearTimeout(this.alive);
    if (this.heartbeatMs > 0) this.alive = setTimeout(() => this.probe(), this.heartbeatMs);
  }

  private event(ev: string, object: WireObject): void {
    switch (ev) {
      case "info":
        if (this.open || this.helloId) return;
        this.nonce = String(object.nonce ?? "");
        this.limits = (object.limits ?? {}) as Limits;
        this.heartbeatMs = Number(object.heartbeat ?? 0) * 1000;
        this.hello();
        return;
      case "synced":
        this.handler.synced(String(object.cursor ?? ""), !this.cursor);
        return;
      case "bye":
        this.retryMs = Number(object.retry_ms ?? 0);
        return;
      default:
        this.handler.event(ev, object);
    }
  }

  private hello(): void {
    this.helloId = ++this.lastId;
    const hello = { op: "hello", id: this.helloId, token: this.token, cursor: this.cursor };
    if (!this.sign) return this.write(JSON.stringify(hello));
    this.sign(this.nonce).then(
      (sig) => this.write(JSON.stringify({ ...hello, sig })),
      (err) => this.abort(`the nonce cannot be signed: ${String(err)}`),
    );
  }

  private reply(object: WireObject): void {
    const id = Number(object.id ?? 0);
    const err = object.err === undefined ? undefined : wireError(object.err);
    if (!this.open && (id === this.helloId || err)) {
      this.answered(err, object.ok);
      return;
    }
    const reply = this.replies.get(id);
    this.replies.delete(id);
    if (reply) reply(err, (object.ok ?? {}) as WireObject);
    else if (err) this.handler.complained(err);
  }

  private answered(err: WeftError | undefined, ok: unknown): void {
    if (!err) {
      this.open = true;
      this.watch();
      this.handler.welcomed(ok as Identity);
      return;
    }
    if (this.cursor && (err.code === "conflict" || err.code === "bad_request")) {
      // The cursor is of another fabric, whose seqs mean nothing here, or none of a server's making.
      this.cursor = undefined;
      this.handler.cursorRefused();
      this.hello();
      return;
    }
    this.refused = err;
    // The close that follows tells an expired token from a revoked device; where none comes, the handshake's timer ends it.
    if (err.code !== "unauthenticated" && err.code !== "forbidden") this.abort(`hello was refused: ${err.message}`);
  }
}

function lost(): WeftError {
  return new WeftError("lost", "the connection was lost before the answer came");
}
