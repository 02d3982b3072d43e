import type { Chat } from "../store/chat";
import { useSession } from "./context";
import { Panel } from "./dialog";
import { GroupInfo } from "./groupinfo";
import { Picture } from "./picture";
import { ServiceBadge } from "./service";
import { Choice, TextField } from "./textfield";

export const disappearing = [["0", "Off"], ["86400", "After 1 day"], ["604800", "After 1 week"], ["7776000", "After 90 days"]] as const;

/** What is known of the open chat, and what can be set of it. */
export function InfoPanel({ chat, close }: { chat: Chat; close: () => void }) {
  return (
    <Panel title={chat.kind === "group" ? "Group info" : chat.peer?.service ? "Service info" : "Contact info"} close={close} testid="info-panel">
      {chat.kind === "group" ? <GroupInfo chat={chat} /> : <PersonInfo chat={chat} />}
    </Panel>
  );
}

function PersonInfo({ chat }: { chat: Chat }) {
  const { actions } = useSession();
  const { peer } = chat;
  if (!peer) return null;
  return (
    <>
      <Picture id={peer.id} name={chat.name} picture={peer.avatar} service={!!peer.service} />
      <p class="info-name"><span dir="auto">{chat.name}</span> <ServiceBadge user={peer} /></p>
      {peer.service && (
        <p class="hint" data-testid="service-info">
          This is no person but the internal service <b>{peer.service}</b>, a program of those who run this server. It reads what you write to it,
          and no other chat. Where you block it, it can write to you no more, and is told so.
        </p>
      )}
      {peer.phone && <p class="field"><span class="soft">Phone</span><span>{peer.phone}</span></p>}
      <TextField label="About" value={peer.about ?? ""} max={200} testid="about" />
      {!peer.deleted && (
        <>
          <Choice label="Disappearing messages" testid="disappear" value={String(chat.disappear)} options={disappearing}
            save={(v) => actions.setPrefs(chat.id, { disappear: Number(v) })} />
          <button type="button" class="link danger" data-testid="block" onClick={() => void actions.block(chat.id, peer.id, !chat.blocked)}>
            {chat.blocked ? `Unblock ${chat.name}` : `Block ${chat.name}`}
          </button>
        </>
      )}
    </>
  );
}
