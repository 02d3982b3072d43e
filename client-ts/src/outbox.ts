// Messages on their way: in order, each until the server has it or refuses it. One whose reply is lost goes again under
// the same cid, which makes it one message however often it is sent.
import { backoff } from "./backoff.js";
import type { Connection } from "./connection.js";
import { isPassing, WeftError } from "./errors.js";
import { byteLength, type WireObject } from "./frames.js";
import type { Message, Outbox, Pending, Sent } from "./types.js";

/** How many wait for their replies at once: enough for any line's speed, few enough to stay in order when one is put off. */
const MOST_FLYING = 128;
const TIMEOUT_MS = 15_000;

/** The dedupe window of a server that does not tell its own. */
const DEDUPE_MS = 120_000;

interface Entry {
  readonly pending: Pending;
  readonly promise: Promise<Sent>;
  resolve(sent: Sent): void;
  reject(err: WeftError): void;
  flying: boolean;
  /** Counts the times it was sent: an answer's failure concerns the latest only. */
  sends: number;
  /** It may be in the log from before this connection, too long ago for the server to know its cid. */
  doubtful: boolean;
}

export interface Settled {
  pending: Pending;
  sent?: Sent;
  error?: WeftError;
}

export class Sends {
  private readonly entries = new Map<string, Entry>(); // by cid; a Map keeps the order
  private connection: Connection | undefined;
  private flying = 0;
  private pause: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private saving = false;
  private closed = false;

  constructor(
    private readonly store: Outbox | undefined,
    /** Looks for a message in its channel's history. */
    private readonly find: (p: Pending) => Promise<Sent | undefined>,
    private readonly settled: (s: Settled) => void,
  ) {
    this.load();
  }

  /** Takes up what the outbox holds. */
  load(): void {
    for (const pending of this.store?.load() ?? []) {
      if (this.entries.has(pending.cid)) continue;
      this.add(pending).promise.catch(() => {}); // nobody waits for it; `settled` tells how it ends
    }
  }

  send(pending: Pending): Promise<Sent> {
    const known = this.entries.get(pending.cid);
    if (known) return known.promise;
    try {
      if (JSON.stringify(pending.body) === undefined) throw new TypeError("nothing that JSON can say");
    } catch (err) {
      return Promise.reject(new WeftError("bad_request", `the body is no JSON: ${String(err)}`));
    }
    const entry = this.add(pending);
    this.save();
    this.pump();
    return entry.promise;
  }

  /** A connection is live. fresh: it did not resume, so what went before may be stored without our having heard of it. */
  live(connection: Connection, fresh: boolean): void {
    this.connection = connection;
    const window = (connection.limits.dedupe_ms || DEDUPE_MS) * 0.75; // the rest is for what lies between the clocks
    for (const e of this.entries.values()) {
      // A resume brings what this client's own tries stored. Of those of a client before it, which the outbox held, it does
      // not: the cursor may come from elsewhere and lie behind them already.
      const untold = fresh || e.sends === 0;
      e.doubtful = untold && e.pending.since !== undefined && Date.now() - e.pending.since > window;
    }
    this.pump();
  }

  disconnected(): void {
    this.connection = undefined;
    clearTimeout(this.pause);
    this.pause = undefined;
  }

  /** Ends the send whose message this is, if there is one: its reply was lost, and a resume brought the message. */
  answeredBy(m: Message): boolean {
    const entry = this.entries.get(m.cid);
    if (!entry) return false;
    this.settle(entry, { channel: m.channel, seq: m.seq, prev: m.prev, at: m.at });
    return true;
  }

  /** Rejects what waits. The outbox keeps it when the client is closed, for the next one to send. */
  fail(err: WeftError, opts: { keep: boolean }): void {
    this.flush();
    this.closed = opts.keep;
    for (const entry of [...this.entries.values()]) this.settle(entry, err);
    this.flush();
    this.closed = false;
  }

  /** Rejects what the server may have choked on. */
  failFlying(err: WeftError): void {
    for (const entry of [...this.entries.values()]) if (entry.sends > 0) this.settle(entry, err);
  }

