// All chats of the user: what the server lists, page by page, kept in step by events.
import { computed, signal } from "@preact/signals";
import type { Channel, ChannelChange, Client, Message, Receipt, User } from "@weft/client";
import { peerOf } from "@weft/client";
import { type Chat, countIsStale, emptyChat, listed, marked, newestFirst, received, unreadOf } from "./chat";
import { debounced } from "./debounced";

const PAGE = 100;

/** One question answers for all that a burst of events leaves open. */
const REFRESH_MS = 150;

export interface Directory {
  user(id: string): Promise<User>;
  channel(id: string): Promise<Channel>;
}

export class ChatList {
  readonly chats = signal<ReadonlyMap<string, Chat>>(new Map());
  readonly loaded = signal(false);
  readonly error = signal(false);
  /** There are more chats on the server than are held here. */
  readonly more = signal(false);
  /** As shown: those with a message, newest first. */
  readonly order = computed(() => this.all.value.filter((c) => !c.prefs.archived));
  readonly archived = computed(() => this.all.value.filter((c) => c.prefs.archived));
  readonly unread = computed(() => this.order.value.reduce((n, chat) => n + (unreadOf(chat) > 0 ? 1 : 0), 0));

  private readonly all = computed(() => [...this.chats.value.values()].filter((c) => c.last).sort(newestFirst));

  // The next state; published once for all events that one frame brought.
  private next: Map<string, Chat> | null = null;
  private pages = 1;
  private cursor: string | undefined;
  private loading: Promise<void> | null = null;
  private naming = new Set<string>();
  private readonly reloading = new Set<string>();
  private readonly refreshSoon = debounced(REFRESH_MS, () => void this.refresh());

  constructor(
    private readonly client: Pick<Client, "channels">,
    private readonly directory: Directory,
    private readonly me: string,
  ) {}

  get(id: string): Chat | undefined {
    return (this.next ?? this.chats.value).get(id);
  }

  /** Asks for as many pages as were read so far: what was missed is in them. */
  async refresh(): Promise<void> {
    while (this.loading) await this.loading;
    await this.once(async () => {
      let cursor: string | undefined;
      for (let page = 0; page < this.pages; page++) {
        cursor = await this.page(cursor);
        if (!cursor) break;
      }
      this.cursor = cursor;
      this.more.value = cursor !== undefined;
      this.loaded.value = true;
    });
  }

  async loadMore(): Promise<void> {
    if (this.loading || !this.cursor) return;
    await this.once(async () => {
      this.cursor = await this.page(this.cursor);
      this.pages++;
      this.more.value = this.cursor !== undefined;
    });
  }

  /** Makes the direct chat with a user known, so that it can be opened before it has a message. */
  open(id: string, peer: User): void {
    const chat = this.get(id) ?? emptyChat(id, peer);
    this.put({ ...chat, peer, name: peer.name });
  }

  message(message: Message): void {
    const chat = this.get(message.channel) ?? this.stranger(message.channel);
    this.put(received(chat, message, this.me));
    // What the group is called, who is in it and what its rules are: the server says it all in one answer.
    if (message.kind === "group" || message.kind === "member" || message.kind === "settings") this.reloadSoon(message.channel);
  }

  /** Something changed in our list, here or on another device. */
  changed(change: ChannelChange): void {
    const chat = this.get(change.channel);
    switch (change.change) {
      case "added":
        return void this.reload(change.channel);
      case "removed":
        return this.remove(change.channel);
      case "prefs":
        if (chat) this.put({ ...chat, prefs: change.prefs ?? {} });
        return;
      case "blocked":
        if (chat) this.put({ ...chat, blocked: change.on ?? false });
        return;
      case "hidden":
        if (chat?.last?.seq === change.seq) void this.reload(change.channel);
    }
  }

  /** Asks for one chat anew. */
  async reload(id: string): Promise<void> {
    try {
      this.take(await this.directory.channel(id));
    } catch {
      // It is none of ours any more, or the connection went: the next refresh tells.
    }
  }

  /** Takes over what a call has answered. */
  take(channel: Channel): void {
    this.put(listed(this.get(channel.id) ?? emptyChat(channel.id), channel, this.me));
  }

  remove(id: string): void {
    this.write((next) => next.delete(id));
  }

  receipt(receipt: { channel: string } & Partial<Receipt>): void {
    const chat = this.get(receipt.channel);
    if (!chat) return; // the list tells its marks when it gets there
    if (receipt.user === this.me && countIsStale(chat, this.me, receipt.read ?? 0)) this.refreshSoon();
    this.put(marked(chat, receipt, this.me));
  }

  /** Asks who the other one in a direct chat is, for a chat that the list did not bring. */
  async name(id: string): Promise<void> {
    const peer = peerOf(id, this.me);
    if (!peer || this.naming.has(id)) return;
    this.naming.add(id);
    try {
      this.open(id, await this.directory.user(peer));
    } catch {
      // It stays nameless until the next refresh, which asks again.
    } finally {
      this.naming.delete(id);
    }
  }

  private reloadSoon(id: string): void {
    if (this.reloading.has(id)) return;
    this.reloading.add(id);
    setTimeout(() => {
      this.reloading.delete(id);
      if (this.get(id)) void this.reload(id);
    }, REFRESH_MS);
  }

  // stranger is a chat that an event tells of first: someone wrote for the first time, or it lies beyond the pages read.
  private stranger(id: string): Chat {
    const peer = peerOf(id, this.me);
    this.refreshSoon();
    return emptyChat(id, peer ? { id: peer, name: "" } : undefined);
  }

  private async page(cursor: string | undefined): Promise<string | undefined> {
    const reply = await this.client.channels({ limit: PAGE, ...(cursor && { cursor }) });
    for (const channel of reply.channels) this.take(channel);
    return reply.cursor || undefined;
  }

  private async once(work: () => Promise<void>): Promise<void> {
    this.loading = work().then(
      () => void (this.error.value = false),
      () => void (this.error.value = true), // shown, with a way to try again
    );
    await this.loading;
    this.loading = null;
    for (const chat of this.chats.value.values()) if (!chat.name && chat.kind === "direct") void this.name(chat.id);
  }

  private put(chat: Chat): void {
    if (this.get(chat.id) !== chat) this.write((next) => next.set(chat.id, chat));
  }

  private write(change: (next: Map<string, Chat>) => void): void {
    if (!this.next) {
      this.next = new Map(this.chats.value);
      queueMicrotask(() => {
        this.chats.value = this.next!;
        this.next = null;
      });
    }
    change(this.next);
  }
}
