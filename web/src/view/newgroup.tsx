import { useSignal } from "@preact/signals";
import type { User } from "@weft/client";
import { useMemo } from "preact/hooks";
import { explain } from "../store/signin";
import { ChoosePeople } from "./choosepeople";
import { useSession } from "./context";
import { Dialog } from "./dialog";

/** Makes a group. */
export function NewGroup({ close }: { close: () => void }) {
  const session = useSession();
  const name = useSignal("");
  const chosen = useSignal<ReadonlyMap<string, User>>(new Map());
  const busy = useSignal(false);
  const error = useSignal("");
  const cid = useMemo(() => crypto.randomUUID(), []); // tried again it is the same group
  const create = async () => {
    busy.value = true;
    error.value = "";
    try {
      const group = await session.api.createGroup({ name: name.value.trim(), members: [...chosen.value.keys()], cid });
      session.people.know([...chosen.value.values()]);
      await session.chats.reload(group.channel);
      session.route.go(group.channel);
      close();
      if (group.not_added?.length) {
        session.actions.tell(`${group.not_added.map((n) => session.people.name(n.user)).join(", ")} cannot be added. Send them an invite.`);
      }
    } catch (err) {
      error.value = explain(err);
    } finally {
      busy.value = false;
    }
  };
  return (
    <Dialog title="New group" close={close} testid="new-group-dialog">
      <form class="form" onSubmit={(e) => {
        e.preventDefault();
        if (!busy.value) void create();
      }}>
        <label for="group-name">Name of the group</label>
        <input id="group-name" data-testid="group-name" required maxLength={100} pattern=".*\S.*" autocomplete="off" value={name.value}
          onInput={(e) => (name.value = e.currentTarget.value)} />
        <ChoosePeople chosen={chosen.value} choose={(next) => (chosen.value = next)} />
        <p class="error" role="alert">{error.value}</p>
        <button class="primary" data-testid="group-create" disabled={busy.value}>Create{chosen.value.size > 0 && ` with ${chosen.value.size}`}</button>
      </form>
    </Dialog>
  );
}
