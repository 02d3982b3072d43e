// What the user does to messages and chats. Each is done on the server first and shown then; what fails is told.
import { signal } from "@preact/signals";
import { type Api, type Client, type Message, type Prefs, type Sent } from "@weft/client";
import type { ChatList } from "./chatlist";
import { explain } from "./signin";
import type { Thread } from "./thread";

/** What the composer is about, beside a new message. */
export type Writing = { readonly kind: "reply" | "edit"; readonly message: Message } | null;

interface Parts {
  readonly api: Api;
  readonly client: Client;
  readonly chats: ChatList;
  readonly me: string;
  thread(channel: string): Thread;
  message(message: Message): void;
}

export class Actions {
  /** What went wrong last, for a few seconds. */
  readonly notice = signal("");
  readonly writing = signal<Writing>(null);
  /** The messages that are to be forwarded. */
  readonly forwarding = signal<Message | null>(null);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly parts: Parts) {}

  /** Does something and tells if it failed. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (err) {
      this.tell(explain(err));
      return undefined;
    }
  }

  tell(text: string): void {
    this.notice.value = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.notice.value = ""), 6000);
  }

  react(m: Message, emoji: string): Promise<unknown> {
    const mine = m.reactions?.find((r) => r.mine)?.emoji;
    const next = mine === emoji ? "" : emoji;
    return this.change("reaction", { seq: m.seq, emoji: next }, () => this.parts.client.react(m.channel, m.seq, next));
  }

  edit(m: Message, text: string): Promise<unknown> {
    const body = { ...m.body, text };
    return this.change("edit", { seq: m.seq, body }, () => this.parts.client.edit(m.channel, m.seq, body));
  }

  deleteForAll(m: Message): Promise<unknown> {
    return this.change("delete", { seq: m.seq }, () => this.parts.client.delete(m.channel, m.seq));
  }

  pin(m: Message, on: boolean): Promise<unknown> {
    return this.change("pin", { seq: m.seq, on }, () => this.parts.client.pin(m.channel, m.seq, on));
  }

  async deleteForMe(m: Message): Promise<void> {
    await this.attempt(async () => {
      await this.parts.api.deleteMessage(m.channel, m.seq, "me");
      this.parts.thread(m.channel).update(m.seq, () => null);
      if (this.parts.chats.get(m.channel)?.last?.seq === m.seq) await this.parts.chats.reload(m.channel);
    });
  }

  async star(m: Message, on: boolean): Promise<void> {
    await this.attempt(async () => {
      await this.parts.api.star(m.channel, m.seq, on);
      this.parts.thread(m.channel).update(m.seq, (held) => ({ ...held, starred: on }));
    });
  }

  async setPrefs(channel: string, prefs: Prefs & { disappear?: number }): Promise<void> {
    await this.attempt(async () => this.parts.chats.take(await this.parts.api.setPrefs(channel, prefs)));
  }

  async block(channel: string, user: string, on: boolean): Promise<void> {
    await this.attempt(async () => {
      await this.parts.api.block(user, on);
      await this.parts.chats.reload(channel);
    });
  }

  // change sends a record, and shows what it does as if it had come: to its own session only its reply comes.
  private async change(kind: string, body: unknown, send: () => Promise<Sent>): Promise<void> {
    await this.attempt(async () => {
      const sent = await send();
      this.parts.message({ ...sent, from: this.parts.me, cid: "", kind, body });
    });
  }
}
