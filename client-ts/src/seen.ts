// What was handed on already. The server gives a channel's messages in order, so the highest seq of each says it all;
// after a resume it begins again at the cursor, and what lies at or below is dropped.
import type { Message } from "./types.js";

/** How many own seqs are kept of a channel in which nobody else writes. */
const MAX_OWN = 256;

export class Seen {
  private readonly channels = new Map<string, { last: number; own: number[] }>();

  /** Takes a message that came, and says whether it is news. Own ones that a reply told of already are none. */
  take(m: Pick<Message, "channel" | "seq">): boolean {
    const c = this.of(m.channel);
    if (m.seq <= c.last) return false;
    const own = c.own.includes(m.seq);
    c.last = m.seq;
    if (c.own.length > 0) c.own = c.own.filter((seq) => seq > m.seq);
    return !own;
  }

  /**
   * Notes a message of this session's own that its reply told of. It does not raise the highest seq: a reply may overtake
   * the events of messages before it.
   */
  sent(channel: string, seq: number): void {
    const c = this.of(channel);
    if (seq <= c.last) return;
    if (c.own.length >= MAX_OWN) c.own = c.own.slice(MAX_OWN / 2);
    c.own.push(seq);
  }

  clear(): void {
    this.channels.clear();
  }

  private of(channel: string): { last: number; own: number[] } {
    let c = this.channels.get(channel);
    if (!c) this.channels.set(channel, (c = { last: 0, own: [] }));
    return c;
  }
}
