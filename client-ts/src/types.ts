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

  // What history tells beside it, where it applies.
  edited_at?: number;
  /** Then its kind is `deleted` and its body {}. */
  deleted_at?: number;
  expires_at?: number;
  reactions?: Reaction[];
  starred?: boolean;
  pinned?: boolean;
};

/** One emoji of those that people have reacted to a message with; `users` are the first 20. */
export type Reaction = { emoji: string; count: number; users: string[]; mine?: boolean };

/** Where a message that was sent stands. */
export type Sent = { channel: string; seq: number; prev: number; at: number };
export type Receipt = { user: string; delivered: number; read: number };
export type Presence = { user: string; online: boolean; last_seen?: number };
export type User = {
  id: string;
  name: string;
  phone?: string;
  about?: string;
  /** The id of a picture: see Api.avatarURL. */
  avatar?: string;
  deleted?: boolean;
  /** It is no person but the internal service of this name: mark it as one. */
  service?: string;
};

export type Circle = "all" | "contacts" | "none";
export type Privacy = { last_seen: Circle; read_receipts: boolean; groups: Circle };

/** Oneself. */
export type Me = User & { privacy: Privacy };

export type Channel = {
  id: string;
  kind: "direct" | "group" | string;
  name: string;
  avatar?: string;
  peer?: User;
  last?: Message;
  unread: number;
  /** In a group one's own only. */
  receipts: Receipt[];
  /** What all members of a group have. */
  all?: { delivered: number; read: number };

  role?: Role;
  members?: number;
  settings?: GroupSettings;
  /** Seconds after which messages disappear. */
  disappear?: number;
  /** Oneself has blocked the other one of a direct chat. */
  blocked?: boolean;
} & Prefs;

/** How a user wants a channel shown. `muted_until`: Unix milliseconds, -1 for ever. */
export type Prefs = { muted_until?: number; archived?: boolean; pinned?: boolean; marked_unread?: boolean };

export type Role = "owner" | "admin" | "member";
export type GroupSettings = {
  /** Who may write. */
  send: "all" | "admins";
  /** Who may change name, about and picture, add people, make invites and pin. */
  change: "all" | "admins";
  /** What a new member may read: from the joining on, or all. */
  history: "joined" | "all";
  join: "invite" | "open";
  /** Seconds: 0, 86400, 604800 or 7776000. */
  disappear: number;
};

export type Group = {
  id: string;
  channel: string;
  name: string;
  about: string;
  avatar: string;
  settings: GroupSettings;
  created_at: number;
  created_by: string;
  members: number;
  /** One's own. */
  role: Role;
};

export type GroupMember = { user: User; role: Role; joined_at: number };
export type NotAdded = { user: string; code: string };
export type Invite = { code: string; created_by: string; created_at: number; expires_at?: number; uses?: number; used: number };
export type Invited = { id: string; channel: string; name: string; about: string; avatar: string; members: number };
export type SearchHit = { message: Message; snippet: { text: string; hit?: boolean }[] };
export type Device = { id: string; name: string; platform: string; created_at: number; seen_at: number; current: boolean };
/** How people sign in: by codes to their phones, and by an organisation's OpenID Connect issuer of this name. */
export type Methods = { otp: boolean; oidc?: { name: string } };
export type Grant = {
  user: User;
  device: { id: string; name: string; platform: string };
  access_token: string;
  expires_at: number;
  refresh_token: string;
  /** The public half of the key that the tokens are bound to; absent where they are bearers. */
  public_key?: string;
  /** The refresh that was begun with this grant and not heard of since: it is tried again under this name. */
  attempt?: string;
};

/**
 * What changed in a user's list of channels. `added` and `removed`: oneself, to and from a group; `read`, `prefs`,
 * `starred` and `hidden`: done on another device; `blocked`: a user, by oneself; `profile`: one's own, read it again.
 */
export type ChannelChange = {
  channel: string;
  change: "added" | "removed" | "read" | "prefs" | "starred" | "hidden" | "blocked" | "profile" | (string & {});
  seq?: number;
  by?: string;
  user?: string;
  name?: string;
  on?: boolean;
  read?: number;
  prefs?: Prefs;
  [k: string]: unknown;
};

/** What is known of a file. */
export type MediaFile = {
  media: string;
  /** `checking`: a scanner looks at it, nobody loads it yet; `condemned`: nobody ever will. */
  state: "ready" | "checking" | "condemned" | (string & {});
  name: string;
  /** By its bytes. */
  type: string;
  size: number;
  sha256: string;
  /** Of a picture, in pixels as it is to be looked at. */
  width?: number;
  height?: number;
  /** A BlurHash. */
  preview?: string;
  thumbnail?: boolean;
};

/** The body of a message of kind `media`. What else clients put there is theirs. */
export type MediaBody = Omit<MediaFile, "state" | "sha256"> & { caption?: string; [name: string]: unknown };

/** Addresses that need no header, good until `expires_at`. */
export type MediaLink = { url: string; thumbnail: string; expires_at: number };

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
