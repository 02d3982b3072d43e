// What the browser knows of a file and the server does not look for: a film's size, length and picture, a sound's length.

/** The longer side of a film's picture, in pixels, and what is tried to bring it under the bound of a message's body. */
const POSTER_SIDE = 320;
const qualities = [0.7, 0.5, 0.3];
const MAX_POSTER = 40_000;

const PATIENCE_MS = 8000;

/** What goes into the message's body. A film that this browser can't play has nothing. */
export async function describe(file: Blob): Promise<Record<string, unknown>> {
  const kind = file.type.split("/")[0];
  if (kind !== "video" && kind !== "audio") return {};
  const player = document.createElement(kind);
  const url = URL.createObjectURL(file);
  try {
    player.preload = "auto";
    player.muted = true;
    player.src = url;
    await event(player, "loadeddata");
    const duration = Number.isFinite(player.duration) ? { duration: Math.round(player.duration * 1000) } : {};
    if (!(player instanceof HTMLVideoElement) || !player.videoWidth) return duration;
    // The very first picture of many films is black.
    const at = Number.isFinite(player.duration) ? Math.min(1, player.duration / 4) : 0;
    if (at > 0) {
      const seeked = event(player, "seeked");
      player.currentTime = at;
      await seeked;
    }
    const poster = draw(player);
    return { ...duration, width: player.videoWidth, height: player.videoHeight, ...(poster && { poster }) };
  } catch {
    return {};
  } finally {
    player.removeAttribute("src");
    player.load();
    URL.revokeObjectURL(url);
  }
}

function draw(video: HTMLVideoElement): string {
  const scale = Math.min(1, POSTER_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(video.videoWidth * scale));
  canvas.height = Math.max(1, Math.round(video.videoHeight * scale));
  canvas.getContext("2d")!.drawImage(video, 0, 0, canvas.width, canvas.height);
  for (const quality of qualities) {
    const poster = canvas.toDataURL("image/jpeg", quality);
    if (poster.length <= MAX_POSTER) return poster;
  }
  return "";
}

function event(player: HTMLMediaElement, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name}`)), PATIENCE_MS);
    const end = (f: () => void) => () => {
      clearTimeout(timer);
      f();
    };
    player.addEventListener(name, end(resolve), { once: true });
    player.addEventListener("error", end(() => reject(new Error("it can't be played"))), { once: true });
  });
}
