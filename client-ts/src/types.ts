// The words of the wire, as both ends use them. Times are Unix milliseconds; what the server adds later is ignored.

export type Message = {
  channel: string;
  /** The message's place in its channel: grows, with gaps. */
  seq: number;
  /** The seq of the channel's message before it, 0 if it is the first. */
  prev: number;
  at: number;
  from: string;
  /** The sender's id of the message: sent again with the same one it is the same message. */
  cid: string;
  kind: string;
  body: any;
};

/** Where a message that was sent stands. */
export type Sent = { channel: string; seq: number; prev: number; at: number };
export type Receipt = { user: string; delivered: number; read: number };
export type Presence = { user: string; online: boolean; last_seen?: number };
export type User = { id: string; name: string; phone?: string };
export type Channel = {
  id: string;
  kind: "direct" | string;
  name: string;
  peer?: User;
  last?: Message;
  unread: number;
  receipts: Receipt[];
};
export type Device = { id: string; name: string; platform: string; created_at: number; seen_at: number; current: boolean };
export type Grant = {
  user: User;
  device: { id: string; name: string; platform: string };
  access_token: string;
  expires_at: number;
  refresh_token: string;
  /** The refresh that was begun with this grant and not heard of since: it is tried again under this name. */
  attempt?: string;
};

/** A message that waits to be stored. */
export type Pending = {
  to: string;
  kind: string;
  body: unknown;
  cid: string;
  /** When it was first tried; from then on it may be in the log without our knowing. */
  since?: number;
};

/** Persists pending messages, in order, so that they survive the page or process. */
export interface Outbox {
  load(): Pending[];
  save(pending: Pending[]): void;
}

/** The server's limits as `info` tells them. */
export type Limits = {
  frame_bytes?: number;
  body_bytes?: number;
  watch?: number;
  history?: number;
  dedupe_ms?: number;
  [name: string]: unknown;
};

export type ConnectionState =
  | { name: "connecting" }
  | { name: "syncing" }
  | { name: "live" }
  | { name: "waiting"; retryAt: number }
  | { name: "signed-out" }
  | { name: "closed" };

/** The id of the direct chat of two users: theirs, in byte order. */
export function directChannel(a: string, b: string): string {
  return a < b ? `${a}.${b}` : `${b}.${a}`;
}

/** Whom one talks to in a direct chat; undefined where the channel is none, or not of `me`. */
export function peerOf(channel: string, me: string): string | undefined {
  const parts = channel.split(".");
  if (parts.length !== 2 || parts[0]!.length < 2 || parts[1] === "") return undefined; // "g.…" and "u.…" are no pairs
  if (parts[0] === me) return parts[1];
  return parts[1] === me ? parts[0] : undefined;
}
