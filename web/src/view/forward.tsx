import { useSignal } from "@preact/signals";
import type { Message } from "@weft/client";
import { Avatar } from "./avatar";
import { useSession } from "./context";
import { Dialog } from "./dialog";
import { preview } from "./kinds";
import { ServiceBadge } from "./service";

/** How many chats a message is forwarded to at once. */
const MAX_CHATS = 5;

/** Chooses the chats that a message goes to. */
export function Forward({ message }: { message: Message }) {
  const session = useSession();
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const filter = useSignal("");
  const close = () => (session.actions.forwarding.value = null);
  const toggle = (id: string) => {
    const next = new Set(chosen.value);
    if (!next.delete(id) && next.size < MAX_CHATS) next.add(id);
    chosen.value = next;
  };
  const wanted = filter.value.trim().toLocaleLowerCase();
  const chats = session.chats.order.value.filter((c) => c.name.toLocaleLowerCase().includes(wanted));
  return (
    <Dialog title="Forward to" close={close} testid="forward-dialog">
      <p class="quote-text" dir="auto">{preview(message, session.people)}</p>
      <input type="search" aria-label="Find a chat" placeholder="Find a chat" value={filter.value} onInput={(e) => (filter.value = e.currentTarget.value)} />
      <ul class="choices" role="list">
        {chats.map((chat) => (
          <li key={chat.id}>
            <label class="choice">
              <input type="checkbox" data-testid="forward-to" data-channel={chat.id} checked={chosen.value.has(chat.id)}
                disabled={!chosen.value.has(chat.id) && chosen.value.size >= MAX_CHATS} onChange={() => toggle(chat.id)} />
              <Avatar id={chat.peer?.id ?? chat.id} name={chat.name} picture={chat.avatar} service={!!chat.peer?.service} />
              <span class="named"><span class="name" dir="auto">{chat.name}</span><ServiceBadge user={chat.peer} /></span>
            </label>
          </li>
        ))}
      </ul>
      <button type="button" class="primary" data-testid="forward-send" disabled={chosen.value.size === 0} onClick={() => {
        for (const channel of chosen.value) session.forward(channel, message);
        close();
      }}>Forward</button>
    </Dialog>
  );
}
