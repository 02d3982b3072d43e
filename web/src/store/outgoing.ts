// What the user has sent and the server has not stored yet. It survives a reload of its tab: a message that was written
// is stored in the end, or shown as failed. This is what the page shows; what the SDK needs to know of a message to send
// it once only, it keeps in StoredPending. The cid is the link.
import { signal } from "@preact/signals";
import type { Client, Message } from "@weft/client";
import { WeftError } from "@weft/client";

export interface Outgoing {
  readonly cid: string;
  readonly channel: string;
  readonly kind: string;
  readonly body: unknown;
  readonly at: number;
  /** Why it was refused. */
  readonly failed?: string;
}

export class Outbox {
  readonly pending = signal<readonly Outgoing[]>([]);

  constructor(
    private readonly client: Pick<Client, "send">,
    private readonly me: string,
    private readonly stored: (message: Message) => void,
    private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">,
  ) {}

  /** Sends again what an earlier page of this tab left. */
  restore(): void {
    const saved = this.storage.getItem(this.key);
    if (!saved) return;
    try {
      this.pending.value = JSON.parse(saved) as Outgoing[];
    } catch {
      this.storage.removeItem(this.key); // not ours, or cut short
    }
    for (const out of this.pending.value) if (!out.failed) void this.post(out);
  }

  send(channel: string, kind: string, body: unknown, cid: string = crypto.randomUUID()): void {
    const out: Outgoing = { cid, channel, kind, body, at: Date.now() };
    this.set([...this.pending.value, out]);
    void this.post(out);
  }

  retry(cid: string): void {
    const out = this.pending.value.find((p) => p.cid === cid);
    if (!out?.failed) return;
    const { failed: _, ...again } = out;
    this.set([...this.pending.value.filter((p) => p.cid !== cid), again]);
    void this.post(again);
  }

  discard(cid: string): void {
    this.set(this.pending.value.filter((p) => p.cid !== cid));
  }

  clear(): void {
    this.set([]);
  }

  private async post(out: Outgoing): Promise<void> {
    try {
      const sent = await this.client.send(out.channel, out.kind, out.body, { cid: out.cid });
      this.stored({ ...sent, from: this.me, cid: out.cid, kind: out.kind, body: out.body });
      this.discard(out.cid);
    } catch (err) {
      if (err instanceof WeftError && err.code === "closed") return; // the page goes; the next one sends it
      const failed = err instanceof Error ? err.message : String(err);
      this.set(this.pending.value.map((p) => (p.cid === out.cid ? { ...p, failed } : p)));
    }
  }

  private set(pending: readonly Outgoing[]): void {
    this.pending.value = pending;
    try {
      if (pending.length > 0) this.storage.setItem(this.key, JSON.stringify(pending));
      else this.storage.removeItem(this.key);
    } catch {
      // The tab's storage is full or forbidden: they are still sent, but not after a reload.
    }
  }

  private get key(): string {
    return `weft.outbox.${this.me}`;
  }
}
