// A text as long as anybody may paste goes as several messages.

/** Even if each of so many characters takes its six bytes in JSON, the text is within a body's limit of 64 KiB. */
export const MAX_TEXT = 10_000;

/** Cuts where a line or a word ends if there is such a place in the second half, and never within a character. */
export function split(text: string, max = MAX_TEXT): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > max) {
    const head = rest.slice(0, max + 1);
    let cut = Math.max(head.lastIndexOf("\n"), 0);
    if (cut < max / 2) cut = head.lastIndexOf(" ");
    if (cut < max / 2) cut = /[\uD800-\uDBFF]/.test(rest[max - 1]!) ? max - 1 : max;
    parts.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).trimStart();
  }
  return [...parts, rest].filter((part) => part !== "");
}
