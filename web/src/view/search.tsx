import { type Signal, useSignal } from "@preact/signals";
import type { SearchHit } from "@weft/client";
import { useEffect, useRef } from "preact/hooks";
import { explain } from "../store/signin";
import { ChatItem } from "./chatitem";
import { useSession } from "./context";
import { CloseIcon, SearchIcon } from "./icons";
import { shortTime } from "./times";

/** Words are searched for once the typing rests this long. */
const REST_MS = 200;

/** Finds chats by name and messages by what is said in them. What is found takes the place of the list of chats. */
export function Search({ query }: { query: Signal<string> }) {
  const input = useRef<HTMLInputElement>(null);
  const clear = () => {
    query.value = "";
    input.current?.focus();
  };
  return (
    <>
      <div class="search" role="search">
        <SearchIcon />
        <input ref={input} type="search" data-testid="search" aria-label="Search chats and messages" placeholder="Search" autocomplete="off"
          maxLength={200} value={query.value} onInput={(e) => (query.value = e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key !== "Escape" || !query.value) return;
            e.stopPropagation();
            clear();
          }} />
        {query.value && <button type="button" class="round" aria-label="End the search" onClick={clear}><CloseIcon /></button>}
      </div>
      {query.value.trim() && <Found text={query.value.trim()} />}
    </>
  );
}

function Found({ text }: { text: string }) {
  const session = useSession();
  const hits = useSignal<readonly SearchHit[] | null>(null);
  const cursor = useSignal<string | undefined>(undefined);
  const error = useSignal("");
  const asked = useRef("");

  const ask = async (more: string | undefined) => {
    try {
      const page = await session.api.search(text, { limit: 30, ...(more && { cursor: more }) });
      if (asked.current !== text) return; // it was about what was typed before
      hits.value = more ? [...(hits.value ?? []), ...page.hits] : page.hits;
      cursor.value = page.cursor;
      error.value = "";
    } catch (err) {
      if (asked.current === text) error.value = explain(err);
    }
  };
  useEffect(() => {
    asked.current = text;
    const timer = setTimeout(() => void ask(undefined), REST_MS);
    return () => clearTimeout(timer);
  }, [text]);

  const wanted = text.toLocaleLowerCase();
  const chats = [...session.chats.order.value, ...session.chats.archived.value].filter((c) => c.name.toLocaleLowerCase().includes(wanted)).slice(0, 10);
  return (
    <div class="chats" data-testid="search-results">
      {chats.length > 0 && (
        <section aria-label="Chats">
          <h3 class="list-head">Chats</h3>
          <ul role="list">{chats.map((c) => <ChatItem key={c.id} chat={c} open={c.id === session.route.channel.value} focusable />)}</ul>
        </section>
      )}
      <section aria-label="Messages" aria-busy={hits.value === null}>
        <h3 class="list-head">Messages</h3>
        {error.value && <p class="empty-list error" role="alert">{error.value}</p>}
        {hits.value?.length === 0 && <p class="empty-list" role="status">No message has “{text}”.</p>}
        <ul class="hits" role="list">
          {hits.value?.map((hit) => <Hit key={`${hit.message.channel} ${hit.message.seq}`} hit={hit} />)}
        </ul>
        {cursor.value && <button type="button" class="link more" onClick={() => void ask(cursor.value)}>More</button>}
      </section>
    </div>
  );
}

function Hit({ hit: { message, snippet } }: { hit: SearchHit }) {
  const session = useSession();
  const chat = session.chats.get(message.channel);
  const who = message.from === session.me.id ? "You" : session.people.name(message.from);
  return (
    <li>
      <button type="button" class="hit" data-testid="search-hit" data-seq={message.seq} onClick={() => session.openAt(message.channel, message.seq)}>
        <span class="hit-head">
          <b dir="auto">{chat?.name ?? "…"}</b>
          <time class="chat-time">{shortTime(message.at, Date.now())}</time>
        </span>
        <span class="hit-text" dir="auto">
          {who}: {snippet.map((part, i) => (part.hit ? <mark key={i}>{part.text}</mark> : part.text))}
        </span>
      </button>
    </li>
  );
}
