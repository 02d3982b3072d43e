// Whether those whose chats are open are online.
import { signal } from "@preact/signals";
import type { Client, Presence } from "@weft/client";

export class Watched {
  readonly presence = signal<ReadonlyMap<string, Presence>>(new Map());
  private user: string | undefined;

  constructor(private readonly client: Pick<Client, "watch" | "unwatch">) {}

  /** Watches one user, the open chat's, instead of the one before. */
  async watch(user: string | undefined): Promise<void> {
    if (user === this.user) return;
    const before = this.user;
    this.user = user;
    try {
      if (before) await this.client.unwatch([before]);
      if (user) for (const presence of await this.client.watch([user])) this.event(presence);
    } catch {
      // Not connected: `again` asks after the next `synced`.
    }
  }

  /** Asks anew, as the first asking may have failed for want of a connection. */
  async again(): Promise<void> {
    const user = this.user;
    this.user = undefined;
    await this.watch(user);
  }

  event(presence: Presence): void {
    this.presence.value = new Map(this.presence.value).set(presence.user, presence);
  }
}
