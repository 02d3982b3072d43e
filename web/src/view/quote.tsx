import { useSignal } from "@preact/signals";
import type { Message } from "@weft/client";
import { useEffect } from "preact/hooks";
import { useSession } from "./context";
import { preview } from "./kinds";

/** The message that another one answers; a click leads to it. */
export function Quote({ channel, seq }: { channel: string; seq: number }) {
  const session = useSession();
  const thread = session.thread(channel);
  const held = thread.window.value.messages.find((m) => m.seq === seq);
  const fetched = useSignal<Message | null | undefined>(undefined);
  useEffect(() => {
    if (held || fetched.value !== undefined) return;
    session.api.message(channel, seq).then((m) => (fetched.value = m), () => (fetched.value = null));
  }, [held]);
  const message = held ?? fetched.value;
  return (
    <button type="button" class="quote" data-testid="quote" onClick={() => void thread.goTo(seq)}>
      <b dir="auto">{message ? session.people.name(message.from) : "…"}</b>
      <span dir="auto">{message ? preview(message, session.people) : fetched.value === null ? "This message cannot be shown" : "…"}</span>
    </button>
  );
}
