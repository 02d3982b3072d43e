// Keeps one connection up: dials, waits, comes back, by how the one before ended. It knows nothing of messages.
import type { Auth } from "./auth.js";
import { backoff, jitter } from "./backoff.js";
import { Connection, type End, type Handler, SUBPROTOCOL } from "./connection.js";
import type { DeviceKey } from "./devicekey.js";
import { WeftError } from "./errors.js";
import type { ConnectionState } from "./types.js";
import { onWakeup } from "./wakeups.js";

// Close codes of the protocol.
export const CLOSE_MALFORMED = 4400;
const CLOSE_SIGN_IN = 4401;
const CLOSE_REVOKED = 4403;
const CLOSE_SLOW = 4408;

export type OpenSocket = (url: string, protocol: string) => WebSocket;

export class Link {
  state: ConnectionState = { name: "closed" };
  connection: Connection | undefined;
  /** Connections tried since the last one that worked. */
  private attempt = 0;
  /** The token that the server did not take. */
  private refused: string | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts dials and closes: what belongs to an earlier one is void. */
  private turn = 0;
  private undo: (() => void)[] = [];
  private user: string | undefined;

  constructor(
    private readonly url: string,
    private readonly auth: Auth,
    private readonly openSocket: OpenSocket = (url, protocol) => new WebSocket(url, protocol),
    private readonly owner: {
      /** The handler of a new connection, which says hello with the cursor. */
      handler(): Omit<Handler, "ended">;
      cursor(): string | undefined;
      state(state: ConnectionState): void;
      /** A connection ended; what to do about it is decided next. */
      lost(end: End): void;
    },
  ) {}

  /** Connects, at once where it would still wait. */
  connect(): void {
    if (this.state.name === "signed-out" || this.state.name === "closed") {
      this.attempt = 0;
      this.user = this.auth.grant?.user.id;
      this.undo.push(
        onWakeup(
          () => this.wakeup(),
          () => this.connection?.probe(), // the socket itself may not tell for minutes; another network may carry it on
        ),
        this.auth.onChange((grant) => {
          if (grant?.user.id !== this.user) this.finish("signed-out"); // in another tab somebody else may be in by now
        }),
      );
    } else if (this.state.name !== "waiting") {
      return;
    }
    void this.dial();
  }

  close(): void {
    if (this.state.name !== "closed") this.finish("closed");
  }

  synced(): void {
    this.attempt = 0;
    this.set({ name: "live" });
  }

  syncing(): void {
    this.refused = undefined;
    this.set({ name: "syncing" });
  }

  private wakeup(): void {
    if (this.state.name === "waiting") void this.dial();
    else this.connection?.probe(); // it may have died in the meantime
  }

  private async dial(): Promise<void> {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    this.attempt++;
    this.set({ name: "connecting" });
    let token: string;
    let key: DeviceKey | undefined;
    let socket: WebSocket;
    try {
      token = await this.auth.accessToken(this.refused ? { refused: this.refused } : {});
      key = await this.auth.deviceKey();
      if (turn !== this.turn) return;
      socket = this.openSocket(socketUrl(this.url), SUBPROTOCOL);
    } catch (err) {
      if (turn !== this.turn) return;
      if (err instanceof WeftError && err.code === "unauthenticated") this.finish("signed-out");
      else this.wait(backoff(this.attempt));
      return;
    }
    const device = this.auth.grant?.device.id;
    const handler: Handler = {
      ...this.owner.handler(),
      ended: (end) => {
        this.connection = undefined;
        this.owner.lost(end);
        if (turn === this.turn) this.after(end, token, device);
      },
    };
    this.connection = new Connection(socket, token, this.owner.cursor(), handler, key && ((nonce) => key.sign(nonce)));
  }

  // after decides by how a connection ended.
  private after(end: End, token: string, device: string | undefined): void {
    if (end.code === CLOSE_REVOKED || end.refused?.code === "forbidden") {
      this.auth.revoked(device, end.reason);
      this.finish("signed-out");
      return;
    }
    if (end.code === CLOSE_SIGN_IN || end.refused?.code === "unauthenticated") {
      this.refused = token;
      this.wait(this.attempt <= 1 ? 0 : backoff(this.attempt));
    } else if (end.code === CLOSE_SLOW) {
      this.wait(this.attempt === 0 ? 0 : backoff(this.attempt));
    } else if (end.retryMs !== undefined) {
      this.wait(jitter(end.retryMs));
    } else {
      this.wait(backoff(this.attempt + 1));
    }
  }

  private wait(ms: number): void {
    clearTimeout(this.timer);
    this.set({ name: "waiting", retryAt: Date.now() + ms });
    this.timer = setTimeout(() => void this.dial(), ms);
  }

  private finish(name: "signed-out" | "closed"): void {
    if (this.state.name === name) return;
    this.turn++;
    clearTimeout(this.timer);
    for (const undo of this.undo.splice(0)) undo();
    this.refused = undefined;
    this.connection?.close();
    this.set({ name });
  }

  private set(state: ConnectionState): void {
    this.state = state;
    this.owner.state(state);
  }
}

/** The address of the WebSocket of a server; of the page's own where the base is relative. */
function socketUrl(base: string): string {
  const page = (globalThis as { location?: Location }).location?.href;
  const url = new URL(`${base.replace(/\/+$/, "")}/v1/ws`, page);
  url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
  return url.href;
}
