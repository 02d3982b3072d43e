// A message that was tried longer ago than the server remembers cids may be in its channel already: it is looked for
// there before it is sent again.
import { isPassing, WeftError } from "./errors.js";
import { directChannel, type Message, type Pending, type Sent } from "./types.js";

const PAGE = 200;

/** How far a message's time may lie before its first try: clocks differ. */
const CLOCK_SLACK_MS = 60_000;

export type Page = { messages: Message[]; more: boolean };

export async function findSent(
  p: Pending,
  me: string,
  history: (channel: string, q: { before?: number; limit: number }) => Promise<Page>,
): Promise<Sent | undefined> {
  const channel = p.to.includes(".") ? p.to : directChannel(me, p.to);
  const oldest = (p.since ?? 0) - CLOCK_SLACK_MS;
  for (let before: number | undefined; ; ) {
    let page: Page;
    try {
      page = await history(channel, before === undefined ? { limit: PAGE } : { before, limit: PAGE });
    } catch (err) {
      if (err instanceof WeftError && err.code === "not_found") return undefined; // no such chat yet, so it is not in it
      if (err instanceof WeftError && !isPassing(err)) throw err;
      throw new WeftError("unavailable", `look for a message in ${channel}: ${String(err)}`);
    }
    const found = page.messages.find((m) => m.from === me && m.cid === p.cid);
    if (found) return { channel: found.channel, seq: found.seq, prev: found.prev, at: found.at };
    const first = page.messages[0];
    if (!page.more || !first || first.at < oldest) return undefined;
    before = first.seq;
  }
}
