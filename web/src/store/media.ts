// What a message of kind media shows. Its body is another client's: what is not as it should be is left out.
export interface ShownMedia {
  readonly id: string;
  readonly kind: "picture" | "video" | "audio" | "file";
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly caption: string;
  /** Pixels; 0 where they are not known. */
  readonly width: number;
  readonly height: number;
  /** A BlurHash, "" where there is none. */
  readonly preview: string;
  readonly thumbnail: boolean;
  /** Milliseconds of sound or film, 0 where that is not known. */
  readonly duration: number;
  /** It was recorded as a message, and is no file of somebody's. */
  readonly voice: boolean;
  /** How loud it is, from beginning to end, each 0 to 100. */
  readonly waveform: readonly number[];
  /** A film's picture, as an address with the bytes in it. */
  readonly poster: string;
}

/** Longer ones are not shown. */
const MAX_POSTER = 48_000;
export const BARS = 48;

const pictures = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

export function mediaOf({ kind, body }: { kind: string; body: unknown }): ShownMedia | null {
  if (kind !== "media" || !body || typeof body !== "object") return null;
  const b = body as Record<string, unknown>;
  if (typeof b.media !== "string" || !b.media) return null;
  const type = text(b.type).toLowerCase().split(";")[0]!.trim();
  const voice = b.voice === true && (type.startsWith("audio/") || type === "video/webm" || type === "application/ogg");
  const width = number(b.width, 100_000);
  const height = number(b.height, 100_000);
  return {
    id: b.media,
    kind: pictures.has(type) && width > 0 && height > 0 ? "picture" : voice || type.startsWith("audio/") ? "audio" : type.startsWith("video/") ? "video" : "file",
    name: text(b.name) || "file", type, size: number(b.size, Number.MAX_SAFE_INTEGER), caption: text(b.caption), width, height,
    preview: text(b.preview), thumbnail: b.thumbnail === true, duration: number(b.duration, 86_400_000 * 7), voice,
    waveform: Array.isArray(b.waveform) ? b.waveform.slice(0, BARS).map((v) => number(v, 100)) : [],
    poster: /^data:image\/(jpeg|png|webp);base64,[A-Za-z0-9+/=]+$/.test(text(b.poster)) && text(b.poster).length <= MAX_POSTER ? text(b.poster) : "",
  };
}

function text(v: unknown): string {
  return typeof v === "string" ? v : "";
}

function number(v: unknown, most: number): number {
  return typeof v === "number" && Number.isFinite(v) && v > 0 ? Math.min(v, most) : 0;
}

/** One line for lists of chats. */
export function mediaPreview(m: ShownMedia): string {
  const caption = m.caption.replace(/\s+/g, " ").slice(0, 200);
  switch (m.kind) {
    case "picture":
      return `📷 ${caption || (m.type === "image/gif" ? "GIF" : "Photo")}`;
    case "video":
      return `🎬 ${caption || "Video"}`;
    case "audio":
      return m.voice ? `🎤 Voice message${m.duration ? ` (${playTime(m.duration)})` : ""}` : `🎵 ${caption || m.name}`;
  }
  return `📄 ${caption || m.name}`;
}

/** Minutes and seconds. */
export function playTime(ms: number): string {
  const s = Math.round(ms / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** Bytes as people say them. */
export function byteSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let n = bytes / 1000;
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

/** What a file's card says it is. */
export function typeName({ type, name }: { type: string; name: string }): string {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1];
  return (ending ?? type.split("/")[1]?.replace(/^x-|^vnd\./, "") ?? "").toUpperCase().slice(0, 12) || "FILE";
}
