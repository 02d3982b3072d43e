// Records that change a message instead of being one. They come as `message` events like all others; history has them
// applied. Whoever shows messages applies what comes live by `changed`, and so shows what history would.
import type { Message, Reaction } from "./types.js";

export function isChange(kind: string): boolean {
  return kind === "edit" || kind === "delete" || kind === "reaction" || kind === "pin";
}

/** The seq of the message that a record changes, 0 for a record that changes none. */
export function targetOf(record: Message): number {
  const seq = isChange(record.kind) && record.body && typeof record.body === "object" ? (record.body as { seq?: unknown }).seq : 0;
  return typeof seq === "number" ? seq : 0;
}

/** A message as it is once the record was applied to it; the same one where that changes nothing. */
export function changed(message: Message, record: Message, me: string): Message {
  if (targetOf(record) !== message.seq || message.deleted_at) return message;
  switch (record.kind) {
    case "edit":
      return record.from === message.from ? { ...message, body: record.body.body, edited_at: record.at } : message;
    case "delete": {
      const { reactions: _, edited_at: __, starred: ___, pinned: ____, ...rest } = message;
      return { ...rest, kind: "deleted", body: {}, deleted_at: record.at };
    }
    case "pin":
      return { ...message, pinned: Boolean(record.body.on) };
    case "reaction":
      return { ...message, reactions: reacted(message.reactions ?? [], record.from, String(record.body.emoji ?? ""), record.from === me) };
  }
  return message;
}

function reacted(reactions: readonly Reaction[], user: string, emoji: string, mine: boolean): Reaction[] {
  const next = reactions
    .map((r) => (r.users.includes(user) ? { ...r, count: r.count - 1, users: r.users.filter((u) => u !== user), ...(mine && { mine: false }) } : r))
    .filter((r) => r.count > 0);
  if (!emoji) return next;
  const at = next.findIndex((r) => r.emoji === emoji);
  const was = next[at] ?? { emoji, count: 0, users: [] };
  const now = { ...was, count: was.count + 1, users: [...was.users, user], ...(mine && { mine: true }) };
  return at < 0 ? [...next, now] : next.map((r, i) => (i === at ? now : r));
}
