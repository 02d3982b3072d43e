// Addresses of files for pictures and players. They are good for some minutes, and asked for again before they are over.
import { signal } from "@preact/signals";
import { type Media, type MediaLink, WeftError } from "@weft/client";

/** So long before its end a link is used no more: what it leads to takes its time. */
const RENEW_BEFORE_MS = 60_000;

/** A message may be here before the server can tell whom it is for, and a file before a scanner is through with it. */
const tries = [300, 1000, 3000, 10_000];

export type LinkState = MediaLink | "loading" | "failed";

export class MediaLinks {
  private readonly links = signal<ReadonlyMap<string, LinkState>>(new Map());
  private readonly flights = new Map<string, Promise<MediaLink>>();
  private stopped = false;

  constructor(private readonly media: Pick<Media, "link">) {}

  /** A file's link as it is now; it is asked for where there is none. A link that shows something goes on to do so. */
  state(id: string): LinkState {
    const known = this.links.value.get(id);
    if (known) return known;
    queueMicrotask(() => void this.fresh(id).catch(() => {}));
    return "loading";
  }

  /** A link that is good for a while yet. */
  fresh(id: string): Promise<MediaLink> {
    const known = this.links.peek().get(id);
    if (typeof known === "object" && known.expires_at - Date.now() > RENEW_BEFORE_MS) return Promise.resolve(known);
    let flight = this.flights.get(id);
    if (!flight) {
      flight = this.ask(id).finally(() => this.flights.delete(id));
      this.flights.set(id, flight);
    }
    return flight;
  }

  /** What a link led to could not be shown: the next one may do. */
  again(id: string): void {
    const next = new Map(this.links.peek());
    next.delete(id);
    this.links.value = next;
    void this.fresh(id).catch(() => {});
  }

  stop(): void {
    this.stopped = true;
  }

  private async ask(id: string): Promise<MediaLink> {
    for (let n = 0; ; n++) {
      try {
        const link = await this.media.link(id);
        this.set(id, link);
        return link;
      } catch (err) {
        const later = err instanceof WeftError && ["not_found", "unavailable", "rate_limited"].includes(err.code);
        if (!later || n >= tries.length || this.stopped) {
          this.set(id, "failed");
          throw err;
        }
        await new Promise((done) => setTimeout(done, tries[n]));
      }
    }
  }

  private set(id: string, state: LinkState): void {
    this.links.value = new Map(this.links.peek()).set(id, state);
  }
}
