import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { marksOf, unreadOf, type Chat } from "../store/chat";
import type { Thread } from "../store/thread";
import { visible } from "../store/visible";
import { lastSeq } from "../store/window";
import { Avatar } from "./avatar";
import { Composer } from "./composer";
import { useSession } from "./context";
import { BackIcon } from "./icons";
import { MessageList } from "./messages";
import { PeerState } from "./peerstate";

/** The open chat. Mounted anew for each. */
export function Conversation({ chat }: { chat: Chat }) {
  const session = useSession();
  const thread = useMemo(() => session.thread(chat.id), [chat.id]);
  // Where the line over what was new at opening stands. One who answers has seen it.
  const unreadAfter = useSignal(unreadOf(chat) > 0 ? marksOf(chat, session.me.id).read : undefined);
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

  return (
    <main class="conversation" data-testid="conversation" data-channel={chat.id} aria-label={`Chat with ${chat.name}`} onKeyDown={(e) => {
      if (e.key === "Escape" && !e.isComposing) session.route.back();
    }}>
      <header class="bar">
        <button type="button" class="round back" data-testid="back" aria-label="Back to chats" onClick={() => session.route.back()}>
          <BackIcon />
        </button>
        <Avatar id={chat.peer?.id ?? chat.id} name={chat.name} />
        <div class="bar-title">
          <h2 ref={title} tabIndex={-1} dir="auto">{chat.name || "…"}</h2>
          <PeerState chat={chat} />
        </div>
      </header>
      <MessageList thread={thread} chat={chat} unreadAfter={unreadAfter.value} session={session} toEnd={toEnd} />
      <Composer channel={chat.id} sent={answered} />
    </main>
  );
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
