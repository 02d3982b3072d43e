import { useSignal } from "@preact/signals";
import type { Invited } from "@weft/client";
import { useEffect } from "preact/hooks";
import { explain } from "../store/signin";
import { Avatar } from "./avatar";
import { useSession } from "./context";

/** Where an invite leads: what group it is, and the way in. */
export function JoinPage({ code }: { code: string }) {
  const session = useSession();
  const invited = useSignal<Invited | null>(null);
  const error = useSignal("");
  const busy = useSignal(false);
  useEffect(() => {
    session.api.invited(code).then((i) => (invited.value = i), (err) => (error.value = explain(err)));
  }, [code]);
  const join = async () => {
    busy.value = true;
    try {
      const group = await session.api.join(code);
      await session.chats.reload(group.channel);
      session.route.go(group.channel);
    } catch (err) {
      error.value = explain(err);
    } finally {
      busy.value = false;
    }
  };
  const group = invited.value;
  return (
    <main class="conversation nothing join" data-testid="join-page">
      {group && (
        <>
          <Avatar id={group.channel} name={group.name} picture={group.avatar} />
          <h2 dir="auto">{group.name}</h2>
          {group.about && <p dir="auto">{group.about}</p>}
          <p>{group.members === 1 ? "1 member" : `${group.members} members`}</p>
          <button type="button" class="primary" data-testid="join" disabled={busy.value} onClick={() => void join()}>Join the group</button>
        </>
      )}
      {error.value && <p class="error" role="alert">{error.value}</p>}
      <button type="button" class="link" onClick={() => session.route.back()}>{group ? "Not now" : "To the chats"}</button>
    </main>
  );
}
