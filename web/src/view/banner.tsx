import { useEffect, useState } from "preact/hooks";
import { useSession } from "./context";

/** Says when the page is not in step with the server, and why. Announced, but for the countdown. */
export function ConnectionBanner() {
  const session = useSession();
  const state = session.connection.value;
  return (
    <div class="connection" data-testid="connection-state" data-state={state.name} role="status">
      {state.name === "connecting" && <span class="banner late">Connecting…</span>}
      {state.name === "syncing" && <span class="banner late">Updating…</span>}
      {state.name === "waiting" && (
        <span class="banner">
          No connection. <Countdown until={state.retryAt} />
          <button type="button" class="link" onClick={() => session.reconnect()}>Retry now</button>
        </span>
      )}
    </div>
  );
}

function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  return <span aria-hidden="true">Next attempt {seconds > 0 ? `in ${seconds} s` : "now"}. </span>;
}
