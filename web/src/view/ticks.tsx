import type { MessageState } from "../store/ticks";

const words: Record<MessageState, string> = {
  sending: "Sending", sent: "Sent", delivered: "Delivered", read: "Read", failed: "Not sent", in: "",
};

/** A clock, one tick, two, two blue ones, or an exclamation mark. */
export function Ticks({ state }: { state: MessageState }) {
  if (state === "in") return null;
  return (
    <span class={`ticks ticks-${state}`} role="img" aria-label={words[state]} title={words[state]}>
      <svg width="18" height="12" viewBox="0 0 18 12" fill="none" stroke="currentColor" stroke-width="1.6"
        stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
        {state === "sending" && <><circle cx="11" cy="6" r="4.6" /><path d="M11 3.500V6l1.8 1" /></>}
        {state === "sent" && <path d="M6 6.500l3 3L15.5 2.5" />}
        {(state === "delivered" || state === "read") && <><path d="M1.5 6.500l3 3L11 2.5" /><path d="M8.5 9.200l.3.3L15.5 2.5" /></>}
        {state === "failed" && <><circle cx="11" cy="6" r="4.8" /><path d="M11 3.600v2.800M11 8.400v.1" /></>}
      </svg>
    </span>
  );
}
