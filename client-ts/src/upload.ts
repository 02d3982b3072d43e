// One file on its way to the server, by tus 1.0 (https://tus.io/protocols/resumable-upload). What the server acknowledged
// stays there: after a pause, a lost connection, a restart of the server or a reload of the page the upload goes on.
import { type DetailedError, type HttpRequest, Upload as Tus, type UploadOptions as TusOptions } from "tus-js-client";
import type { Auth } from "./auth.js";
import { backoff } from "./backoff.js";
import { guarded } from "./emitter.js";
import { isPassing, WeftError } from "./errors.js";
import { problem } from "./http.js";
import type { MediaFile } from "./types.js";
import { onWakeup } from "./wakeups.js";

/** `waiting`: the connection was lost, or the server has no time; it goes on by itself. */
export type UploadState = "uploading" | "waiting" | "paused" | "done" | "failed";

export interface UploadOptions {
  /** What others save the file as; a File has a name of its own. */
  name?: string;
  /** A hint: the server looks at the bytes. */
  type?: string;
  /** How many bytes have gone out, of how many. */
  onProgress?(bytes: number, total: number): void;
  onState?(state: UploadState): void;
  /** Tells what `resume` goes on by, once the upload is there. */
  onBegun?(at: string): void;
  /** Goes on with an upload of the same file that was begun before; where the server has it no more, it begins anew. */
  resume?: string;
  /** Ends it here. What is with the server stays for `resume`, as long as the server keeps unfinished uploads. */
  signal?: AbortSignal;
}

/** A connection on which nothing moves for so long is given up, as the server does. */
const STALLED_MS = 60_000;

/** A server that says so often in a row that it is too much means more than a moment: the day's bytes are used up. */
const RATE_LIMITED_TRIES = 6;

/** Where the file is read from outside of browsers, so much is held at a time. */
const NODE_CHUNK = 8 << 20;

export class Upload {
  /** The file on the server, to be named in a message; rejects with the server's refusal, or `closed` when it was ended. */
  readonly done: Promise<MediaFile>;
  private current: UploadState = "uploading";
  private at: string | undefined;
  private settle!: { ok(file: MediaFile): void; no(err: WeftError): void };
  private tus: Tus | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stall: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  /** The token that the server did not take. */
  private refused: string | undefined;
  private token = "";
  private begunAnew = false;
  private readonly undo: () => void;
  private readonly ended = () => this.end(closed());

  /** Begins at once. @internal */
  constructor(
    private readonly auth: Auth,
    private readonly url: string,
    private readonly to: string,
    private readonly file: Blob,
    private readonly opts: UploadOptions,
    private readonly info: (id: string) => Promise<MediaFile>,
  ) {
    this.at = opts.resume || undefined;
    this.done = new Promise((ok, no) => (this.settle = { ok, no }));
    this.done.catch(() => {}); // `state` tells as well
    this.undo = onWakeup(
      () => this.current === "waiting" && this.run(),
      () => this.current === "uploading" && this.lost(),
    );
    opts.signal?.addEventListener("abort", this.ended, { once: true });
    if (opts.signal?.aborted) this.ended();
    else this.run();
  }

  get state(): UploadState {
    return this.current;
  }

  pause(): void {
    if (this.isOver() || this.current === "paused") return;
    this.stop();
    this.set("paused");
  }

  resume(): void {
    if (this.current !== "paused") return;
    this.failures = 0;
    this.run();
  }

  /** Ends it, here and on the server. */
  async cancel(): Promise<void> {
    if (this.isOver()) return;
    this.end(closed());
    if (!this.at) return;
    const token = await this.auth.accessToken();
    const response = await this.auth.fetch(this.address(this.at), {
      method: "DELETE", headers: { Authorization: `Bearer ${token}`, "Tus-Resumable": "1.0.0" },
    });
    // Gone is what it was to be; of a file, which it may just have become, nobody hears.
    if (!response.ok && ![404, 409, 410].includes(response.status)) throw problem(response.status, undefined);
  }

  // run makes one try, which goes on where the server is.
  private run(): void {
    this.stop();
    this.set("uploading");
    const { at } = this;
    const type = this.opts.type || this.file.type;
    const name = this.opts.name || (this.file as File).name;
    const tus: Tus = new Tus(this.file, {
      // Whether to begin anew is ours to say: the library would do so whatever the server's answer is.
      ...(at ? { uploadUrl: this.address(at) } : { endpoint: this.address("/v1/media/uploads") }),
      metadata: { channel: this.to, ...(name && { filename: name }), ...(type && { filetype: type }) },
      retryDelays: null,
      storeFingerprintForResuming: false,
      ...inNode(),
      onBeforeRequest: (request: HttpRequest) => this.authorize(tus, request),
      onUploadUrlAvailable: () => this.tus === tus && this.begun(new URL(tus.url!, pageURL()).pathname),
      onProgress: (bytes) => this.tus === tus && this.moved(bytes),
      onSuccess: () => this.tus === tus && void this.succeeded(),
      onError: (err) => this.tus === tus && this.failed(err as DetailedError),
    });
    this.tus = tus;
    this.watch();
    tus.start();
  }