  private add(pending: Pending): Entry {
    let resolve!: Entry["resolve"];
    let reject!: Entry["reject"];
    const promise = new Promise<Sent>((ok, fail) => {
      resolve = ok;
      reject = fail;
    });
    const entry: Entry = { pending, promise, resolve, reject, flying: false, sends: 0, doubtful: false };
    this.entries.set(pending.cid, entry);
    return entry;
  }

  private pump(): void {
    if (!this.connection || this.pause) return;
    for (const entry of this.entries.values()) {
      if (this.flying >= MOST_FLYING) return;
      if (!entry.flying) this.place(entry, this.connection);
      if (entry.doubtful) return; // those behind it wait until it was looked for
    }
  }

  private place(entry: Entry, connection: Connection): void {
    const { to, cid, kind, body } = entry.pending;
    const { body_bytes: most = 0 } = connection.limits;
    const bytes = most > 0 ? byteLength(JSON.stringify(body) ?? "") : 0;
    if (bytes > most) {
      this.settle(entry, new WeftError("too_large", `the body has ${bytes} bytes, the server takes ${most}`));
      return;
    }
    entry.flying = true;
    this.flying++;
    if (entry.doubtful) {
      void this.look(entry, connection);
      return;
    }
    if (entry.pending.since === undefined) {
      entry.pending.since = Date.now();
      this.save();
    }
    const send = ++entry.sends;
    const timeout = setTimeout(() => failed(new WeftError("unavailable", "send: no answer in time")), TIMEOUT_MS);
    const failed = (err: WeftError) => {
      clearTimeout(timeout);
      if (entry.sends === send) this.failed(entry, err);
    };
    connection.request("send", { to, cid, kind, body }, (err, ok: WireObject) => {
      if (err) return failed(err);
      clearTimeout(timeout);
      this.failures = 0;
      this.settle(entry, { channel: ok.channel, seq: ok.seq, prev: ok.prev, at: ok.at } as Sent);
    });
  }

  private failed(entry: Entry, err: WeftError): void {
    if (this.entries.get(entry.pending.cid) !== entry || !entry.flying) return;
    if (err.code !== "lost" && !isPassing(err)) {
      this.settle(entry, err);
      return;
    }
    this.land(entry);
    if (err.code === "lost" || !this.connection) return; // the next live connection sends it again
    // The others wait as well, so that they stay in order.
    this.pause ??= setTimeout(() => {
      this.pause = undefined;
      this.pump();
    }, backoff(++this.failures));
  }

  private async look(entry: Entry, connection: Connection): Promise<void> {
    let sent: Sent | undefined;
    try {
      sent = await this.find(entry.pending);
    } catch (err) {
      this.failed(entry, err instanceof WeftError ? err : new WeftError("internal", String(err)));
      return;
    }
    if (sent) {
      this.settle(entry, sent);
      return;
    }
    if (this.entries.get(entry.pending.cid) !== entry) return;
    if (connection === this.connection) entry.doubtful = false; // else the next one says whether it is
    entry.pending.since = Date.now();
    this.land(entry);
    this.pump();
  }

  private land(entry: Entry): void {
    if (entry.flying) this.flying--;
    entry.flying = false;
  }

  private settle(entry: Entry, how: Sent | WeftError): void {
    const { pending } = entry;
    if (this.entries.get(pending.cid) !== entry) return;
    this.entries.delete(pending.cid);
    this.land(entry);
    if (how instanceof WeftError) {
      entry.reject(how);
      if (!this.closed) this.settled({ pending, error: how });
    } else {
      entry.resolve(how);
      this.settled({ pending, sent: how });
    }
    this.save();
    this.pump();
  }

  // save stores what waits, once for all that happens in a tick.
  private save(): void {
    if (!this.store || this.closed || this.saving) return;
    this.saving = true;
    queueMicrotask(() => this.flush());
  }

  private flush(): void {
    if (!this.saving || this.closed) return;
    this.saving = false;
    this.store?.save([...this.entries.values()].map((e) => e.pending));
  }
}
