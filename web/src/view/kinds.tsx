// What the kinds of messages look like. Those that this page does not know yet are named, not hidden.
import type { ComponentChildren } from "preact";

type Shown = { kind: string; body: unknown };

export function textOf({ kind, body }: Shown): string | null {
  const text = kind === "text" && body && typeof body === "object" ? (body as { text?: unknown }).text : undefined;
  return typeof text === "string" ? text : null;
}

/** One line, for the list of chats and for announcements. */
export function preview(message: Shown): string {
  return textOf(message)?.replace(/\s+/g, " ").slice(0, 200) ?? "Unsupported message";
}

export function MessageBody({ message }: { message: Shown }) {
  const text = textOf(message);
  if (text === null) {
    return <span class="unsupported">This message cannot be shown here. A newer version of the page may show it.</span>;
  }
  return <span class="text" dir="auto">{linked(text)}</span>;
}

const url = /\bhttps?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}]/gi;

function linked(text: string): ComponentChildren {
  const parts: ComponentChildren[] = [];
  let end = 0;
  for (const match of text.matchAll(url)) {
    parts.push(text.slice(end, match.index));
    parts.push(<a href={match[0]} target="_blank" rel="noopener noreferrer">{match[0]}</a>);
    end = match.index + match[0].length;
  }
  return end === 0 ? text : [...parts, text.slice(end)];
}
