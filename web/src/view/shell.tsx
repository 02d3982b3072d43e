import { useEffect } from "preact/hooks";
import type { Session } from "../store/session";
import { ConnectionBanner } from "./banner";
import { SessionProvider, useSession } from "./context";
import { Conversation } from "./conversation";
import { Logo } from "./icons";
import { preview } from "./kinds";
import { Sidebar } from "./sidebar";

/** The page of one who is signed in: chats beside the open one, or on a narrow screen one of the two. */
export function Shell({ session }: { session: Session }) {
  const chat = session.open.value;
  const unread = session.chats.unread.value;
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Weft` : "Weft";
    return () => void (document.title = "Weft");
  }, [unread]);
  return (
    <SessionProvider value={session}>
      <div class={`shell${chat ? " has-open" : ""}`}>
        <ConnectionBanner />
        <Sidebar />
        {chat ? <Conversation key={chat.id} chat={chat} /> : <Nothing />}
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
  return <div class="sr-only" aria-live="polite">{message && `${session.open.value?.name}: ${preview(message)}`}</div>;
}
