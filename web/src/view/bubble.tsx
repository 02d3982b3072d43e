import type { Message } from "@weft/client";
import type { Outgoing } from "../store/outgoing";
import type { MessageState } from "../store/ticks";
import { useSession } from "./context";
import { MessageBody } from "./kinds";
import { Ticks } from "./ticks";
import { clockTime, exactTime } from "./times";

interface Props {
  message: Message;
  state: MessageState;
  /** The first of a run by the same sender. */
  first: boolean;
  /** Who the other one is. */
  name: string;
}

export function Bubble({ message, state, first, name }: Props) {
  const mine = state !== "in";
  return (
    <li class={`message ${mine ? "out" : "in"}${first ? " first" : ""}`} data-testid="message" data-seq={message.seq} data-state={state}>
      <div class="bubble">
        <span class="sr-only">{mine ? "You" : name}: </span>
        <MessageBody message={message} />
        <Meta at={message.at} state={state} />
      </div>
    </li>
  );
}

/** A message of ours that is not stored yet, or was refused. */
export function PendingBubble({ pending, first }: { pending: Outgoing; first: boolean }) {
  const { outbox } = useSession();
  const state = pending.failed ? "failed" : "sending";
  return (
    <li class={`message out${first ? " first" : ""}`} data-testid="message" data-seq={0} data-state={state}>
      <div class="bubble">
        <span class="sr-only">You: </span>
        <MessageBody message={pending} />
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

function Meta({ at, state }: { at: number; state: MessageState }) {
  return (
    <span class="meta">
      <time dateTime={new Date(at).toISOString()} title={exactTime(at)}>{clockTime(at)}</time>
      <Ticks state={state} />
    </span>
  );
}
