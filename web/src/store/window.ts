// The part of a conversation that is held and rendered: an unbroken run of its messages, bounded in length, however long
// the conversation is.
import type { Message } from "@weft/client";

export interface Window {
  /** Ascending by seq, each once. */
  readonly messages: readonly Message[];
  /** There are messages before the first. */
  readonly older: boolean;
  /** There are messages after the last: the window does not follow what arrives. */
  readonly newer: boolean;
}

export const emptyWindow: Window = { messages: [], older: false, newer: false };

export function firstSeq(w: Window): number {
  return w.messages[0]?.seq ?? 0;
}

export function lastSeq(w: Window): number {
  return w.messages.at(-1)?.seq ?? 0;
}

/** Adds messages, wherever they belong. What is there already is replaced: history may tell it anew. */
export function add(w: Window, messages: readonly Message[]): Window {
  if (messages.length === 0) return w;
  const first = messages[0]!;
  if (messages.length === 1 && first.seq > lastSeq(w)) return { ...w, messages: [...w.messages, first] };
  const bySeq = new Map<number, Message>();
  for (const m of w.messages) bySeq.set(m.seq, m);
  for (const m of messages) bySeq.set(m.seq, m);
  return { ...w, messages: [...bySeq.values()].sort((a, b) => a.seq - b.seq) };
}

/** Lets go of the oldest beyond max. */
export function dropOldest(w: Window, max: number): Window {
  return w.messages.length <= max ? w : { ...w, messages: w.messages.slice(-max), older: true };
}

/** Lets go of the newest beyond max. */
export function dropNewest(w: Window, max: number): Window {
  return w.messages.length <= max ? w : { ...w, messages: w.messages.slice(0, max), newer: true };
}

/**
 * The seq after which messages lack right before seq, or undefined if the run is unbroken there. `passed` are records that
 * are no messages: the one before may be one of them.
 */
export function holeBefore(w: Window, seq: number, passed?: ReadonlySet<number>): number | undefined {
  const at = w.messages.findIndex((m) => m.seq === seq);
  const before = at > 0 ? w.messages[at - 1] : undefined;
  if (!before) return undefined;
  const prev = w.messages[at]!.prev;
  return prev > before.seq && !passed?.has(prev) ? before.seq : undefined;
}

/** Changes the messages of a window; one that becomes null goes. */
export function mapMessages(w: Window, f: (m: Message) => Message | null): Window {
  let same = true;
  const messages: Message[] = [];
  for (const m of w.messages) {
    const next = f(m);
    if (next !== m) same = false;
    if (next) messages.push(next);
  }
  return same ? w : { ...w, messages };
}
