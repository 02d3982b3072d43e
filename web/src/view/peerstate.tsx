import { now } from "../store/clock";
import type { Chat } from "../store/chat";
import { useSession } from "./context";
import { lastSeen } from "./times";

/** Under the other one's name: what they are doing, or when they were here. */
export function PeerState({ chat }: { chat: Chat }) {
  const session = useSession();
  if (session.typing.shown.value.has(chat.id)) {
    return <p class="peer-state is-typing" data-testid="typing" role="status">typing…</p>;
  }
  const presence = chat.peer && session.watched.presence.value.get(chat.peer.id);
  const live = session.connection.value.name === "live";
  const text =
    !presence || !live ? ""
    : presence.online ? "online"
    : presence.last_seen ? lastSeen(presence.last_seen, now.value)
    : "";
  return <p class="peer-state" data-testid="presence" data-online={presence?.online && live}>{text}</p>;
}
