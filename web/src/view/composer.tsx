import { useComputed, useSignal } from "@preact/signals";
import type { User } from "@weft/client";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Chat } from "../store/chat";
import type { Thread } from "../store/thread";
import { AttachButton } from "./attach";
import { Avatar } from "./avatar";
import { useSession } from "./context";
import { CloseIcon, SendIcon } from "./icons";
import { preview, textOf } from "./kinds";
import { mayEdit } from "./messagemenu";
import { VoiceButton } from "./voice";

/** So many names are offered at once. */
const OFFERED = 6;

interface Props {
  chat: Chat;
  thread: Thread;
  sent: () => void;
}

/**
 * Where messages are written. Enter sends, Shift+Enter breaks the line, ↑ in an empty one edits what was sent last, @ in
 * a group offers its members. Mounted anew for each chat, with its draft.
 */
export function Composer({ chat, thread, sent }: Props) {
  const session = useSession();
  const { actions } = session;
  const text = useSignal(session.drafts.get(chat.id));
  const caret = useSignal(0);
  const chosen = useSignal(0); // of the names that are offered
  const mentioned = useRef(new Map<string, string>()); // name → id
  const area = useRef<HTMLTextAreaElement>(null);
  const writing = actions.writing.value;

  useEffect(() => {
    if (!matchMedia("(pointer: coarse)").matches) area.current?.focus();
    return () => session.typing.stopped();
  }, []);
  useLayoutEffect(() => {
    const { style } = area.current!;
    style.height = "auto";
    style.height = `${area.current!.scrollHeight}px`; // up to the style sheet's max-height
  }, [text.value]);
  const begun = useRef(writing);
  useEffect(() => {
    if (begun.current === writing) return;
    begun.current = writing;
    text.value = writing?.kind === "edit" ? (textOf(writing.message) ?? "") : session.drafts.get(chat.id);
    area.current?.focus();
  }, [writing]);

  const write = (value: string) => {
    text.value = value;
    if (actions.writing.peek()?.kind !== "edit") session.drafts.set(chat.id, value);
  };
  // put changes what is written otherwise than by typing; at once, for the next key may come before it is rendered.
  const put = (value: string, at = value.length) => {
    area.current!.value = value;
    area.current!.setSelectionRange(at, at);
    caret.value = at;
    write(value);
  };
  const send = () => {
    const trimmed = text.value.trim();
    if (!trimmed) return;
    if (writing?.kind === "edit") {
      if (trimmed !== textOf(writing.message)) void actions.edit(writing.message, trimmed);
      actions.writing.value = null;
      return;
    }
    sent();
    const mentions = [...mentioned.current].filter(([name]) => trimmed.includes(`@${name}`)).map(([, id]) => id);
    session.sendText(chat.id, trimmed, {
      ...(writing && { reply_to: writing.message.seq }), ...(mentions.length > 0 && { mentions }),
    });
    mentioned.current.clear();
    put("");
    actions.writing.value = null;
    area.current?.focus();
  };

  const members = session.members(chat.id);
  const at = chat.kind === "group" ? /(?:^|\s)@([\p{L}\p{N}_.-]*)$/u.exec(text.value.slice(0, caret.value)) : null;
  const wanted = at?.[1]?.toLocaleLowerCase();
  useEffect(() => {
    if (wanted !== undefined) void members.all();
    chosen.value = 0;
  }, [wanted]);
  const offered = wanted === undefined ? [] : members.list.value
    .map((m) => m.user)
    .filter((u) => u.id !== session.me.id && u.name.toLocaleLowerCase().split(/\s+/).some((word) => word.startsWith(wanted)))
    .slice(0, OFFERED);
  const mention = (user: User) => {
    const start = caret.value - wanted!.length;
    mentioned.current.set(user.name, user.id);
    const before = `${text.value.slice(0, start)}${user.name} `;
    put(before + text.value.slice(caret.value), before.length);
  };

  const keys = (e: KeyboardEvent) => {
    if (e.isComposing) return;
    if (offered.length > 0 && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      e.preventDefault();
      chosen.value = (chosen.value + (e.key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length;
    } else if (offered.length > 0 && (e.key === "Enter" || e.key === "Tab")) {
      e.preventDefault();
      mention(offered[chosen.value] ?? offered[0]!);
    } else if (e.key === "Escape" && (offered.length > 0 || writing)) {
      e.stopPropagation();
      if (offered.length > 0) caret.value = 0;
      else actions.writing.value = null;
    } else if (e.key === "ArrowUp" && !text.value) {
      const last = thread.window.value.messages.findLast((m) => m.from === session.me.id && mayEdit(m, session.me.id));
      if (!last) return;
      e.preventDefault();
      actions.writing.value = { kind: "edit", message: last };
    } else if (e.key === "Enter" && !e.shiftKey) {
      e.preventDefault();
      send();
    }
  };

  const label = useComputed(() => (actions.writing.value?.kind === "edit" ? "Edit message" : "Message"));
  return (
    <form class="composer" onSubmit={(e) => {
      e.preventDefault();
      send();
    }}>
      {writing && (
        <div class="writing" data-testid="writing">
          <span>
            <b dir="auto">{writing.kind === "edit" ? "Edit" : session.people.name(writing.message.from)}</b>
            <span dir="auto">{preview(writing.message, session.people)}</span>
          </span>
          <button type="button" class="round" aria-label="Cancel" onClick={() => (actions.writing.value = null)}><CloseIcon /></button>
        </div>
      )}
      {offered.length > 0 && (
        <ul class="offered" id="mentions" role="listbox" aria-label="Mention">
          {offered.map((user, i) => (
            <li key={user.id} id={`mention-${i}`} role="option" aria-selected={i === chosen.value} data-testid="mention" onPointerDown={(e) => {
              e.preventDefault();
              mention(user);
            }}>
              <Avatar id={user.id} name={user.name} picture={user.avatar} /> <span dir="auto">{user.name}</span>
            </li>
          ))}
        </ul>
      )}
      <AttachButton chat={chat} />
      <textarea ref={area} data-testid="composer" rows={1} aria-label={label.value} placeholder="Message" dir="auto" enterkeyhint="send"
        autocomplete="off" aria-controls={offered.length > 0 ? "mentions" : undefined}
        aria-activedescendant={offered.length > 0 ? `mention-${chosen.value}` : undefined} value={text.value}
        onInput={(e) => {
          caret.value = e.currentTarget.selectionStart;
          write(e.currentTarget.value);
          if (text.value.trim() && writing?.kind !== "edit") session.typing.typed(chat.id);
          else session.typing.stopped();
        }}
        onSelect={(e) => (caret.value = e.currentTarget.selectionStart)} onKeyDown={keys} />
      {!text.value.trim() && writing?.kind !== "edit" && <VoiceButton chat={chat} sent={sent} />}
      <button class="round send" data-testid="send" aria-label={writing?.kind === "edit" ? "Save" : "Send"} disabled={!text.value.trim()}><SendIcon /></button>
    </form>
  );
}
