// Pictures of people and groups. They are loaded with the session's token, once each, and shown by an address of the
// page's own.
import { signal } from "@preact/signals";
import type { Api } from "@weft/client";

/** The largest side of a picture that is sent, in pixels. */
const SIDE = 512;

export class Pictures {
  private readonly urls = signal<ReadonlyMap<string, string>>(new Map());
  private readonly asked = new Set<string>();

  constructor(private readonly api: Pick<Api, "avatar">) {}

  /** Where a picture is to be had, "" until it is. */
  url(id: string | undefined): string {
    if (!id) return "";
    const url = this.urls.value.get(id);
    if (!url) void this.load(id);
    return url ?? "";
  }

  stop(): void {
    for (const url of this.urls.value.values()) URL.revokeObjectURL(url);
  }

  private async load(id: string): Promise<void> {
    if (this.asked.has(id)) return;
    this.asked.add(id);
    try {
      this.urls.value = new Map(this.urls.value).set(id, URL.createObjectURL(await this.api.avatar(id)));
    } catch {
      setTimeout(() => this.asked.delete(id), 30_000); // the initials do until then
    }
  }
}

/** Makes a file that somebody chose a square picture of a size that the server takes. */
export async function squared(file: Blob): Promise<Blob> {
  const image = await createImageBitmap(file);
  const side = Math.min(image.width, image.height);
  const size = Math.min(side, SIDE);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  canvas.getContext("2d")!.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, size, size);
  image.close();
  return new Promise((resolve, reject) => canvas.toBlob((b) => (b ? resolve(b) : reject(new Error("no picture"))), "image/jpeg", 0.85));
}
