import { useSignal } from "@preact/signals";
import type { Message } from "@weft/client";
import { useEffect, useRef } from "preact/hooks";
import { mediaOf, type ShownMedia } from "../store/media";
import type { Thread } from "../store/thread";
import { Blur } from "./blur";
import { useSession } from "./context";
import { useModal } from "./dialog";
import { CloseIcon } from "./icons";
import { download, Shown } from "./media";
import { DownloadIcon, LeftIcon, RightIcon } from "./mediaicons";
import { exactTime } from "./times";

interface Item {
  message: Message;
  media: ShownMedia;
}

/** The pictures and films of a conversation, one at a time. Arrows move, Home and End go to the first and last, Escape closes. */
export function Gallery({ thread, seq, close }: { thread: Thread; seq: number; close: () => void }) {
  const session = useSession();
  const { dialog, closed } = useModal(close);
  const current = useSignal(seq);
  const swipe = useRef<number | undefined>(undefined);
  const items = thread.window.value.messages.flatMap((message): Item[] => {
    const media = mediaOf(message);
    return media && (media.kind === "picture" || media.kind === "video") ? [{ message, media }] : [];
  });
  const at = items.findIndex((i) => i.message.seq === current.value);
  const item = items[at];
  const go = (to: number) => {
    const next = items[Math.min(items.length - 1, Math.max(0, to))];
    if (next) current.value = next.message.seq;
    if (to < 2) void thread.loadOlder();
  };
  useEffect(() => {
    if (!item) dialog.current!.close(); // it was deleted
  }, [item]);
  const keys: Record<string, () => void> = {
    ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), Home: () => go(0), End: () => go(items.length - 1),
  };
  return (
    <dialog ref={dialog} class="gallery" aria-label="Pictures and films" data-testid="gallery" onClose={closed}
      onKeyDown={(e) => {
        e.stopPropagation();
        if (e.target instanceof HTMLVideoElement || !keys[e.key]) return;
        e.preventDefault();
        keys[e.key]!();
      }}
      onPointerDown={(e) => (swipe.current = e.pointerType === "touch" ? e.clientX : undefined)}
      onPointerUp={(e) => {
        const moved = swipe.current === undefined ? 0 : e.clientX - swipe.current;
        if (Math.abs(moved) > 60) go(moved < 0 ? at + 1 : at - 1);
      }}>
      {item && (
        <>
          <header class="gallery-head">
            <span class="gallery-who">
              <b dir="auto">{session.people.name(item.message.from)}</b>
              <time>{exactTime(item.message.at)}</time>
            </span>
            <span class="gallery-count" aria-live="polite">{at + 1} of {items.length}</span>
            <button type="button" class="round" aria-label={`Download ${item.media.name}`} title="Download" onClick={() => void download(session, item.media)}><DownloadIcon /></button>
            <button type="button" class="round" data-testid="gallery-close" aria-label="Close" onClick={() => dialog.current!.close()}><CloseIcon /></button>
          </header>
          <Large key={item.message.seq} media={item.media} />
          <button type="button" class="round gallery-left" data-testid="gallery-left" aria-label="The one before" disabled={at === 0} onClick={() => go(at - 1)}><LeftIcon /></button>
          <button type="button" class="round gallery-right" data-testid="gallery-right" aria-label="The next one" disabled={at === items.length - 1} onClick={() => go(at + 1)}><RightIcon /></button>
          {item.media.caption && <p class="gallery-caption" dir="auto">{item.media.caption}</p>}
        </>
      )}
    </dialog>
  );
}

function Large({ media }: { media: ShownMedia }) {
  const { links } = useSession();
  const loaded = useSignal(false);
  const link = links.state(media.id);
  const url = typeof link === "object" ? link.url : "";
  return (
    <div class="gallery-stage" data-testid="gallery-item" data-media={media.id} data-loaded={loaded.value}>
      {link === "failed" && <p role="alert">This cannot be loaded now. <button type="button" class="link" onClick={() => links.again(media.id)}>Try again</button></p>}
      {media.kind === "video" ? (
        <video controls autoPlay playsInline poster={media.poster || undefined} src={url || undefined} aria-label={media.caption || media.name} onLoadedData={() => (loaded.value = true)} />
      ) : (
        <>
          {!loaded.value && media.preview && <div class="gallery-blur" style={{ aspectRatio: `${media.width} / ${media.height}` }}><Blur hash={media.preview} /></div>}
          {url && <Shown class={loaded.value ? "" : "loading"} src={url} alt={media.caption || media.name} loaded={() => (loaded.value = true)} failed={() => links.again(media.id)} />}
        </>
      )}
    </div>
  );
}
