import type { Message } from "@weft/client";
import type { Chat } from "../store/chat";
import type { Outgoing } from "../store/outgoing";
import type { MessageState } from "../store/ticks";
import { hue } from "./avatar";
import { useSession } from "./context";
import { MessageBody, systemText } from "./kinds";
import { MessageMenu } from "./messagemenu";
import { Quote } from "./quote";
import { ServiceBadge } from "./service";
import { Ticks } from "./ticks";
import { clockTime, exactTime } from "./times";

interface Props {
  message: Message;
  state: MessageState;
  /** The first of a run by the same sender. */
  first: boolean;
  chat: Chat;
  show: (message: Message) => void;
}

export function Bubble({ message, state, first, chat, show }: Props) {
  const { people, me, gallery } = useSession();
  const system = systemText(message, people);
  if (system !== null) {
    return <li class="message system" data-testid="system-message" data-seq={message.seq}><span dir="auto">{system}</span></li>;
  }
  const mine = state !== "in";
  const imported = message.body?.imported as { from?: string; at?: number } | undefined;
  const name = imported?.from ?? people.name(message.from);
  const mentionsMe = ((message.body?.mentions ?? []) as unknown[]).includes(me.id);
  return (
    <li class={`message ${mine ? "out" : "in"}${first ? " first" : ""}${mentionsMe ? " for-me" : ""}`} data-testid="message"
      data-seq={message.seq} data-state={state}>
      <div class="bubble">
        {chat.kind === "group" && !mine && first ? (
          <span class={`sender sender-${hue(message.from)} named`}><span class="name" dir="auto">{name}</span><ServiceBadge user={imported ? undefined : people.get(message.from)} /></span>
        ) : (
          <span class="sr-only">{mine ? "You" : name}: </span>
        )}
        {message.body?.forwarded && <span class="forwarded">Forwarded</span>}
        {message.body?.reply_to > 0 && <Quote channel={chat.id} seq={message.body.reply_to} />}
        <MessageBody message={message} people={people} open={() => (gallery.value = message)} />
        <Meta at={imported?.at ?? message.at} state={state} message={message} />
        <MessageMenu message={message} chat={chat} show={show} />
      </div>
      <Reactions message={message} />
    </li>
  );
}

function Reactions({ message }: { message: Message }) {
  const { actions, people } = useSession();
  if (!message.reactions?.length) return null;
  return (
    <div class="reactions" data-testid="reactions">
      {message.reactions.map((r) => (
        <button key={r.emoji} type="button" class={r.mine ? "mine" : ""} aria-pressed={r.mine ?? false}
          title={r.users.map((u) => people.name(u)).join(", ")} aria-label={`${r.emoji} ${r.count}`} onClick={() => void actions.react(message, r.emoji)}>
          {r.emoji}{r.count > 1 && <span> {r.count}</span>}
        </button>
      ))}
    </div>
  );
}

/** A message of ours that is not stored yet, or was refused. */
export function PendingBubble({ pending, first }: { pending: Outgoing; first: boolean }) {
  const { outbox, people } = useSession();
  const state = pending.failed ? "failed" : "sending";
  return (
    <li class={`message out${first ? " first" : ""}`} data-testid="message" data-seq={0} data-state={state}>
      <div class="bubble">
        <span class="sr-only">You: </span>
        <MessageBody message={pending} people={people} />
        <Meta at={pending.at} state={state} />
      </div>
      {pending.failed && (
        <p class="failed" role="alert">
          Not sent: {pending.failed}{" "}
          <button type="button" class="link" data-testid="retry" onClick={() => outbox.retry(pending.cid)}>Retry</button>{" "}
          <button type="button" class="link" data-testid="discard" onClick={() => outbox.discard(pending.cid)}>Delete</button>
        </p>
      )}
    </li>
  );
}

function Meta({ at, state, message }: { at: number; state: MessageState; message?: Message }) {
  return (
    <span class="meta">
      {message?.pinned && <span title="Pinned" aria-label="Pinned">📌</span>}
      {message?.starred && <span title="Starred" aria-label="Starred">★</span>}
      {message?.expires_at && <span title={`Disappears ${exactTime(message.expires_at)}`} aria-label="Disappears">⏳</span>}
      {message?.edited_at && <span title={exactTime(message.edited_at)}>edited</span>}
      <time dateTime={new Date(at).toISOString()} title={exactTime(at)}>{clockTime(at)}</time>
      <Ticks state={state} />
    </span>
  );
}
