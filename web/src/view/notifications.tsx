import type { Push, Show } from "../push/push";
import { useSession } from "./context";
import { Choice } from "./textfield";

/** Asks, beside what the user does and not in its way, whether they want to be told of messages. */
export function AskForNotifications({ push }: { push: Push }) {
  const { actions } = useSession();
  if (!push.asking.value) return null;
  return (
    <div class="ask" role="region" aria-label="Notifications" data-testid="push-ask">
      <span>Be told of answers when this page is closed?</span>
      <button type="button" class="link" data-testid="push-yes" onClick={() => void actions.attempt(() => push.turnOn())}>Turn on</button>
      <button type="button" class="link" data-testid="push-no" onClick={() => push.answered()}>Not now</button>
    </div>
  );
}

const shows = [["all", "Who writes, and what"], ["sender", "Who writes"], ["none", "Nothing of it"]] as const;

/** The settings' part of this browser's notifications. */
export function NotificationSettings({ push }: { push: Push }) {
  const { actions } = useSession();
  const state = push.state.value;
  return (
    <section data-testid="push-settings" data-state={state}>
      <h3 class="list-head">Notifications on this device</h3>
      {state === "unsupported" && <p class="soft">This browser has none. On an iPhone, add Weft to the home screen first.</p>}
      {state === "denied" && <p class="soft">The browser does not allow them for this page: its own settings do.</p>}
      {state === "off" && (
        <button type="button" class="link" data-testid="push-on" onClick={() => void actions.attempt(() => push.turnOn())}>Turn on</button>
      )}
      {state === "on" && (
        <>
          <Choice label="They show" testid="push-show" value={push.show.value} options={shows} save={(v) => push.change({ show: v as Show })} />
          <Choice label="Muted chats" testid="push-mentions" value={String(push.mentions.value)}
            options={[["false", "Never"], ["true", "Where I am mentioned"]]} save={(v) => push.change({ mentions: v === "true" })} />
          <button type="button" class="link danger" data-testid="push-off" onClick={() => void actions.attempt(() => push.turnOff())}>Turn off</button>
        </>
      )}
    </section>
  );
}
