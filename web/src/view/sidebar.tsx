import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Avatar } from "./avatar";
import { ChatListView } from "./chatlist";
import { useSession } from "./context";
import { NewChatIcon, SignOutIcon } from "./icons";
import { NewChat } from "./newchat";

export function Sidebar() {
  const session = useSession();
  const finding = useSignal(false);
  const newChat = useRef<HTMLButtonElement>(null);
  const close = () => {
    finding.value = false;
    newChat.current?.focus();
  };
  return (
    <div class="sidebar">
      <header class="bar">
        <Avatar id={session.me.id} name={session.me.name} />
        <h1 class="bar-title" dir="auto" title={session.me.phone}>{session.me.name}</h1>
        <button ref={newChat} type="button" class="round" data-testid="new-chat" aria-label="New chat" title="New chat"
          aria-expanded={finding.value} onClick={() => (finding.value = !finding.value)}>
          <NewChatIcon />
        </button>
        <button type="button" class="round" data-testid="sign-out" aria-label="Sign out" title="Sign out"
          onClick={() => void session.signOut()}>
          <SignOutIcon />
        </button>
      </header>
      {finding.value && <NewChat close={close} />}
      <ChatListView />
    </div>
  );
}
