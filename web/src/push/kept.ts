// The list of chats as it was last, for a start without a network.
import { effect } from "@preact/signals";
import type { Chat } from "../store/chat";
import type { Session } from "../store/session";

const KEY = "weft.chats.";
const MOST = 100;
const EVERY = 1000;

/** Shows the list that was kept, until the server's comes, and keeps the newest one. Returns what ends it. */
export function keepChats(session: Session): () => void {
  const key = KEY + session.me.id;
  let kept: (readonly [string, Chat])[] = [];
  const held = localStorage.getItem(key);
  if (held && session.chats.chats.peek().size === 0) {
    try {
      const chats = (JSON.parse(held) as [string, Chat & { marks: [string, never][] }][]).map(([id, c]) => [id, { ...c, marks: new Map(c.marks) }] as const);
      session.chats.chats.value = new Map(chats);
      kept = chats;
    } catch {
      localStorage.removeItem(key); // of an older page
    }
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = effect(() => {
    const newest = [...session.chats.order.value, ...session.chats.archived.value].slice(0, MOST);
    clearTimeout(timer);
    timer = setTimeout(() => {
      try {
        localStorage.setItem(key, JSON.stringify(newest.map((c) => [c.id, { ...c, marks: [...c.marks] }])));
      } catch {
        // The browser has no room for it: there is no list offline.
      }
    }, EVERY);
  });
  // What the server's list has not got is there no more, or stands further down.
  const settle = effect(() => {
    if (!session.chats.loaded.value) return;
    for (const [id, chat] of kept.splice(0)) if (session.chats.get(id) === chat) session.chats.remove(id);
  });
  return () => {
    clearTimeout(timer);
    end();
    settle();
  };
}

/** Forgets all lists that were kept: somebody has signed out. */
export function forgetChats(): void {
  for (const key of Object.keys(localStorage)) if (key.startsWith(KEY)) localStorage.removeItem(key);
}
