// A frame holds one or more JSON objects separated by newlines, both ways. JSON.stringify never writes a bare newline.

export type WireObject = Record<string, unknown>;

/** Reads a frame's objects; throws where it holds anything else. */
export function readFrame(data: unknown): WireObject[] {
  if (typeof data !== "string") throw new SyntaxError("a frame that is not text");
  const objects: WireObject[] = [];
  for (const line of data.split("\n")) {
    if (line.trim() === "") continue;
    const object: unknown = JSON.parse(line);
    if (typeof object !== "object" || object === null || Array.isArray(object)) throw new SyntaxError("a frame's line that is no object");
    objects.push(object as WireObject);
  }
  return objects;
}

/**
 * Packs requests into as few frames as the server's limit allows (0: no limit), in order. One that is larger goes alone,
 * and the server says what it thinks of it.
 */
export function packFrames(requests: readonly string[], limit: number): string[] {
  const frames: string[] = [];
  let lines: string[] = [];
  let bytes = 0;
  for (const request of requests) {
    const size = byteLength(request);
    if (lines.length > 0 && limit > 0 && bytes + 1 + size > limit) {
      frames.push(lines.join("\n"));
      lines = [];
      bytes = 0;
    }
    bytes += size + (lines.length > 0 ? 1 : 0);
    lines.push(request);
  }
  if (lines.length > 0) frames.push(lines.join("\n"));
  return frames;
}

/** A text's length in UTF-8. */
export function byteLength(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A surrogate pair is 4 bytes in 2 units; everything else past U+07FF is 3 bytes in one.
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}
