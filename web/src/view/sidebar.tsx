import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Avatar } from "./avatar";
import { ChatListView } from "./chatlist";
import { useSession } from "./context";
import { GroupIcon, NewChatIcon, SettingsIcon, SignOutIcon, StarIcon } from "./icons";
import { NewChat } from "./newchat";
import { NewGroup } from "./newgroup";
import { Search } from "./search";

export function Sidebar() {
  const session = useSession();
  const finding = useSignal(false);
  const query = useSignal("");
  const self = session.self.value!;
  const newChat = useRef<HTMLButtonElement>(null);
  const close = () => {
    finding.value = false;
    newChat.current?.focus();
  };
  return (
    <div class="sidebar">
      <header class="bar">
        <Avatar id={self.id} name={self.name} picture={self.avatar} />
        <h1 class="bar-title" dir="auto" title={self.phone}>{self.name}</h1>
        <button type="button" class="round" data-testid="new-group" aria-label="New group" title="New group" onClick={() => (session.panel.value = "new-group")}>
          <GroupIcon />
        </button>
        <button type="button" class="round" data-testid="starred" aria-label="Starred messages" title="Starred messages" onClick={() => (session.panel.value = "starred")}>
          <StarIcon />
        </button>
        <button type="button" class="round" data-testid="settings" aria-label="Settings" title="Settings" onClick={() => (session.panel.value = "settings")}>
          <SettingsIcon />
        </button>
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
      {session.panel.value === "new-group" && <NewGroup close={() => (session.panel.value = "")} />}
      <Search query={query} />
      {!query.value.trim() && <ChatListView />}
    </div>
  );
}
