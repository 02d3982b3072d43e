import { useSignal } from "@preact/signals";
import type { Message } from "@weft/client";
import { useEffect } from "preact/hooks";
import { useSession } from "./context";
import { Panel } from "./dialog";
import { preview } from "./kinds";
import { shortTime } from "./times";

/** The messages that the user has starred, of all chats. */
export function Starred({ close }: { close: () => void }) {
  const session = useSession();
  const messages = useSignal<readonly Message[] | null>(null);
  const cursor = useSignal<string | undefined>(undefined);
  const load = () => void session.actions.attempt(async () => {
    const page = await session.api.starred({ limit: 50, ...(cursor.value && { cursor: cursor.value }) });
    messages.value = [...(messages.value ?? []), ...page.messages];
    cursor.value = page.cursor;
  });
  useEffect(load, []);
  return (
    <Panel title="Starred messages" close={close} testid="starred-panel">
      {messages.value?.length === 0 && <p class="empty-list">Nothing is starred yet. A message's menu has a star.</p>}
      <ul class="hits" role="list">
        {messages.value?.map((m) => (
          <li key={`${m.channel} ${m.seq}`}>
            <button type="button" class="hit" data-testid="starred-message" onClick={() => session.openAt(m.channel, m.seq)}>
              <span class="hit-head">
                <b dir="auto">{session.people.name(m.from)}</b>
                <span class="soft" dir="auto">{session.chats.get(m.channel)?.name}</span>
                <time class="chat-time">{shortTime(m.at, Date.now())}</time>
              </span>
              <span class="hit-text" dir="auto">{preview(m, session.people)}</span>
            </button>
          </li>
        ))}
      </ul>
      {cursor.value && <button type="button" class="link" onClick={load}>More</button>}
    </Panel>
  );
}
