import { now } from "../store/clock";
import type { Chat } from "../store/chat";
import { useSession } from "./context";
import { lastSeen } from "./times";

/** Under the other one's name: what they are doing, or when they were here. */
export function PeerState({ chat }: { chat: Chat }) {
  const session = useSession();
  const typist = session.typing.shown.value.get(chat.id);
  if (typist) {
    const who = chat.kind === "group" ? `${session.people.name(typist)} is ` : "";
    return <p class="peer-state is-typing" data-testid="typing" role="status">{who}typing…</p>;
  }
  if (chat.kind === "group") return <p class="peer-state" data-testid="member-count">{chat.members === 1 ? "1 member" : `${chat.members ?? "…"} members`}</p>;
  if (chat.blocked) return <p class="peer-state">blocked</p>;
  if (chat.peer?.service) return <p class="peer-state" data-testid="service-name">internal service {chat.peer.service}</p>;
  const presence = chat.peer && session.watched.presence.value.get(chat.peer.id);
  const live = session.connection.value.name === "live";
  const text =
    !presence || !live ? ""
    : presence.online ? "online"
    : presence.last_seen ? lastSeen(presence.last_seen, now.value)
    : "";
  return <p class="peer-state" data-testid="presence" data-online={presence?.online && live}>{text}</p>;
}
