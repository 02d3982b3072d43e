import { type Chat, isMuted } from "../store/chat";
import { now } from "../store/clock";
import { useSession } from "./context";
import { MoreIcon } from "./icons";
import { Menu } from "./menu";

const HOUR = 3_600_000;

/** How a chat is shown: muted, pinned, put away. */
export function ChatMenu({ chat }: { chat: Chat }) {
  const { actions } = useSession();
  const set = (prefs: object) => void actions.setPrefs(chat.id, prefs);
  return (
    <Menu label={`Actions for ${chat.name}`} icon={<MoreIcon />} testid="chat-menu" items={() => [
      { label: chat.prefs.pinned ? "Unpin" : "Pin to the top", testid: "chat-pin", run: () => set({ pinned: !chat.prefs.pinned }) },
      ...(isMuted(chat, now.value)
        ? [{ label: "Unmute", testid: "unmute", run: () => set({ muted_until: 0 }) }]
        : [
            { label: "Mute for 8 hours", testid: "mute-8h", run: () => set({ muted_until: Date.now() + 8 * HOUR }) },
            { label: "Mute for 1 week", run: () => set({ muted_until: Date.now() + 7 * 24 * HOUR }) },
            { label: "Mute always", testid: "mute-always", run: () => set({ muted_until: -1 }) },
          ]),
      { label: chat.prefs.marked_unread ? "Mark as read" : "Mark as unread", testid: "mark-unread", run: () => set({ marked_unread: !chat.prefs.marked_unread }) },
      { label: chat.prefs.archived ? "Unarchive" : "Archive", testid: "archive", run: () => set({ archived: !chat.prefs.archived }) },
    ]} />
  );
}
