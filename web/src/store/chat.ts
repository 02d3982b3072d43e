// A chat as the list shows it, and how it changes. Values are never changed in place: each function returns the next.
// All marks and seqs only grow, so what arrives late, twice or out of order cannot set a chat back.
import { type Channel, changed, type GroupSettings, isChange, type Message, type Prefs, type Receipt, type Role, targetOf, type User } from "@weft/client";

export interface Marks {
  readonly delivered: number;
  readonly read: number;
}

export interface Chat {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly avatar?: string;
  readonly peer?: User;
  readonly last?: Message;
  readonly prefs: Prefs;
  /** Seconds after which messages disappear. */
  readonly disappear: number;
  /** We have blocked the other one. */
  readonly blocked: boolean;
  /** Of a group, as we are in it. */
  readonly role?: Role;
  readonly members?: number;
  readonly settings?: GroupSettings;
  /** How many incoming messages up to `known` are unread, as the server counted. */
  readonly counted: number;
  /** The seq of the last message that the server's count includes. */
  readonly known: number;
  /** Unread incoming messages that came after `known`. */
  readonly fresh: readonly number[];
  /** By user. In groups "" holds the marks that all have passed. */
  readonly marks: ReadonlyMap<string, Marks>;
}

export const MAX_UNREAD = 1000;

const none: Marks = { delivered: 0, read: 0 };

export function emptyChat(id: string, peer?: User): Chat {
  return {
    id, kind: id.startsWith("g.") ? "group" : "direct", name: peer?.name ?? "", ...(peer && { peer }), prefs: {}, disappear: 0, blocked: false,
    counted: 0, known: 0, fresh: [], marks: new Map(),
  };
}

export function marksOf(chat: Chat, user: string): Marks {
  return chat.marks.get(user) ?? none;
}

export function unreadOf(chat: Chat): number {
  return Math.min(MAX_UNREAD, chat.counted + chat.fresh.length);
}

/** Takes over what the server lists. It may be older than events that came meanwhile; those stay. */
export function listed(chat: Chat, channel: Channel, me: string): Chat {
  const known = channel.last?.seq ?? 0;
  let next: Chat = { ...chat, kind: channel.kind, name: channel.name || chat.name };
  if (channel.peer) next = { ...next, peer: channel.peer };
  const { muted_until, archived, pinned, marked_unread } = channel;
  next = {
    ...next, prefs: { muted_until, archived, pinned, marked_unread } as Prefs, disappear: channel.settings?.disappear ?? channel.disappear ?? 0,
    blocked: channel.blocked ?? false, avatar: channel.avatar, role: channel.role, members: channel.members, settings: channel.settings,
  };
  if (channel.last && channel.last.seq > (chat.last?.seq ?? 0)) next = { ...next, last: channel.last };
  if (known >= chat.known) {
    next = { ...next, known, counted: channel.unread, fresh: chat.fresh.filter((seq) => seq > known) };
  }
  const own = marksOf(chat, me); // may be ahead of the server's: our read mark is on its way
  if (channel.all) next = marked(next, channel.all, me);
  for (const receipt of channel.receipts ?? []) next = marked(next, receipt, me);
  return own.read > 0 ? marked(next, { user: me, ...own }, me) : next;
}

/** A message arrived, or one of ours was stored. */
export function received(chat: Chat, message: Message, me: string): Chat {
  if (isChange(message.kind)) {
    return chat.last && targetOf(message) === chat.last.seq ? { ...chat, last: changed(chat.last, message, me) } : chat;
  }
  if (message.seq <= (chat.last?.seq ?? 0)) return chat;
  if (isSystem(message.kind)) return { ...chat, last: message };
  const unread = message.from !== me && message.seq > marksOf(chat, me).read && message.seq > chat.known;
  return { ...chat, last: message, fresh: unread ? [...chat.fresh, message.seq].slice(-MAX_UNREAD) : chat.fresh };
}

/** What the server says of a channel is nothing to be read. */
export function isSystem(kind: string): boolean {
  return kind === "member" || kind === "group" || kind === "settings" || kind === "x-whatsapp-system";
}

export function isMuted(chat: Chat, now: number): boolean {
  const until = chat.prefs.muted_until ?? 0;
  return until < 0 || until > now;
}

export function isAdmin(chat: Chat): boolean {
  return chat.role === "owner" || chat.role === "admin";
}

/** Whether we may change a group's name, add people to it, and pin. */
export function mayChange(chat: Chat): boolean {
  return chat.kind !== "group" || isAdmin(chat) || chat.settings?.change === "all";
}

/** Someone's marks moved; our own read mark, set here or on another device, clears what it passes. */
export function marked(chat: Chat, receipt: Partial<Receipt>, me: string): Chat {
  const user = receipt.user ?? "";
  const old = marksOf(chat, user);
  const read = Math.max(old.read, receipt.read ?? 0);
  const now: Marks = { read, delivered: Math.max(old.delivered, receipt.delivered ?? 0, read) };
  let next = chat;
  if (now.read !== old.read || now.delivered !== old.delivered) {
    next = { ...next, marks: new Map(chat.marks).set(user, now) };
  }
  if (user !== me) return next;
  if (next.counted > 0 && read >= next.known) next = { ...next, counted: 0 };
  if (next.fresh.some((seq) => seq <= read)) next = { ...next, fresh: next.fresh.filter((seq) => seq > read) };
  return next;
}

/** Our read mark lies within what only the server has counted: its count has to be asked for again. */
export function countIsStale(chat: Chat, me: string, read: number): boolean {
  return chat.counted > 0 && read < chat.known && read > marksOf(chat, me).read;
}

/** Newest first; chats without a message come last, by name. */
export function newestFirst(a: Chat, b: Chat): number {
  return Number(b.prefs.pinned ?? false) - Number(a.prefs.pinned ?? false) || (b.last?.at ?? 0) - (a.last?.at ?? 0) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1);
}
