import { useSignal } from "@preact/signals";
import type { Circle, Device, Me, User } from "@weft/client";
import { useEffect } from "preact/hooks";
import { personLink } from "../store/route";
import { useSession } from "./context";
import { CopyButton } from "./copy";
import { Dialog, Panel } from "./dialog";
import { NotificationSettings } from "./notifications";
import { Picture } from "./picture";
import { ServiceBadge } from "./service";
import { Choice, TextField } from "./textfield";
import { exactTime } from "./times";

const circles = [["all", "Everybody"], ["contacts", "My contacts"], ["none", "Nobody"]] as const;

/** Oneself: how one is shown, who sees what, which devices are signed in. */
export function Settings({ close }: { close: () => void }) {
  const session = useSession();
  const { api, actions } = session;
  const me = useSignal<Me | null>(null);
  useEffect(() => void actions.attempt(async () => (me.value = await api.me())), [session.self.value]);
  const change = async (p: Parameters<typeof api.updateMe>[0]) => {
    me.value = await api.updateMe(p);
    await session.loadSelf();
  };
  const self = me.value;
  return (
    <Panel title="Settings" close={close} testid="settings-panel">
      {self && (
        <>
          <Picture id={self.id} name={self.name} picture={self.avatar} save={(avatar) => change({ avatar })} />
          <TextField label="Name" value={self.name} max={50} required testid="my-name" save={(name) => change({ name })} />
          <TextField label="About" value={self.about ?? ""} max={200} testid="my-about" save={(about) => change({ about })} />
          <section>
            <h3 class="list-head">Write to me</h3>
            <p class="soft">Whoever opens this link here can write to you{self.phone ? ", also without your phone number" : ""}.</p>
            <code class="invite-link" data-testid="my-link">{personLink(self.id)}</code>
            <CopyButton text={personLink(self.id)} />
          </section>
          <section>
            <h3 class="list-head">Privacy</h3>
            <Choice label="Who sees when I was here" testid="privacy-seen" value={self.privacy.last_seen} options={circles}
              save={(v) => change({ privacy: { last_seen: v as Circle } })} />
            <Choice label="Who adds me to groups" testid="privacy-groups" value={self.privacy.groups} options={circles}
              save={(v) => change({ privacy: { groups: v as Circle } })} />
            <Choice label="Others see that I have read" testid="privacy-read" value={String(self.privacy.read_receipts)}
              options={[["true", "Yes, and I see theirs"], ["false", "No, and I do not see theirs"]]}
              save={(v) => change({ privacy: { read_receipts: v === "true" } })} />
          </section>
          <NotificationSettings push={session.push} />
          <Blocked />
          <Devices />
          <Account me={self} />
        </>
      )}
    </Panel>
  );
}

function Blocked() {
  const { api, actions } = useSession();
  const users = useSignal<readonly User[]>([]);
  const load = async () => (users.value = await api.blocks());
  useEffect(() => void actions.attempt(load), []);
  return (
    <section>
      <h3 class="list-head">Blocked</h3>
      {users.value.length === 0 && <p class="soft">You have blocked nobody.</p>}
      <ul role="list">
        {users.value.map((user) => (
          <li key={user.id} class="row">
            <span class="member-name named"><span class="name" dir="auto">{user.name}</span><ServiceBadge user={user} /></span>
            <button type="button" class="link" onClick={() => void actions.attempt(async () => {
              await api.block(user.id, false);
              await load();
            })}>Unblock</button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Devices() {
  const { api, actions } = useSession();
  const devices = useSignal<readonly Device[]>([]);
  const load = async () => (devices.value = await api.devices());
  useEffect(() => void actions.attempt(load), []);
  return (
    <section>
      <h3 class="list-head">Devices</h3>
      <ul role="list" data-testid="devices">
        {devices.value.map((device) => (
          <li key={device.id} class="row" data-testid="device" data-device={device.id} data-current={device.current}>
            <span class="member-name">
              <span dir="auto">{device.name || device.platform}</span>
              <span class="soft"> {device.current ? "this one" : `seen ${exactTime(device.seen_at)}`}</span>
            </span>
            {!device.current && (
              <button type="button" class="link danger" data-testid="device-sign-out" aria-label={`Sign out ${device.name || device.platform}`} onClick={() => void actions.attempt(async () => {
                await api.revokeDevice(device.id);
                await load();
              })}>Sign out</button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Account({ me }: { me: Me }) {
  const session = useSession();
  const { api, actions } = session;
  const deleting = useSignal(false);
  const typed = useSignal("");
  const busy = useSignal(false);
  const exportAll = () => void actions.attempt(async () => {
    busy.value = true;
    try {
      const url = URL.createObjectURL(await api.exportMe());
      const link = document.createElement("a");
      link.href = url;
      link.download = "weft-export.zip";
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } finally {
      busy.value = false;
    }
  });
  return (
    <section>
      <h3 class="list-head">Account</h3>
      <button type="button" class="link" data-testid="export" disabled={busy.value} onClick={exportAll}>Save all that is mine</button>
      <button type="button" class="link danger" data-testid="delete-account" onClick={() => (deleting.value = true)}>Delete my account</button>
      {deleting.value && (
        <Dialog title="Delete my account" close={() => (deleting.value = false)} testid="delete-dialog">
          <form class="form" onSubmit={(e) => {
            e.preventDefault();
            void actions.attempt(async () => {
              await session.deleteAccount(me.phone ? { phone: typed.value.replace(/[\s().\-/]/g, "") } : { name: typed.value.trim() });
            });
          }}>
            <p>Your profile, contacts and devices go, for good, and you leave your groups. What you wrote stays with those you wrote to.</p>
            <label for="delete-typed">{me.phone ? `Your phone number, ${me.phone}, to confirm` : `Your name, ${me.name}, to confirm`}</label>
            <input id="delete-typed" data-testid="delete-typed" inputMode={me.phone ? "tel" : "text"} autocomplete="off" required value={typed.value} onInput={(e) => (typed.value = e.currentTarget.value)} />
            <button class="primary" data-testid="delete-confirm">Delete for good</button>
          </form>
        </Dialog>
      )}
    </section>
  );
}
