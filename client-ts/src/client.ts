// A signed-in user's session: one connection that comes back by itself, messages that arrive once and in each channel's
// order, and messages sent that are stored once. It keeps no history: an application that does stores the cursor with it.
import type { Auth } from "./auth.js";
import { Calls } from "./calls.js";
import type { Connection, Handler, Identity } from "./connection.js";
import { Emitter } from "./emitter.js";
import { WeftError } from "./errors.js";
import type { WireObject } from "./frames.js";
import { uuid } from "./ids.js";
import { CLOSE_MALFORMED, Link, type OpenSocket } from "./link.js";
import { findSent, type Page } from "./lookup.js";
import { Marks } from "./marks.js";
import { Sends, type Settled } from "./outbox.js";
import { Seen } from "./seen.js";
import type { Channel, ChannelChange, ConnectionState, Message, Outbox, Presence, Receipt, Sent } from "./types.js";
import { Watch } from "./watch.js";

export interface Events {
  state: ConnectionState;
  message: Message;
  /** Without a user: what all members of a group have. */
  receipt: { channel: string; user?: string; delivered: number; read: number };
  typing: { channel: string; user: string; on: boolean };
  presence: Presence;
  /** Something changed in the user's list: see ChannelChange. Ignore changes that you do not know. */
  channel: ChannelChange;
  /** Everything that was missed was handed on; live from here on. */
  synced: { cursor: string };
  /** Everything up to here was handed on. */
  cursor: { cursor: string };
  /** The server does not know our cursor: messages may have been missed, and what is held is to be read anew. */
  reset: Record<string, never>;
  /** A message of the outbox was stored or refused; its promise, if anybody holds it, tells the same. */
  settled: Settled;
  /** The server refused something that nobody waits for: a mark, a typing event, a watch that was to be restored. */
  error: WeftError;
}

export class Client {
  private readonly events = new Emitter<Events>();
  private readonly seen = new Seen();
  private readonly calls = new Calls();
  private readonly marks: Marks;
  private readonly watched: Watch;
  private readonly sends: Sends;
  private readonly link: Link;
  private resumeFrom: string | undefined;
  private identity: Identity | undefined;
  private isActive: boolean | undefined;
  private closed = false;

  constructor(opts: { url: string; auth: Auth; cursor?: string; webSocket?: OpenSocket; outbox?: Outbox }) {
    this.resumeFrom = opts.cursor || undefined;
    const refused = (err: WeftError) => this.events.emit("error", err);
    this.marks = new Marks(refused);
    this.watched = new Watch(this.calls, (p) => this.events.emit("presence", p), refused);
    this.sends = new Sends(
      opts.outbox,
      (p) => findSent(p, this.identity!.user, (channel, q) => this.history(channel, q)),
      (s) => {
        if (s.sent) this.seen.sent(s.sent.channel, s.sent.seq);
        this.events.emit("settled", s);
      },
    );
    this.link = new Link(opts.url, opts.auth, opts.webSocket, {
      handler: () => this.handler(),
      cursor: () => this.resumeFrom,
      state: (state) => this.changed(state),
      lost: (end) => {
        this.calls.disconnected();
        this.marks.disconnected();
        this.watched.disconnected();
        this.sends.disconnected();
        if (end.code === CLOSE_MALFORMED) {
          const err = new WeftError("bad_request", "the server could not read a request of the connection, maybe this one");
          this.sends.failFlying(err);
          this.calls.fail(err);
        }
      },
    });
  }

  get state(): ConnectionState {
    return this.link.state;
  }

  /** Where a resume would begin: everything before it was handed on. Undefined before the first `synced`. */
  get cursor(): string | undefined {
    return this.resumeFrom;
  }

  /** Who the server says this session is; undefined before it was connected. */
  get session(): Identity | undefined {
    return this.identity;
  }

  /** Connects and stays connected; at once where it would still wait to come back. */
  connect(): void {
    if (this.closed) this.sends.load();
    this.closed = false;
    this.calls.begin();
    this.link.connect();
  }

  /** Ends the session. What waits is rejected with the code `closed`; an outbox keeps it for the next client. */
  close(): void {
    this.closed = true;
    this.marks.flush();
    this.link.close();
    this.fail(closedError(), true);
  }

  on<E extends keyof Events>(event: E, cb: (e: Events[E]) => void): () => void {
    return this.events.on(event, cb);
  }

  /**
   * Sends a message to a channel, or to a user for the direct chat. Resolves once it is durable, over however many
   * reconnects; rejects where the server refuses it. A cid that is on its way already is the same message.
   */
  send(to: string, kind: string, body: unknown, opts: { cid?: string } = {}): Promise<Sent> {
    if (this.closed) return Promise.reject(closedError());
    if (this.state.name === "signed-out") return Promise.reject(new WeftError("unauthenticated", "nobody is signed in"));
    return this.sends.send({ to, kind, body, cid: opts.cid ?? uuid() });
  }

  /** Tells that messages up to seq were delivered. Those that come as events are acked without asking. */
  ack(channel: string, seq: number): void {
    this.marks.ack(channel, seq);
  }

