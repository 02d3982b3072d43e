// What was written in a chat and not sent, kept for when the chat is opened again.
export class Drafts {
  constructor(
    private readonly me: string,
    private readonly storage: Storage,
  ) {}

  get(channel: string): string {
    return this.storage.getItem(this.key(channel)) ?? "";
  }

  set(channel: string, text: string): void {
    try {
      if (text) this.storage.setItem(this.key(channel), text);
      else this.storage.removeItem(this.key(channel));
    } catch {
      // The storage is full or forbidden: the draft lasts as long as its chat is open.
    }
  }

  /** Leaves nothing behind for whoever uses the browser next. */
  clear(): void {
    for (const key of Object.keys(this.storage)) if (key.startsWith(this.key(""))) this.storage.removeItem(key);
  }

  private key(channel: string): string {
    return `weft.draft.${this.me}.${channel}`;
  }
}
