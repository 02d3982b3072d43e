import { useSignal } from "@preact/signals";
import { directChannel, type Group, type GroupMember, type Invite, type NotAdded, type Role, type User } from "@weft/client";
import { useEffect } from "preact/hooks";
import { type Chat, isAdmin, isSystem, mayChange } from "../store/chat";
import { inviteLink } from "../store/route";
import { Avatar } from "./avatar";
import { CopyButton } from "./copy";
import { ChoosePeople } from "./choosepeople";
import { useSession } from "./context";
import { Dialog } from "./dialog";
import { MoreIcon } from "./icons";
import { disappearing } from "./info";
import { Menu } from "./menu";
import { Picture } from "./picture";
import { Choice, TextField } from "./textfield";
import { exactTime } from "./times";

/** A group: what it is called, its rules, who is in it, and the ways in and out. */
export function GroupInfo({ chat }: { chat: Chat }) {
  const session = useSession();
  const { api, actions } = session;
  const id = chat.id.slice(2);
  const group = useSignal<Group | null>(null);
  const leaving = useSignal(false);
  const members = session.members(chat.id);
  // What the server last said of the group: then it is asked for anew.
  const news = session.thread(chat.id).window.value.messages.findLast((m) => isSystem(m.kind))?.seq ?? 0;
  useEffect(() => void actions.attempt(async () => (group.value = await api.group(id))), [news]);
  useEffect(() => void actions.attempt(() => members.load()), []);

  const change = async (p: Parameters<typeof api.changeGroup>[1]) => {
    group.value = await api.changeGroup(id, p);
    await session.chats.reload(chat.id);
  };
  const mine = mayChange(chat) && change;
  const admin = isAdmin(chat);
  const settings = group.value?.settings;
  return (
    <>
      <Picture id={chat.id} name={chat.name} picture={chat.avatar} save={mine && ((avatar) => change({ avatar }))} />
      <TextField label="Name" value={chat.name} max={100} testid="group-info-name" required save={mine && ((name) => change({ name }))} />
      <TextField label="Description" value={group.value?.about ?? ""} max={500} testid="group-info-about" save={mine && ((about) => change({ about }))} />
      {settings && (
        <section class="settings">
          <Choice label="Who writes" testid="setting-send" disabled={!admin} value={settings.send} options={[["all", "All members"], ["admins", "Only admins"]]}
            save={(v) => change({ settings: { send: v as "all" } })} />
          <Choice label="Who changes the group and adds people" testid="setting-change" disabled={!admin} value={settings.change}
            options={[["all", "All members"], ["admins", "Only admins"]]} save={(v) => change({ settings: { change: v as "all" } })} />
          <Choice label="What new members read" testid="setting-history" disabled={!admin} value={settings.history}
            options={[["joined", "From their joining on"], ["all", "All messages"]]} save={(v) => change({ settings: { history: v as "all" } })} />
          <Choice label="Disappearing messages" testid="setting-disappear" disabled={!admin} value={String(settings.disappear)} options={disappearing}
            save={(v) => change({ settings: { disappear: Number(v) } })} />
        </section>
      )}
      <section>
        <h3 class="list-head">{chat.members === 1 ? "1 member" : `${chat.members ?? "…"} members`}</h3>
        {mayChange(chat) && <AddPeople chat={chat} />}
        <ul class="members" role="list" data-testid="members">
          {members.list.value.map((m) => <Member key={m.user.id} chat={chat} member={m} />)}
        </ul>
        {members.more.value && <button type="button" class="link more" onClick={() => void actions.attempt(() => members.loadMore())}>More members</button>}
      </section>
      {mayChange(chat) && <Invites chat={chat} />}
      <button type="button" class="link danger" data-testid="leave" onClick={() => (leaving.value = true)}>Leave the group</button>
      {leaving.value && (
        <Dialog title={`Leave ${chat.name}?`} close={() => (leaving.value = false)} testid="leave-dialog">
          <p>You will get no more of its messages. Its members see that you left.</p>
          <button type="button" class="primary" data-testid="leave-confirm" onClick={() => void actions.attempt(async () => {
            leaving.value = false;
            await api.removeMember(id, session.me.id);
            session.left(chat.id);
          })}>Leave</button>
        </Dialog>
      )}
    </>
  );
}

const roles: Record<Role, string> = { owner: "Owner", admin: "Admin", member: "" };

