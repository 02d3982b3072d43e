import type { Message } from "@weft/client";
import { type Chat, isAdmin, mayChange } from "../store/chat";
import { useSession } from "./context";
import { MoreIcon } from "./icons";
import { textOf } from "./kinds";
import { Menu } from "./menu";

/** The reactions that are one click away. */
const quick = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/** How long one's own message may be edited, as the server has it where nothing else is set. */
const EDIT_MS = 15 * 60_000;

export function mayEdit(message: Message, me: string): boolean {
  return message.from === me && message.kind === "text" && !message.body?.imported && Date.now() - message.at < EDIT_MS;
}

/** What can be done with a message. The server has the last word on each. */
export function MessageMenu({ message, chat, show }: { message: Message; chat: Chat; show: (message: Message) => void }) {
  const { actions, me } = useSession();
  if (message.kind === "deleted") return null;
  const mine = message.from === me.id;
  const text = textOf(message);
  return (
    <Menu label="Message actions" icon={<MoreIcon />} testid="message-menu"
      head={(close) => (
        <div class="quick" role="group" aria-label="React">
          {quick.map((emoji) => (
            <button key={emoji} type="button" role="menuitem" aria-label={`React ${emoji}`} data-testid="quick-reaction" onClick={() => {
              close();
              void actions.react(message, emoji);
            }}>{emoji}</button>
          ))}
        </div>
      )}
      items={() => [
        { label: "Reply", testid: "reply", run: () => (actions.writing.value = { kind: "reply", message }) },
        mayEdit(message, me.id) && {
          label: "Edit", testid: "edit", run: () => (actions.writing.value = { kind: "edit", message }),
        },
        text !== null && { label: "Copy", run: () => void navigator.clipboard.writeText(text) },
        { label: "Forward", testid: "forward", run: () => (actions.forwarding.value = message) },
        { label: message.starred ? "Unstar" : "Star", testid: "star", run: () => void actions.star(message, !message.starred) },
        mayChange(chat) && { label: message.pinned ? "Unpin" : "Pin", testid: "pin", run: () => void actions.pin(message, !message.pinned) },
        mine && { label: "Info", testid: "message-info", run: () => show(message) },
        { label: "Delete for me", testid: "delete-me", danger: true, run: () => void actions.deleteForMe(message) },
        (mine || (chat.kind === "group" && isAdmin(chat))) && {
          label: "Delete for everyone", testid: "delete-all", danger: true, run: () => void actions.deleteForAll(message),
        },
      ]} />
  );
}
