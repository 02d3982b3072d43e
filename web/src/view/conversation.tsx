import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Message } from "@weft/client";
import { isAdmin, marksOf, unreadOf, type Chat } from "../store/chat";
import type { Thread } from "../store/thread";
import { visible } from "../store/visible";
import { lastSeq } from "../store/window";
import { AttachDialog, useDropAndPaste } from "./attach";
import { Avatar } from "./avatar";
import { Composer } from "./composer";
import { useSession } from "./context";
import { Gallery } from "./gallery";
import { BackIcon } from "./icons";
import { MessageInfo } from "./messageinfo";
import { MessageList } from "./messages";
import { PeerState } from "./peerstate";
import { PinBar } from "./pinbar";
import { ServiceBadge } from "./service";

/** The open chat. Mounted anew for each. */
export function Conversation({ chat }: { chat: Chat }) {
  const session = useSession();
  const thread = useMemo(() => session.thread(chat.id), [chat.id]);
  // Where the line over what was new at opening stands. One who answers has seen it.
  const unreadAfter = useSignal(unreadOf(chat) > 0 ? marksOf(chat, session.me.id).read : undefined);
  const shown = useSignal<Message | null>(null);
  const title = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    if (matchMedia("(pointer: coarse)").matches) title.current?.focus(); // the composer would bring the keyboard up
  }, []);
  useReading(chat.id, thread);

  const toEnd = () => {
    thread.atEnd.value = true;
    if (thread.window.value.newer) void thread.loadNewest();
  };

  const answered = () => {
    unreadAfter.value = undefined;
    toEnd();
  };

  const drop = useDropAndPaste(chat, !silenced(chat));
  return (
    <main {...drop.handlers} class="conversation" data-testid="conversation" data-channel={chat.id} aria-label={`Chat with ${chat.name}`} onKeyDown={(e) => {
      if (e.key === "Escape" && !e.isComposing) session.route.back();
    }}>
      <header class="bar">
        <button type="button" class="round back" data-testid="back" aria-label="Back to chats" onClick={() => session.route.back()}>
          <BackIcon />
        </button>
        <button type="button" class="bar-open" data-testid="open-info" aria-label={`About ${chat.name}`} aria-expanded={session.panel.value === "info"}
          onClick={() => (session.panel.value = session.panel.value === "info" ? "" : "info")}>
          <Avatar id={chat.peer?.id ?? chat.id} name={chat.name} picture={chat.avatar} service={!!chat.peer?.service} />
        </button>
        <div class="bar-title">
          <h2 ref={title} tabIndex={-1} class="named"><span class="name" dir="auto">{chat.name || "…"}</span><ServiceBadge user={chat.peer} /></h2>
          <PeerState chat={chat} />
        </div>
      </header>
      <PinBar chat={chat} thread={thread} />
      <MessageList thread={thread} chat={chat} unreadAfter={unreadAfter.value} session={session} toEnd={toEnd}
        show={(m) => (shown.value = m)} />
      {silenced(chat) ? <p class="composer silenced" data-testid="silenced">{silenced(chat)}</p> : <Composer chat={chat} thread={thread} sent={answered} />}
      {drop.over && <p class="drop" role="status">Drop to send to {chat.name}</p>}
      {session.attaching.value?.channel === chat.id && <AttachDialog chat={chat} sent={answered} />}
      {session.gallery.value?.channel === chat.id && <Gallery thread={thread} seq={session.gallery.value.seq} close={() => (session.gallery.value = null)} />}
      {shown.value && <MessageInfo message={shown.value} close={() => (shown.value = null)} />}
    </main>
  );
}

// silenced says why one cannot write here, "" where one can.
function silenced(chat: Chat): string {
  if (chat.kind === "group" && chat.settings?.send === "admins" && !isAdmin(chat)) return "Only admins write in this group.";
  if (chat.peer?.deleted) return chat.peer.service ? "This service was removed." : "This account was deleted.";
  if (chat.blocked) return chat.peer?.service ? "You have blocked this service. Unblock it to write." : "You have blocked this person. Unblock them to write.";
  return "";
}

// useReading tells that messages were read once they could be: the page is visible, and the end of the chat in view.
function useReading(channel: string, thread: Thread): void {
  const session = useSession();
  useSignalEffect(() => {
    const chat = session.chats.chats.value.get(channel);
    const window = thread.window.value;
    if (!chat || !visible.value || !thread.loaded.value || !thread.atEnd.value || window.newer) return;
    const incoming = window.messages.findLast((m) => m.from !== session.me.id)?.seq ?? 0;
    if (incoming > marksOf(chat, session.me.id).read) session.read(channel, lastSeq(window));
  });
}
