import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useSession } from "./context";
import { SendIcon } from "./icons";

/** Where messages are written. Enter sends, Shift+Enter breaks the line. Mounted anew for each chat, with its draft. */
export function Composer({ channel, sent }: { channel: string; sent: () => void }) {
  const session = useSession();
  const text = useSignal(session.drafts.get(channel));
  const area = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    if (!matchMedia("(pointer: coarse)").matches) area.current?.focus();
    return () => session.typing.stopped();
  }, []);
  useLayoutEffect(() => {
    const { style } = area.current!;
    style.height = "auto";
    style.height = `${area.current!.scrollHeight}px`; // up to the style sheet's max-height
  }, [text.value]);

  const write = (value: string) => {
    text.value = value;
    session.drafts.set(channel, value);
  };
  const send = () => {
    const trimmed = text.value.trim();
    if (!trimmed) return;
    sent();
    session.sendText(channel, trimmed);
    write("");
    area.current?.focus();
  };

  return (
    <form class="composer" onSubmit={(e) => {
      e.preventDefault();
      send();
    }}>
      <textarea ref={area} data-testid="composer" rows={1} aria-label="Message" placeholder="Message" dir="auto" enterkeyhint="send"
        autocomplete="off" value={text.value}
        onInput={(e) => {
          write(e.currentTarget.value);
          if (text.value.trim()) session.typing.typed(channel);
          else session.typing.stopped();
        }}
        onKeyDown={(e) => {
          if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
          e.preventDefault();
          send();
        }} />
      <button class="round send" data-testid="send" aria-label="Send" disabled={!text.value.trim()}><SendIcon /></button>
    </form>
  );
}
