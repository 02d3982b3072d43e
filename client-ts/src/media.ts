// Files: up, down, and by links for pictures and players.
import type { Auth } from "./auth.js";
import type { Client } from "./client.js";
import { WeftError } from "./errors.js";
import { authorized, problem } from "./http.js";
import type { MediaBody, MediaFile, MediaLink, Sent } from "./types.js";
import { Upload, type UploadOptions } from "./upload.js";

export class Media {
  constructor(
    private readonly auth: Auth,
    private readonly url: string,
  ) {}

  /**
   * Uploads a file for a channel, or a user for the direct chat; it goes on by itself after whatever interrupts it. Where the
   * browser is to go on with it after a reload, keep the file and what `onBegun` tells, and pass that as `resume`.
   */
  upload(to: string, file: Blob, opts: UploadOptions = {}): Upload {
    return new Upload(this.auth, this.url, to, file, opts, (id) => this.info(id));
  }

  /** Uploads a file and sends the message that names it; `more` goes into its body. */
  async send(client: Client, to: string, file: Blob, opts: UploadOptions & { caption?: string; cid?: string; more?: Record<string, unknown> } = {}): Promise<Sent> {
    const { caption, cid, more, ...upload } = opts;
    const body = mediaBody(await this.upload(to, file, upload).done, { ...(caption && { caption }), ...more });
    return client.send(to, "media", body, cid ? { cid } : {});
  }

  /** What is known of a file. */
  info(id: string): Promise<MediaFile> {
    return authorized(this.auth, this.url, "GET", path(id, "/info"));
  }

  /** Addresses of a file and its thumbnail for `<img>`, players and downloads: good until `expires_at`, 15 minutes. */
  async link(id: string): Promise<MediaLink> {
    const link = await authorized<MediaLink>(this.auth, this.url, "POST", path(id, "/link"));
    const base = this.url.replace(/\/+$/, "");
    return { ...link, url: base + link.url, thumbnail: base + link.thumbnail };
  }

  /** Loads a file, its thumbnail, or a range of its bytes (`end` is not in it). */
  async download(id: string, opts: { thumbnail?: boolean; range?: { start: number; end?: number }; signal?: AbortSignal } = {}): Promise<Blob> {
    const headers: Record<string, string> = {};
    if (opts.range) headers.Range = `bytes=${opts.range.start}-${opts.range.end === undefined ? "" : opts.range.end - 1}`;
    const load = async (token: string) =>
      this.auth.fetch(this.url.replace(/\/+$/, "") + path(id, opts.thumbnail ? "/thumbnail" : ""), {
        headers: { ...headers, Authorization: `Bearer ${token}` }, ...(opts.signal && { signal: opts.signal }),
      });
    let token = await this.auth.accessToken();
    let response = await load(token);
    if (response.status === 401) response = await load(await this.auth.accessToken({ refused: token }));
    if (!response.ok) throw problem(response.status, await response.json().catch(() => undefined));
    if (opts.range && response.status !== 206) throw new WeftError("unavailable", "the server sent no range", response.status);
    return response.blob();
  }
}

/** The body of a message that names a file. */
export function mediaBody(file: MediaFile, more: Record<string, unknown> = {}): MediaBody {
  const { state: _, sha256: __, ...told } = file;
  return { ...told, ...more };
}

function path(id: string, what: string): string {
  return `/v1/media/${encodeURIComponent(id)}${what}`;
}