  /** Tells that the user has read the channel up to seq. */
  read(channel: string, seq: number): void {
    this.marks.read(channel, seq);
  }

  /** Tells that the user types, to be renewed each 4 s or so. Without a connection it is dropped: it would be stale. */
  typing(channel: string, on: boolean): void {
    if (this.state.name === "live") this.link.connection?.request("typing", { channel, on });
  }

  /** Tells that the application came to the front or left it; it holds over reconnects. */
  active(on: boolean): void {
    this.isActive = on;
    if (this.identity) this.open()?.request("active", { on });
  }

  /** A page of a channel, in ascending seq: the newest one, or the one before or after a seq. */
  history(channel: string, q: { before?: number; after?: number; limit?: number } = {}): Promise<Page> {
    return this.calls.ask("history", { channel, before: q.before, after: q.after, limit: q.limit });
  }

  /** A page of the user's channels, newest first; `cursor` of the reply gets the next one. */
  channels(q: { limit?: number; cursor?: string } = {}): Promise<{ channels: Channel[]; cursor?: string }> {
    return this.calls.ask("channels", { limit: q.limit, cursor: q.cursor });
  }

  async receipts(channel: string): Promise<Receipt[]> {
    return (await this.calls.ask<{ receipts: Receipt[] }>("receipts", { channel })).receipts;
  }

  /** Who has a message: a page of the members of its channel that have it, with how far they have read. */
  receiptsOf(channel: string, seq: number, cursor?: string): Promise<{ receipts: Receipt[]; cursor?: string }> {
    return this.calls.ask("receipts", { channel, seq, cursor });
  }

  /** Joins a group by an invite's code, or an open one by its channel. */
  async join(q: { channel?: string; code?: string }): Promise<string> {
    return (await this.calls.ask<{ channel: string }>("join", q)).channel;
  }

  async leave(channel: string): Promise<void> {
    await this.calls.ask("leave", { channel });
  }

  edit(channel: string, seq: number, body: unknown): Promise<Sent> {
    return this.send(channel, "edit", { seq, body });
  }

  /** Deletes a message for everyone. */
  delete(channel: string, seq: number): Promise<Sent> {
    return this.send(channel, "delete", { seq });
  }

  /** Reacts to a message; "" takes the reaction back. */
  react(channel: string, seq: number, emoji: string): Promise<Sent> {
    return this.send(channel, "reaction", { seq, emoji });
  }

  pin(channel: string, seq: number, on: boolean): Promise<Sent> {
    return this.send(channel, "pin", { seq, on });
  }

  /** The users' presence; from then on `presence` events tell of changes, over reconnects too. */
  watch(users: string[]): Promise<Presence[]> {
    return this.watched.watch(users);
  }

  unwatch(users: string[]): Promise<void> {
    return this.watched.unwatch(users);
  }

  private open(): Connection | undefined {
    const { name } = this.state;
    return name === "syncing" || name === "live" ? this.link.connection : undefined;
  }

  private handler(): Omit<Handler, "ended"> {
    return {
      welcomed: (identity) => this.welcomed(identity),
      synced: (cursor, fresh) => this.synced(cursor, fresh),
      event: (ev, object) => this.event(ev, object),
      cursorRefused: () => {
        this.resumeFrom = undefined;
        this.seen.clear();
        this.events.emit("reset", {});
      },
      complained: (err) => this.events.emit("error", err),
    };
  }

  private welcomed(identity: Identity): void {
    const connection = this.link.connection!;
    this.identity = identity;
    if (this.isActive !== undefined) connection.request("active", { on: this.isActive });
    this.watched.connected(connection);
    this.calls.connected(connection);
    this.marks.connected(connection);
    this.link.syncing();
  }

  private synced(cursor: string, fresh: boolean): void {
    const connection = this.link.connection!;
    if (cursor) this.resumeFrom = cursor;
    this.link.synced();
    this.events.emit("synced", { cursor });
    if (connection === this.link.connection) this.sends.live(connection, fresh);
  }

  private event(ev: string, object: WireObject): void {
    const { ev: _, ...fields } = object;
    switch (ev) {
      case "message":
        return this.message(fields as unknown as Message);
      case "cursor":
        this.resumeFrom = String(fields.cursor);
        this.events.emit("cursor", { cursor: this.resumeFrom });
        return;
      case "receipt":
      case "typing":
      case "presence":
      case "channel":
        this.events.emit(ev, fields as never);
    }
  }

  private message(m: Message): void {
    const own = m.from === this.identity?.user;
    if (!this.seen.take(m)) return;
    if (own && this.sends.answeredBy(m)) return; // the promise tells of it
    this.events.emit("message", m);
    if (!own) this.marks.ack(m.channel, m.seq);
  }

  private changed(state: ConnectionState): void {
    if (state.name === "signed-out") this.fail(new WeftError("unauthenticated", "nobody is signed in"), false);
    this.events.emit("state", state);
  }

  private fail(err: WeftError, keep: boolean): void {
    this.calls.end(err);
    this.sends.fail(err, { keep });
  }
}

function closedError(): WeftError {
  return new WeftError("closed", "the client was closed");
}
