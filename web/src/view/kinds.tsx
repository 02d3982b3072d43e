// What the kinds of messages look like. Those that this page does not know yet are named, not hidden.
import type { ComponentChildren } from "preact";
import { mediaOf, mediaPreview } from "../store/media";
import type { People } from "../store/people";
import { MediaView } from "./media";
import { duration } from "./times";

type Shown = { kind: string; body: unknown };

export function textOf({ kind, body }: Shown): string | null {
  const text = (kind === "text" || kind === "x-whatsapp-system") && body && typeof body === "object" ? (body as { text?: unknown }).text : undefined;
  return typeof text === "string" ? text : null;
}

/** One line, for the list of chats and for announcements. */
export function preview(message: Shown & { from?: string }, people: People): string {
  if (message.kind === "deleted") return "This message was deleted";
  const media = mediaOf(message);
  if (media) return mediaPreview(media);
  return systemText(message, people) ?? textOf(message)?.replace(/\s+/g, " ").slice(0, 200) ?? "Unsupported message";
}

/** What the server tells of a chat, in words; null for what somebody has written. */
export function systemText({ kind, body, from }: Shown & { from?: string }, people: People): string | null {
  const b = (body ?? {}) as Record<string, any>;
  const who = (id: string) => people.name(id);
  const by = who(b.by ?? from ?? "");
  switch (kind) {
    case "member": {
      const users = list(((b.users ?? []) as string[]).filter((u) => u !== b.by).map(who));
      switch (b.event) {
        case "created":
          return users ? `${by} made the group and added ${users}` : `${by} made the group`;
        case "added":
          return `${by} added ${users}`;
        case "joined":
          return `${by} joined by an invite`;
        case "removed":
          return `${by} removed ${users}`;
        case "left":
          return `${by} left`;
        case "role":
          return b.role === "member" ? `${users || by} is no admin any more` : `${users || by} is now ${b.role === "owner" ? "an owner" : "an admin"}`;
      }
      return null;
    }
    case "group":
      return list([
        b.name !== undefined ? `named the group “${b.name}”` : "",
        b.about !== undefined ? "changed the description" : "",
        b.avatar !== undefined ? "changed the picture" : "",
        b.settings ? "changed the settings" : "",
      ].filter(Boolean)).replace(/^/, `${by} `);
    case "settings":
      return b.disappear ? `${by} lets messages disappear after ${duration(b.disappear)}` : `${by} lets messages stay`;
    case "x-whatsapp-system":
      return textOf({ kind, body }) ?? "";
  }
  return null;
}

function list(words: string[]): string {
  if (words.length > 4) return `${words.slice(0, 3).join(", ")} and ${words.length - 3} others`;
  return words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

export function MessageBody({ message, people, open }: { message: Shown; people: People; open?: (() => void) | undefined }) {
  if (message.kind === "deleted") return <span class="unsupported">This message was deleted</span>;
  const media = mediaOf(message);
  if (media) {
    return (
      <>
        <MediaView media={media} open={open} />
        {media.caption && <span class="text" dir="auto">{rich(media.caption, [])}</span>}
      </>
    );
  }
  const text = textOf(message);
  if (text === null) {
    return <span class="unsupported">This message cannot be shown here. A newer version of the page may show it.</span>;
  }
  const mentions = ((message.body as { mentions?: unknown }).mentions ?? []) as unknown[];
  return <span class="text" dir="auto">{rich(text, mentions.filter((m) => typeof m === "string").slice(0, 50).map((id) => people.name(id as string)))}</span>;
}

const url = /\bhttps?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}]/gi;

// rich marks addresses and the names of those who are mentioned.
function rich(text: string, names: string[]): ComponentChildren {
  const parts: ComponentChildren[] = [];
  let end = 0;
  for (const match of text.matchAll(url)) {
    parts.push(...mentioned(text.slice(end, match.index), names));
    parts.push(<a href={match[0]} target="_blank" rel="noopener noreferrer">{match[0]}</a>);
    end = match.index + match[0].length;
  }
  return [...parts, ...mentioned(text.slice(end), names)];
}

function mentioned(text: string, names: string[]): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let rest = text;
  for (let from = 0; rest !== ""; ) {
    const at = rest.indexOf("@", from);
    if (at < 0) break;
    const name = names.find((n) => n && rest.startsWith(n, at + 1));
    if (!name) {
      from = at + 1;
      continue;
    }
    parts.push(rest.slice(0, at), <b class="mention">@{name}</b>);
    rest = rest.slice(at + 1 + name.length);
    from = 0;
  }
  return [...parts, rest];
}
