// Who is typing where, and telling others that we are.
import { signal } from "@preact/signals";
import type { Client } from "@weft/client";

/** An indicator that is not renewed goes after this long. */
export const TYPING_SHOWN_MS = 6000;
const RENEW_MS = 4000;
const IDLE_MS = 5000;

export class Typing {
  /** The user who types, by channel; in a group the one who began last. */
  readonly shown = signal<ReadonlyMap<string, string>>(new Map());
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  // What was last told of us.
  private channel = "";
  private toldAt = 0;
  private idle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly client: Pick<Client, "typing">) {}

  event(channel: string, user: string, on: boolean): void {
    clearTimeout(this.timers.get(channel));
    this.timers.delete(channel);
    const shown = new Map(this.shown.value);
    if (on) {
      shown.set(channel, user);
      this.timers.set(channel, setTimeout(() => this.event(channel, user, false), TYPING_SHOWN_MS));
    } else if (!shown.delete(channel)) {
      return;
    }
    this.shown.value = shown;
  }

  /** The user changed what they write in channel. */
  typed(channel: string): void {
    const now = Date.now();
    if (this.channel !== channel) this.stopped();
    clearTimeout(this.idle);
    this.idle = setTimeout(() => this.stopped(), IDLE_MS);
    if (this.channel === channel && now - this.toldAt < RENEW_MS) return;
    this.channel = channel;
    this.toldAt = now;
    this.client.typing(channel, true);
  }

  /** The user sent it, emptied it or went away. */
  stopped(): void {
    clearTimeout(this.idle);
    if (!this.channel) return;
    this.client.typing(this.channel, false);
    this.channel = "";
  }
}
