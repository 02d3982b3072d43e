import { now } from "../store/clock";
import { type Chat, isMuted, isSystem, MAX_UNREAD, unreadOf } from "../store/chat";
import { stateOf } from "../store/ticks";
import { Avatar } from "./avatar";
import { ChatMenu } from "./chatmenu";
import { useSession } from "./context";
import { preview } from "./kinds";
import { ServiceBadge } from "./service";
import { Ticks } from "./ticks";
import { exactTime, shortTime } from "./times";

/** A chat in the list: who, when, what was said last, and how much of it is unread. */
export function ChatItem({ chat, open, focusable }: { chat: Chat; open: boolean; focusable: boolean }) {
  const session = useSession();
  const unread = unreadOf(chat);
  const at = chat.last?.at ?? 0;
  return (
    <li class="chat-row">
      <button type="button" class={`chat-item${open ? " open" : ""}${unread > 0 ? " has-unread" : ""}`} data-testid="chat-item"
        data-channel={chat.id} aria-current={open ? "true" : undefined} tabIndex={focusable ? 0 : -1}
        onClick={() => session.route.go(chat.id)}>
        <Avatar id={chat.peer?.id ?? chat.id} name={chat.name} picture={chat.avatar} service={!!chat.peer?.service} />
        <span class="chat-name named"><span class="name" dir="auto">{chat.name || "…"}</span><ServiceBadge user={chat.peer} />{isMuted(chat, now.value) && <span title="Muted" aria-label="Muted"> 🔇</span>}</span>
        <time class="chat-time" dateTime={new Date(at).toISOString()} title={exactTime(at)}>{shortTime(at, now.value)}</time>
        <LastMessage chat={chat} />
        {unread === 0 && chat.prefs.marked_unread && <span class="unread dot" data-testid="unread" aria-label="marked as unread" />}
        {unread === 0 && !chat.prefs.marked_unread && chat.prefs.pinned && <span class="chat-pinned" title="Pinned" aria-label="Pinned">📌</span>}
        {unread > 0 && (
          <>
            <span class="unread" data-testid="unread">{unread >= MAX_UNREAD ? `${MAX_UNREAD - 1}+` : unread}</span>
            <span class="sr-only">unread</span>
          </>
        )}
      </button>
      <ChatMenu chat={chat} />
    </li>
  );
}

function LastMessage({ chat }: { chat: Chat }) {
  const session = useSession();
  const typist = session.typing.shown.value.get(chat.id);
  if (typist && chat.kind === "group") return <span class="chat-last is-typing">{session.people.name(typist)} is typing…</span>;
  if (typist) return <span class="chat-last is-typing">typing…</span>;
  const pending = session.outbox.pending.value.filter((p) => p.channel === chat.id).at(-1);
  const message = pending ?? chat.last;
  if (!message) return <span class="chat-last" />;
  const system = isSystem(message.kind);
  const state = pending ? (pending.failed ? "failed" : "sending") : system ? "in" : stateOf(chat.last!, chat, session.me.id);
  const sender = chat.kind === "group" && !system && !pending && chat.last!.from !== session.me.id ? `${session.people.name(chat.last!.from)}: ` : "";
  return (
    <span class="chat-last">
      <Ticks state={state} />
      <span class="chat-preview" dir="auto">{sender}{preview(message, session.people)}</span>
    </span>
  );
}
