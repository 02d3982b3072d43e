import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ChatItem } from "./chatitem";
import { useSession } from "./context";

/** The list of chats. One stop for the tab key; arrows move within. */
export function ChatListView() {
  const session = useSession();
  const { chats } = session;
  const list = useRef<HTMLUListElement>(null);
  const putAway = useSignal(false);
  const archived = chats.archived.value;
  const order = putAway.value && archived.length > 0 ? archived : chats.order.value;
  const open = session.route.channel.value;
  const stop = order.some((chat) => chat.id === open) ? open : order[0]?.id; // where the tab key stops

  // One who leaves a chat finds themselves at it in the list.
  const left = useRef("");
  useEffect(() => {
    const before = left.current;
    left.current = open;
    if (before && !open) list.current?.querySelector<HTMLElement>(`[data-channel="${CSS.escape(before)}"]`)?.focus();
  }, [open]);

  return (
    <nav class="chats" aria-label="Chats" onKeyDown={(e) => move(e, list.current)}>
      {archived.length > 0 && (
        <button type="button" class="archived" data-testid="archived" aria-expanded={putAway.value} onClick={() => (putAway.value = !putAway.value)}>
          {putAway.value ? "← All chats" : `Archived (${archived.length})`}
        </button>
      )}
      <ul ref={list} class="chat-list" data-testid="chat-list" role="list">
        {order.map((chat) => (
          <ChatItem key={chat.id} chat={chat} open={chat.id === open} focusable={chat.id === stop} />
        ))}
      </ul>
      {chats.error.value && (
        <p class="empty-list" role="alert">
          The chats could not be loaded. <button type="button" class="link" onClick={() => void chats.refresh()}>Try again</button>
        </p>
      )}
      {order.length === 0 && !chats.error.value && (
        <p class="empty-list">{chats.loaded.value ? "No chats yet. Start one with a phone number." : "Loading…"}</p>
      )}
      {chats.more.value && <LoadMore />}
    </nav>
  );
}

function move(e: KeyboardEvent, list: HTMLElement | null): void {
  const items = [...(list?.querySelectorAll<HTMLElement>(".chat-item") ?? [])];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const to =
    e.key === "ArrowDown" ? at + 1
    : e.key === "ArrowUp" ? at - 1
    : e.key === "Home" ? 0
    : e.key === "End" ? items.length - 1
    : -1;
  if (at < 0 || to < 0 || to >= items.length) return;
  e.preventDefault();
  items[to]!.focus();
}

/** Reads on when the list's end comes near. */
function LoadMore() {
  const { chats } = useSession();
  const end = useRef<HTMLDivElement>(null);
  const held = chats.chats.value.size;
  useEffect(() => {
    const observer = new IntersectionObserver((seen) => seen.some((s) => s.isIntersecting) && void chats.loadMore(), { rootMargin: "400px" });
    observer.observe(end.current!);
    return () => observer.disconnect();
  }, [held]);
  return <div ref={end} class="sentinel" />;
}
