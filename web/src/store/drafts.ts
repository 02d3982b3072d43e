// What was written in a chat and not sent, kept for when the chat is opened again.
export class Drafts {
  constructor(
    private readonly me: string,
    private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">,
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

  private key(channel: string): string {
    return `weft.draft.${this.me}.${channel}`;
  }
}
