import { useSignal } from "@preact/signals";
import type { Message } from "@weft/client";
import { useEffect } from "preact/hooks";
import { type Chat, mayChange } from "../store/chat";
import type { Thread } from "../store/thread";
import { useSession } from "./context";
import { CloseIcon } from "./icons";
import { preview } from "./kinds";

/** What is pinned in a chat, one at a time; a click leads to it, and on to the next. */
export function PinBar({ chat, thread }: { chat: Chat; thread: Thread }) {
  const session = useSession();
  const pins = useSignal<readonly Message[]>([]);
  const at = useSignal(0);
  const live = session.connection.value.name === "live";
  useEffect(() => {
    if (!live) return;
    let current = true;
    session.api.pins(chat.id).then(
      (list) => current && (pins.value = list),
      () => undefined, // a chat without a message yet has none; the next change of the pins asks again
    );
    return () => void (current = false);
  }, [chat.id, live, thread.pinsChanged.value]);
  const pin = pins.value[at.value % Math.max(1, pins.value.length)];
  if (!pin) return null;
  return (
    <div class="pinbar" data-testid="pinbar">
      <button type="button" class="pinbar-text" aria-label="To the pinned message" onClick={() => {
        void thread.goTo(pin.seq);
        at.value++;
      }}>
        <b>Pinned{pins.value.length > 1 && ` ${(at.value % pins.value.length) + 1} of ${pins.value.length}`}</b>
        <span dir="auto">{preview(pin, session.people)}</span>
      </button>
      {mayChange(chat) && (
        <button type="button" class="round" aria-label="Unpin" onClick={() => void session.actions.pin(pin, false)}><CloseIcon /></button>
      )}
    </div>
  );
}