  private async authorize(tus: Tus, request: HttpRequest): Promise<void> {
    this.token = await this.auth.accessToken(this.refused ? { refused: this.refused } : {});
    if (this.tus !== tus) throw closed(); // ended meanwhile: the library sends all the same
    request.setHeader("Authorization", `Bearer ${this.token}`);
  }

  private begun(path: string): void {
    const at = path.slice(path.indexOf("/v1/media/uploads/"));
    if (at === this.at) return;
    this.at = at;
    guarded(() => this.opts.onBegun?.(at));
  }

  private moved(bytes: number): void {
    if (bytes > 0) this.failures = 0;
    this.watch();
    guarded(() => this.opts.onProgress?.(bytes, this.file.size));
  }

  // watch gives a connection time to move.
  private watch(): void {
    clearTimeout(this.stall);
    this.stall = setTimeout(() => this.lost(), STALLED_MS);
  }

  private async succeeded(): Promise<void> {
    clearTimeout(this.stall);
    const { tus } = this;
    try {
      const file = await this.info(this.at!.slice(this.at!.lastIndexOf("/") + 1)); // the upload's id is the file's
      if (this.tus === tus) this.finish(file);
    } catch (err) {
      if (this.tus !== tus) return;
      if (isPassing(err)) this.lost();
      else this.end(err instanceof WeftError ? err : new WeftError("internal", String(err)));
    }
  }

  // failed decides by the server's answer whether to go on, begin anew or give up.
  private failed(err: DetailedError): void {
    const status = err.originalResponse?.getStatus() ?? 0;
    if (err.causingError instanceof WeftError && !isPassing(err.causingError)) return this.end(err.causingError);
    if (!err.originalRequest) return this.end(new WeftError("bad_request", err.message)); // the file can't be read
    if (status === 401 && this.refused !== this.token) {
      this.refused = this.token;
      return this.run();
    }
    if ((status === 404 || status === 410) && this.at && !this.begunAnew) {
      this.begunAnew = true;
      this.at = undefined;
      return this.run();
    }
    if (status === 0) void this.unreadable(); // what looks like a lost connection may be a file that was removed
    const passes = status === 0 || [409, 423, 429, 460].includes(status) || status >= 500;
    if (!passes || (status === 429 && this.failures >= RATE_LIMITED_TRIES)) return this.end(problem(status, json(err.originalResponse?.getBody())));
    this.lost();
  }

  private async unreadable(): Promise<void> {
    try {
      await this.file.slice(0, 1).arrayBuffer();
    } catch {
      this.end(new WeftError("bad_request", "the file cannot be read any more: it was changed or removed"));
    }
  }

  // lost waits before the next try.
  private lost(): void {
    this.stop();
    this.set("waiting");
    this.timer = setTimeout(() => this.run(), backoff(++this.failures));
  }

  private stop(): void {
    clearTimeout(this.timer);
    clearTimeout(this.stall);
    const { tus } = this;
    this.tus = undefined;
    void tus?.abort();
  }

  private finish(file: MediaFile): void {
    this.over("done");
    this.settle.ok(file);
  }

  private end(err: WeftError): void {
    if (this.isOver()) return;
    this.over("failed");
    this.settle.no(err);
  }

  private over(state: UploadState): void {
    this.stop();
    this.undo();
    this.opts.signal?.removeEventListener("abort", this.ended);
    this.set(state);
  }

  private isOver(): boolean {
    return this.current === "done" || this.current === "failed";
  }

  private set(state: UploadState): void {
    if (this.current === state) return;
    this.current = state;
    guarded(() => this.opts.onState?.(state));
  }

  private address(path: string): string {
    return new URL(this.url.replace(/\/+$/, "") + path, pageURL()).href;
  }
}

function pageURL(): string | undefined {
  return (globalThis as { location?: Location }).location?.href;
}

function closed(): WeftError {
  return new WeftError("closed", "the upload was ended");
}

function json(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined; // HEAD has no text, and a proxy's is its own
  }
}

// inNode reads a Blob outside of browsers, where the library knows files and streams only.
function inNode(): Partial<TusOptions> {
  if (typeof XMLHttpRequest !== "undefined") return {};
  return {
    chunkSize: NODE_CHUNK,
    fileReader: {
      openFile: async (file: Blob) => ({
        size: file.size,
        slice: async (start, end) => {
          const value = new Uint8Array(await file.slice(start, end).arrayBuffer());
          return { value: Object.assign(value, { size: value.length }), done: end >= file.size }; // size is what the library looks at
        },
        close: () => {},
      }),
    },
  };
}
