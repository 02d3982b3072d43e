// All chats of the user: what the server lists, page by page, kept in step by events.
import { computed, signal } from "@preact/signals";
import type { Channel, Client, Message, Receipt, User } from "@weft/client";
import { peerOf } from "@weft/client";
import { type Chat, countIsStale, emptyChat, listed, marked, newestFirst, received, unreadOf } from "./chat";
import { debounced } from "./debounced";

const PAGE = 100;

/** One question answers for all that a burst of events leaves open. */
const REFRESH_MS = 150;

export interface Directory {
  user(id: string): Promise<User>;
}

export class ChatList {
  readonly chats = signal<ReadonlyMap<string, Chat>>(new Map());
  readonly loaded = signal(false);
  readonly error = signal(false);
  /** There are more chats on the server than are held here. */
  readonly more = signal(false);
  /** As shown: those with a message, newest first. */
  readonly order = computed(() => [...this.chats.value.values()].filter((c) => c.last).sort(newestFirst));
  readonly unread = computed(() => this.order.value.reduce((n, chat) => n + (unreadOf(chat) > 0 ? 1 : 0), 0));

  // The next state; published once for all events that one frame brought.
  private next: Map<string, Chat> | null = null;
  private pages = 1;
  private cursor: string | undefined;
  private loading: Promise<void> | null = null;
  private naming = new Set<string>();
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

  private take(channel: Channel): void {
    this.put(listed(this.get(channel.id) ?? emptyChat(channel.id), channel, this.me));
  }

  private async once(work: () => Promise<void>): Promise<void> {
    this.loading = work().then(
      () => void (this.error.value = false),
      () => void (this.error.value = true), // shown, with a way to try again
    );
    await this.loading;
    this.loading = null;
    for (const chat of this.chats.value.values()) if (!chat.name) void this.name(chat.id);
  }

  private put(chat: Chat): void {
    if (this.get(chat.id) === chat) return;
    if (!this.next) {
      this.next = new Map(this.chats.value);
      queueMicrotask(() => {
        this.chats.value = this.next!;
        this.next = null;
      });
    }
    this.next.set(chat.id, chat);
  }
}
