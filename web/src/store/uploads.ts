// Files on their way, some at a time: each becomes a message once it is with the server. They survive a reload of the page,
// which goes on where the server is.
import { batch, signal } from "@preact/signals";
import { type Media, mediaBody, type MediaFile, type Upload, type UploadState, WeftError } from "@weft/client";
import type { Kept, UploadStore } from "./uploadstore";
import { exclusively } from "./uploadlock";

/** Of the four that a server wants at most side by side, one is for another tab. */
const AT_ONCE = 3;

/** A file that is to be sent, with what its message says beside. */
export interface Attachment {
  readonly file: Blob;
  readonly name: string;
  readonly more: Readonly<Record<string, unknown>>;
}

export interface Uploading extends Kept {
  /** `queued`: others are before it. */
  readonly state: UploadState | "queued";
  readonly bytes: number;
}

export class Uploads {
  readonly list = signal<readonly Uploading[]>([]);
  private readonly running = new Map<string, Upload>();
  /** Lets other tabs have an upload. */
  private readonly release = new Map<string, () => void>();
  private stopped = false;

  constructor(
    private readonly media: Pick<Media, "upload">,
    private readonly store: UploadStore,
    private readonly me: string,
    private readonly send: (channel: string, body: unknown, cid: string) => void,
    private readonly lock: typeof exclusively = exclusively,
  ) {}

  /** Goes on with what an earlier page left. What another tab is at stays there. */
  async restore(): Promise<void> {
    let kept: Kept[] = [];
    try {
      kept = await this.store.all(this.me);
    } catch {
      return; // the browser keeps nothing, in a private window say
    }
    await Promise.all(kept.map(async (k) => {
      const release = await this.lock(k.id);
      if (!release) return;
      // Whoever had it may have come to its end.
      const still = this.stopped ? undefined : (await this.store.all(this.me)).find((s) => s.id === k.id);
      if (!still || this.stopped) return release();
      this.release.set(k.id, release);
      this.list.value = [...this.list.value, { ...still, state: still.failed ? "failed" : still.paused ? "paused" : "queued", bytes: 0 }];
      this.pump();
    }));
  }

  add(channel: string, attachments: readonly Attachment[]): void {
    const at = Date.now();
    for (const a of attachments) {
      const kept: Kept = { id: crypto.randomUUID(), me: this.me, channel, at, ...a };
      void this.lock(kept.id).then((release) => {
        if (!release) return;
        if (this.get(kept.id)) this.release.set(kept.id, release);
        else release();
      });
      this.list.value = [...this.list.value, { ...kept, state: "queued", bytes: 0 }];
      this.keep(kept);
    }
    this.pump();
  }

  pause(id: string): void {
    this.change(id, { state: "paused", paused: true });
    this.running.get(id)?.pause();
    this.pump();
  }

  resume(id: string): void {
    const { paused: _, ...u } = this.get(id) ?? {};
    if (!("id" in u)) return;
    this.replace({ ...(u as Uploading), state: "queued" });
    this.pump();
  }

  /** Tries again what was given up. */
  retry(id: string): void {
    const u = this.get(id);
    if (u?.state !== "failed") return;
    const { failed: _, ...again } = u;
    this.replace({ ...again, state: "queued" });
    this.pump();
  }

  cancel(id: string): void {
    const u = this.get(id);
    // One that an earlier page began is taken up, to be ended on the server too.
    const upload = this.running.get(id) ?? (u?.resume ? this.media.upload(u.channel, u.file, { resume: u.resume }) : undefined);
    this.forget(id);
    void upload?.cancel().catch(() => {}); // the server drops in time what nobody goes on with
    this.pump();
  }

  /** Leaves nothing behind for whoever uses the browser next. */
  async clear(): Promise<void> {
    for (const { id } of this.list.value) this.cancel(id);
    try {
      for (const { id } of await this.store.all(this.me)) await this.store.remove(id);
    } catch {
      // The browser keeps nothing.
    }
  }

  /** The page goes; the next one goes on. */
  stop(): void {
    this.stopped = true;
    for (const upload of this.running.values()) upload.pause();
    for (const release of this.release.values()) release();
  }

  private pump(): void {
    for (const u of this.list.value) {
      if (this.stopped || this.list.value.filter((o) => o.state === "uploading" || o.state === "waiting").length >= AT_ONCE) return;
      if (u.state === "queued") this.start(u);
    }
  }

  private start(u: Uploading): void {
    this.change(u.id, { state: "uploading" });
    const paused = this.running.get(u.id);
    if (paused) return paused.resume();
    const upload = this.media.upload(u.channel, u.file, {
      name: u.name, type: u.file.type, ...(u.resume && { resume: u.resume }),
      onBegun: (resume) => this.change(u.id, { resume }),
      onProgress: (bytes) => this.change(u.id, { bytes }),
      onState: (state) => this.running.has(u.id) && (state === "uploading" || state === "waiting") && this.change(u.id, { state }),
    });
    this.running.set(u.id, upload);
    void upload.done.then((file) => this.finished(u.id, file), (err) => this.failed(u.id, err));
  }

  private finished(id: string, file: MediaFile): void {
    const u = this.get(id);
    if (!u) return;
    batch(() => {
      this.send(u.channel, mediaBody(file, u.more), id);
      this.forget(id);
    });
    this.pump();
  }

  private failed(id: string, err: unknown): void {
    this.running.delete(id);
    if (err instanceof WeftError && err.code === "closed") return; // cancelled
    this.change(id, { state: "failed", failed: err instanceof Error ? err.message : String(err) });
    this.pump();
  }

  private get(id: string): Uploading | undefined {
    return this.list.peek().find((u) => u.id === id);
  }

  private forget(id: string): void {
    this.running.delete(id);
    this.list.value = this.list.value.filter((u) => u.id !== id);
    void this.store.remove(id).catch(() => {}).then(() => {
      this.release.get(id)?.();
      this.release.delete(id);
    });
  }

  private change(id: string, change: Partial<Uploading>): void {
    const u = this.get(id);
    if (u) this.replace({ ...u, ...change }, u);
  }

  private replace(next: Uploading, old?: Uploading): void {
    this.list.value = this.list.value.map((u) => (u.id === next.id ? next : u));
    if (!old || next.resume !== old.resume || next.paused !== old.paused || next.failed !== old.failed) {
      const { state: _, bytes: __, ...kept } = next;
      this.keep(kept);
    }
  }

  private keep(kept: Kept): void {
    void this.store.put(kept).then(
      // It may have come to its end meanwhile.
      () => (this.get(kept.id) ? undefined : this.store.remove(kept.id)),
    ).catch(() => {}); // it goes up all the same, but not after a reload
  }
}
