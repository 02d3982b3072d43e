import { useEffect } from "preact/hooks";
import type { Session } from "../store/session";
import { ConnectionBanner } from "./banner";
import { SessionProvider, useSession } from "./context";
import { Conversation } from "./conversation";
import { Logo } from "./icons";
import { Forward } from "./forward";
import { InfoPanel } from "./info";
import { JoinPage } from "./join";
import { preview } from "./kinds";
import { AskForNotifications } from "./notifications";
import { Settings } from "./settings";
import { Sidebar } from "./sidebar";
import { Starred } from "./starred";

/** The page of one who is signed in: chats beside the open one, or on a narrow screen one of the two. */
export function Shell({ session }: { session: Session }) {
  const invite = session.route.invite.value;
  const chat = invite ? null : session.open.value;
  const panel = session.panel.value;
  const close = () => (session.panel.value = "");
  const unread = session.chats.unread.value;
  session.push.preview = (m) => preview(m, session.people);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Weft` : "Weft";
    return () => void (document.title = "Weft");
  }, [unread]);
  return (
    <SessionProvider value={session}>
      <div class={`shell${chat || invite ? " has-open" : ""}${panel === "info" || panel === "starred" || panel === "settings" ? " has-panel" : ""}`}>
        <ConnectionBanner />
        <Sidebar />
        {invite ? <JoinPage code={invite} /> : chat ? <Conversation key={chat.id} chat={chat} /> : <Nothing />}
        {panel === "info" && chat && <InfoPanel key={chat.id} chat={chat} close={close} />}
        {panel === "starred" && <Starred close={close} />}
        {panel === "settings" && <Settings close={close} />}
        {session.actions.forwarding.value && <Forward message={session.actions.forwarding.value} />}
        <p class="notice" role="alert" data-testid="notice">{session.actions.notice.value}</p>
        <AskForNotifications push={session.push} />
        <Announcer />
      </div>
    </SessionProvider>
  );
}

function Nothing() {
  return (
    <main class="conversation nothing">
      <Logo />
      <p>Choose a chat, or start a new one.</p>
    </main>
  );
}

/** Reads out what came into the open chat. */
function Announcer() {
  const session = useSession();
  const message = session.announced.value;
  return <div class="sr-only" aria-live="polite">{message && `${session.open.value?.name}: ${preview(message, session.people)}`}</div>;
}
