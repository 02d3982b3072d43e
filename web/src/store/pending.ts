// Keeps the SDK's unsent messages as long as the tab lives, so that a page that is reloaded sends each once.
import type { Outbox, Pending } from "@weft/client";

export class StoredPending implements Outbox {
  private readonly key: string;

  constructor(
    private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">,
    me: string,
  ) {
    this.key = `weft.pending.${me}`;
  }

  load(): Pending[] {
    try {
      return JSON.parse(this.storage.getItem(this.key) ?? "[]") as Pending[];
    } catch {
      return []; // not ours, or cut short
    }
  }

  save(pending: Pending[]): void {
    try {
      if (pending.length > 0) this.storage.setItem(this.key, JSON.stringify(pending));
      else this.storage.removeItem(this.key);
    } catch {
      // The tab's storage is full or forbidden: they are still sent, but not after a reload.
    }
  }
}
