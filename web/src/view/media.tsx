import { useSignal } from "@preact/signals";
import { byteSize, type ShownMedia, typeName } from "../store/media";
import { AudioPlayer } from "./audioplayer";
import { Blur } from "./blur";
import { useSession } from "./context";
import { DownloadIcon, FileIcon } from "./mediaicons";

/** Animated pictures up to so many bytes move in the conversation; larger ones when they are opened. */
const MAX_ANIMATED = 8_000_000;

/** The sides of a picture in the conversation, in pixels. */
const WIDE = 320;
const TALL = 340;

/** What a message of kind media shows beside its caption. */
export function MediaView({ media, open }: { media: ShownMedia; open?: (() => void) | undefined }) {
  switch (media.kind) {
    case "picture":
      return <Picture media={media} open={open} />;
    case "video":
      return <Film media={media} open={open} />;
    case "audio":
      return <Sound media={media} />;
  }
  return <FileCard media={media} />;
}

/** The size of a picture as it stands in the conversation: known before it is there, so that nothing moves. */
function box({ width, height }: ShownMedia): { width: string; aspectRatio: string } {
  const w = width || 16;
  const h = height || 9;
  const ratio = Math.min(3, Math.max(0.5, w / h));
  const shown = Math.max(120, Math.min(WIDE, TALL * ratio, Math.max(w, 160)));
  return { width: `${Math.round(shown)}px`, aspectRatio: String(ratio) };
}

function Picture({ media, open }: { media: ShownMedia; open?: (() => void) | undefined }) {
  const { links } = useSession();
  const loaded = useSignal(false);
  const link = links.state(media.id);
  if (link === "failed") return <Failed media={media} />;
  const moves = (media.type === "image/gif" || media.type === "image/webp") && media.size <= MAX_ANIMATED;
  const src = typeof link === "object" ? (media.thumbnail && !moves ? link.thumbnail : link.url) : "";
  return (
    <button type="button" class={`media-picture${loaded.value ? " loaded" : ""}`} data-testid="media-picture" data-media={media.id}
      data-loaded={loaded.value} style={box(media)} aria-label={`Open picture ${media.caption || media.name}`} onClick={open}>
      {media.preview && !loaded.value && <Blur hash={media.preview} />}
      {src && <Shown src={src} alt="" loaded={() => (loaded.value = true)} failed={() => links.again(media.id)} />}
      {media.type === "image/gif" && <span class="media-mark">GIF</span>}
    </button>
  );
}

/** An image whose link may be over: another is asked for, once. */
export function Shown({ src, alt, loaded, failed, class: name }: { src: string; alt: string; loaded?: () => void; failed: () => void; class?: string }) {
  const again = useSignal(false);
  return (
    <img src={src} alt={alt} class={name} decoding="async" draggable={false} onLoad={loaded} onError={() => {
      if (again.value) return;
      again.value = true;
      failed();
    }} />
  );
}

function Film({ media, open }: { media: ShownMedia; open?: (() => void) | undefined }) {
  const { links } = useSession();
  const link = links.state(media.id);
  if (link === "failed") return <Failed media={media} />;
  return (
    <div class="media-film" style={box(media)} data-testid="media-video" data-media={media.id}>
      <video controls preload={media.poster ? "none" : "metadata"} playsInline poster={media.poster || undefined} aria-label={media.caption || media.name}
        src={typeof link === "object" ? link.url : undefined} onError={() => expired(links, media.id)} />
      {open && <button type="button" class="media-expand" aria-label="Open large" onClick={open}>⤢</button>}
    </div>
  );
}

function Sound({ media }: { media: ShownMedia }) {
  const { links } = useSession();
  const link = links.state(media.id);
  if (link === "failed") return <Failed media={media} />;
  return (
    <div class="media-sound" data-testid="media-audio" data-media={media.id}>
      {!media.voice && <span class="file-name" dir="auto">{media.name}</span>}
      <AudioPlayer src={typeof link === "object" ? link.url : ""} duration={media.duration} waveform={media.waveform}
        label={media.voice ? "Voice message" : media.name} failed={() => expired(links, media.id)} />
    </div>
  );
}

// expired asks for a new link where the one that a player has is over; what can't be played with a good one can't with another.
function expired(links: { state(id: string): unknown; again(id: string): void }, id: string): void {
  const link = links.state(id) as { expires_at?: number };
  if ((link.expires_at ?? Infinity) < Date.now()) links.again(id);
}

/** A document, or whatever has no other form here. */
function FileCard({ media }: { media: ShownMedia }) {
  const session = useSession();
  return (
    <div class="file-card" data-testid="media-file" data-media={media.id}>
      <FileIcon />
      <span class="file-about">
        <span class="file-name" dir="auto">{media.name}</span>
        <span class="file-facts">{typeName(media)} · {byteSize(media.size)}</span>
      </span>
      <button type="button" class="round" data-testid="download" aria-label={`Download ${media.name}`} title="Download" onClick={() => void download(session, media)}><DownloadIcon /></button>
    </div>
  );
}

function Failed({ media }: { media: ShownMedia }) {
  const { links } = useSession();
  return (
    <div class="file-card" data-testid="media-failed">
      <FileIcon />
      <span class="file-about">
        <span class="file-name" dir="auto">{media.name}</span>
        <span class="file-facts">This file cannot be loaded now. <button type="button" class="link" onClick={() => links.again(media.id)}>Try again</button></span>
      </span>
    </div>
  );
}

/** Has the browser save a file under its name. */
export async function download(session: ReturnType<typeof useSession>, media: ShownMedia): Promise<void> {
  const link = await session.actions.attempt(() => session.links.fresh(media.id));
  if (!link) return;
  const anchor = document.createElement("a");
  anchor.href = link.url;
  anchor.download = media.name;
  anchor.rel = "noopener";
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
