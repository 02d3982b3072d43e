import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Avatar } from "./avatar";
import { ChatListView } from "./chatlist";
import { useSession } from "./context";
import { MoreIcon, NewChatIcon } from "./icons";
import { Menu } from "./menu";
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
        <button ref={newChat} type="button" class="round" data-testid="new-chat" aria-label="New chat" title="New chat"
          aria-expanded={finding.value} onClick={() => (finding.value = !finding.value)}>
          <NewChatIcon />
        </button>
        <Menu label="More" icon={<MoreIcon />} testid="main-menu" items={() => [
          { label: "New group", testid: "new-group", run: () => (session.panel.value = "new-group") },
          { label: "Starred messages", testid: "starred", run: () => (session.panel.value = "starred") },
          { label: "Settings", testid: "settings", run: () => (session.panel.value = "settings") },
          { label: "Sign out", testid: "sign-out", run: () => void session.signOut() },
        ]} />
      </header>
      {finding.value && <NewChat close={close} />}
      {session.panel.value === "new-group" && <NewGroup close={() => (session.panel.value = "")} />}
      <Search query={query} />
      {!query.value.trim() && <ChatListView />}
    </div>
  );
}
