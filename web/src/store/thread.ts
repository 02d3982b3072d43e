// A conversation's messages as a window that pages both ways and follows what arrives while it stands at the end.
import { signal } from "@preact/signals";
import { changed, type Client, isChange, type Message } from "@weft/client";
import { add, dropNewest, dropOldest, emptyWindow, firstSeq, holeBefore, lastSeq, mapMessages, type Window } from "./window";

/** The most messages that are held and rendered at once. */
export const MAX_MESSAGES = 300;
const PAGE = 60;

/** How long a message that a reply has overtaken may take before it is asked for. */
const HOLE_PATIENCE_MS = 400;

export type Loading = "" | "newest" | "older" | "newer";

export class Thread {
  readonly window = signal<Window>(emptyWindow);
  readonly loading = signal<Loading>("");
  readonly loaded = signal(false);
  readonly error = signal(false);
  /** The view stands at the end and wants to stay there. */
  readonly atEnd = signal(true);

  /** The message that the view is to bring into sight. */
  readonly goal = signal(0);

  /** Counts what may have changed the pinned messages. */
  readonly pinsChanged = signal(0);

  // Records that came and are no messages, by seq: they leave no hole.
  private readonly passed = new Set<number>();
  // What arrives while the newest page is on its way.
  private early: Message[] = [];
  // A message is missing amidst those held, and asking for it failed.
  private holed = false;
  // Counts the loads of the newest page: an answer to a page of a window that is gone is dropped.
  private generation = 0;

  constructor(
    readonly channel: string,
    private readonly client: Pick<Client, "history">,
    private readonly me = "",
  ) {}

  /** Brings a message into sight, whatever part of the conversation is held. */
  async goTo(seq: number): Promise<void> {
    if (!this.window.value.messages.some((m) => m.seq === seq)) {
      const generation = ++this.generation;
      await this.load("newest", generation, async (current) => {
        const page = await this.client.history(this.channel, { before: seq + 1, limit: PAGE });
        if (!current()) return;
        this.window.value = { ...add({ messages: [], older: page.more, newer: true }, page.messages) };
        this.early = [];
        this.loaded.value = true;
        this.atEnd.value = false;
      });
    }
    this.atEnd.value = false;
    this.goal.value = seq;
  }

  /** Changes what is held by what was done on this or another device. */
  update(seq: number, f: (m: Message) => Message | null): void {
    this.window.value = mapMessages(this.window.value, (m) => (m.seq === seq ? f(m) : m));
  }

  /** Shows the end of the conversation, unless it is held already. */
  async loadNewest(): Promise<void> {
    if (this.loading.value === "newest") return;
    const generation = ++this.generation;
    await this.load("newest", generation, async () => {
      const page = await this.client.history(this.channel, { limit: PAGE });
      if (generation !== this.generation) return;
      const window = { messages: [], older: page.more, newer: false };
      const start = page.messages[0]?.seq ?? 0;
      this.window.value = add(add(window, page.messages), this.early.filter((m) => m.seq > start));
      this.early = [];
      this.holed = false;
      this.loaded.value = true;
    });
  }

  /** After a failed load: the view asks again for what it is near to. */
  retry(): void {
    if (this.loaded.value && !this.holed) this.error.value = false;
    else void this.loadNewest();
  }

  async loadOlder(): Promise<void> {
    const window = this.window.value;
    if (!this.loaded.value || !window.older || this.loading.value) return;
    await this.load("older", this.generation, async (current) => {
      const page = await this.client.history(this.channel, { before: firstSeq(window), limit: PAGE });
      if (!current()) return;
      const next = { ...add(this.window.value, page.messages), older: page.more };
      this.window.value = dropNewest(next, MAX_MESSAGES);
    });
  }

  async loadNewer(): Promise<void> {
    const window = this.window.value;
    if (!this.loaded.value || !window.newer || this.loading.value) return;
    await this.load("newer", this.generation, async (current) => {
      const page = await this.client.history(this.channel, { after: lastSeq(window), limit: PAGE });
      if (!current()) return;
      const next = { ...add(this.window.value, page.messages), newer: page.more };
      this.window.value = dropOldest(next, MAX_MESSAGES);
      if (!page.more) this.takeEarly();
    });
  }

  /** A message of this conversation arrived, or one of ours was stored. */
  receive(message: Message): void {
    if (isChange(message.kind)) {
      this.passed.add(message.seq);
      if (message.kind === "pin" || message.kind === "delete") this.pinsChanged.value++;
      this.early = this.early.map((m) => changed(m, message, this.me));
      this.window.value = mapMessages(this.window.value, (m) => changed(m, message, this.me));
      return;
    }
    if (!this.loaded.value || this.loading.value === "newest" || this.loading.value === "newer") {
      this.early.push(message);
      if (this.loaded.value && !this.window.value.newer) this.append(message);
      return;
    }
    if (this.window.value.newer) return; // paging down brings it
    this.append(message);
  }

  private append(message: Message): void {
    const window = this.window.value;
    if (message.seq <= firstSeq(window) && window.older) return; // replayed, and not in view
    const next = add(window, [message]);
    if (this.atEnd.peek()) this.window.value = dropOldest(next, MAX_MESSAGES);
    else this.window.value = dropNewest(next, MAX_MESSAGES + PAGE); // what is being read must not move away
    if (holeBefore(this.window.value, message.seq, this.passed) !== undefined) {
      setTimeout(() => void this.fill(message.seq), HOLE_PATIENCE_MS);
    }
  }

  // fill asks for what lacks before seq, once: a reply may overtake the events of messages before it, which come.
  private async fill(seq: number): Promise<void> {
    const after = holeBefore(this.window.value, seq, this.passed);
    if (after === undefined) return;
    const generation = this.generation;
    try {
      const page = await this.client.history(this.channel, { after, limit: PAGE });
      if (generation !== this.generation) return;
      if (page.more && (page.messages.at(-1)?.seq ?? 0) < seq) return await this.loadNewest(); // too far apart
      this.window.value = add(this.window.value, page.messages);
    } catch {
      this.holed = true;
      this.error.value = true; // shown, with a way to try again
    }
  }

  // takeEarly appends what arrived while the last page down was on its way.
  private takeEarly(): void {
    const early = this.early;
    this.early = [];
    const end = lastSeq(this.window.value);
    for (const message of early) if (message.seq > end) this.append(message);
  }

  private async load(kind: Loading, generation: number, work: (current: () => boolean) => Promise<void>): Promise<void> {
    const current = () => generation === this.generation;
    this.loading.value = kind;
    this.error.value = false;
    try {
      await work(current);
    } catch {
      if (current()) this.error.value = true; // shown, with a way to try again
    } finally {
      if (current()) this.loading.value = "";
    }
  }
}
