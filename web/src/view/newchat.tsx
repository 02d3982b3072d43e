import { useSignal } from "@preact/signals";
import type { TargetedSubmitEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { e164, explain } from "../store/signin";
import { useSession } from "./context";
import { CloseIcon } from "./icons";

/** Finds someone by their phone number, and opens the chat with them. */
export function NewChat({ close }: { close: () => void }) {
  const session = useSession();
  const phone = useSignal("");
  const busy = useSignal(false);
  const error = useSignal("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);

  const submit = async (e: TargetedSubmitEvent<HTMLFormElement>) => {
    e.preventDefault();
    const number = e164(phone.value);
    if (!number) {
      error.value = "Write the number with its country code, such as +49 151 23456789.";
      return;
    }
    if (busy.value) return;
    busy.value = true;
    error.value = "";
    try {
      const found = await session.openByPhone(number);
      if (found === "nobody") error.value = `Nobody here has the number ${number}.`;
      else if (found === "self") error.value = "That is your own number.";
      else close();
    } catch (err) {
      error.value = explain(err);
    } finally {
      busy.value = false;
    }
  };

  return (
    <form class="new-chat" aria-label="New chat" onSubmit={submit} onKeyDown={(e) => {
      if (e.key !== "Escape") return;
      e.stopPropagation();
      close();
    }}>
      <label for="find-phone">Phone number</label>
      <div class="row">
        <input ref={input} id="find-phone" data-testid="find-phone" type="tel" autocomplete="off" required placeholder="+49 151 23456789"
          value={phone.value} onInput={(e) => (phone.value = e.currentTarget.value)} />
        <button class="primary" data-testid="find-submit" disabled={busy.value}>Chat</button>
        <button type="button" class="round" aria-label="Close" onClick={close}><CloseIcon /></button>
      </div>
      <p class="error" role="alert">{error.value}</p>
    </form>
  );
}