function Member({ chat, member: { user, role } }: { chat: Chat; member: GroupMember }) {
  const session = useSession();
  const { api, actions } = session;
  const id = chat.id.slice(2);
  const self = user.id === session.me.id;
  const act = (work: () => Promise<unknown>) => void actions.attempt(async () => {
    await work();
    await session.members(chat.id).load();
  });
  const give = (to: Role) => act(() => api.setRole(id, user.id, to));
  const owner = chat.role === "owner";
  return (
    <li class="member" data-testid="member" data-user={user.id} data-role={role}>
      <Avatar id={user.id} name={user.name} picture={user.avatar} />
      <span class="member-name" dir="auto">{self ? "You" : user.name}</span>
      {roles[role] && <span class="badge">{roles[role]}</span>}
      {!self && (
        <Menu label={`Actions for ${user.name}`} icon={<MoreIcon />} testid="member-menu" items={() => [
          { label: "Message", testid: "member-message", run: () => {
            const channel = directChannel(session.me.id, user.id);
            session.chats.open(channel, user);
            session.route.go(channel);
          } },
          isAdmin(chat) && role === "member" && { label: "Make admin", testid: "make-admin", run: () => give("admin") },
          isAdmin(chat) && role === "admin" && { label: "Admin no more", testid: "make-member", run: () => give("member") },
          owner && role !== "owner" && { label: "Make owner", run: () => give("owner") },
          owner && role === "owner" && { label: "Owner no more", run: () => give("admin") },
          isAdmin(chat) && (role !== "owner" || owner) && { label: "Remove", testid: "remove-member", danger: true, run: () => act(() => api.removeMember(id, user.id)) },
        ]} />
      )}
    </li>
  );
}

function AddPeople({ chat }: { chat: Chat }) {
  const session = useSession();
  const { api, actions } = session;
  const open = useSignal(false);
  const chosen = useSignal<ReadonlyMap<string, User>>(new Map());
  const refused = useSignal<readonly NotAdded[]>([]);
  const id = chat.id.slice(2);
  const close = () => {
    open.value = false;
    chosen.value = new Map();
    refused.value = [];
  };
  const add = () => void actions.attempt(async () => {
    session.people.know([...chosen.value.values()]);
    const reply = await api.addMembers(id, [...chosen.value.keys()]);
    await session.members(chat.id).load();
    if (reply.not_added.length === 0) return close();
    chosen.value = new Map();
    refused.value = reply.not_added;
  });
  const here = new Set(session.members(chat.id).list.value.map((m) => m.user.id));
  return (
    <>
      <button type="button" class="link" data-testid="add-members" onClick={() => (open.value = true)}>Add people</button>
      {open.value && (
        <Dialog title="Add people" close={close} testid="add-dialog">
          {refused.value.length > 0 && (
            <p class="hint" role="alert" data-testid="not-added">
              {refused.value.map((n) => session.people.name(n.user)).join(", ")} cannot be added by you. Send an invite instead.
            </p>
          )}
          <ChoosePeople chosen={chosen.value} choose={(next) => (chosen.value = next)} without={(user) => here.has(user)} />
          <button type="button" class="primary" data-testid="add-submit" disabled={chosen.value.size === 0} onClick={add}>Add {chosen.value.size || ""}</button>
        </Dialog>
      )}
    </>
  );
}

function Invites({ chat }: { chat: Chat }) {
  const { api, actions, people, me } = useSession();
  const id = chat.id.slice(2);
  const invites = useSignal<readonly Invite[]>([]);
  const load = () => actions.attempt(async () => (invites.value = await api.invites(id)));
  useEffect(() => void load(), []);
  const act = (work: () => Promise<unknown>) => void actions.attempt(async () => {
    await work();
    await load();
  });
  return (
    <section>
      <h3 class="list-head">Invites</h3>
      <ul class="invites" role="list">
        {invites.value.map((invite) => (
          <li key={invite.code} data-testid="invite" data-code={invite.code}>
            <code class="invite-link">{inviteLink(invite.code)}</code>
            <span class="soft">
              by {people.name(invite.created_by)}, used {invite.used}{invite.uses ? ` of ${invite.uses}` : ""} times
              {invite.expires_at && `, until ${exactTime(invite.expires_at)}`}
            </span>
            <span class="row">
              <CopyButton text={inviteLink(invite.code)} />
              {(isAdmin(chat) || invite.created_by === me.id) && (
                <button type="button" class="link danger" data-testid="invite-revoke" onClick={() => act(() => api.revokeInvite(id, invite.code))}>Revoke</button>
              )}
            </span>
          </li>
        ))}
      </ul>
      <button type="button" class="link" data-testid="invite-create" onClick={() => act(() => api.invite(id, { expires_in: 7 * 86_400 }))}>New invite for a week</button>
    </section>
  );
}
