// Where the grant is kept.
import type { Grant } from "./types.js";

/**
 * Why a sign-in ended other than by signing out here: `signed_out` from another device, `reused` (a refresh token was used
 * twice, so it may have been stolen), `too_many` (the user has signed in on more devices than they may have), `deleted` (the
 * account), `revoked` for a reason that was not told, `expired` (the refresh token is not good any more), `key_lost` (the
 * device's key is gone).
 */
export type Ended = "signed_out" | "reused" | "too_many" | "deleted" | "revoked" | "expired" | "key_lost";

const endings: readonly string[] = ["signed_out", "reused", "too_many", "deleted", "revoked", "expired", "key_lost"] satisfies Ended[];

/** Reads what a server gave as the reason; one that is not known yet is `revoked`. */
export function endedBy(reason: string | undefined): Ended {
  return reason && endings.includes(reason) ? (reason as Ended) : "revoked";
}

export interface TokenStorage {
  load(): Grant | null;
  /** Keeps a grant; with null none, and why it ended where it was not signed out. */
  save(g: Grant | null, ended?: Ended): void;
  /** Why the last grant ended, until there is another. Without it nobody is told in other tabs. */
  ended?(): Ended | undefined;
  /** Tells when somebody else, another tab, saved. */
  subscribe?(cb: () => void): () => void;
}

/** Keeps the grant as long as the process or page lives. */
export class MemoryTokens implements TokenStorage {
  private grant: Grant | null = null;
  private why: Ended | undefined;

  load(): Grant | null {
    return this.grant;
  }

  save(g: Grant | null, ended?: Ended): void {
    this.grant = g;
    this.why = g ? undefined : ended;
  }

  ended(): Ended | undefined {
    return this.why;
  }
}

/** Keeps the grant in the browser's localStorage, which all tabs share. Where that is forbidden, in memory. */
export class LocalStorageTokens implements TokenStorage {
  private memory: { grant: Grant | null; ended?: Ended | undefined } | undefined;

  constructor(private readonly key = "weft.grant") {}

  load(): Grant | null {
    if (this.memory) return this.memory.grant;
    const grant = this.read() as Grant | null;
    return grant?.refresh_token && grant.user?.id ? grant : null; // else it is not of our making
  }

  save(g: Grant | null, ended?: Ended): void {
    try {
      if (g) localStorage.setItem(this.key, JSON.stringify(g));
      else if (ended) localStorage.setItem(this.key, JSON.stringify({ ended }));
      else localStorage.removeItem(this.key);
      this.memory = undefined;
    } catch {
      this.memory = { grant: g, ended }; // full or forbidden: this page keeps it for itself
    }
  }

  ended(): Ended | undefined {
    if (this.memory) return this.memory.ended;
    const { ended } = (this.read() ?? {}) as { ended?: string };
    return ended ? endedBy(ended) : undefined;
  }

  subscribe(cb: () => void): () => void {
    const listener = (e: StorageEvent) => {
      if (e.key === this.key || e.key === null) cb(); // null: everything was cleared
    };
    addEventListener("storage", listener);
    return () => removeEventListener("storage", listener);
  }

  private read(): unknown {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "null");
    } catch {
      return null;
    }
  }
}
