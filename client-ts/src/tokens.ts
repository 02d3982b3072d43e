// Where the grant is kept.
import type { Grant } from "./types.js";

export interface TokenStorage {
  load(): Grant | null;
  save(g: Grant | null): void;
  /** Tells when somebody else, another tab, saved. */
  subscribe?(cb: () => void): () => void;
}

/** Keeps the grant as long as the process or page lives. */
export class MemoryTokens implements TokenStorage {
  private grant: Grant | null = null;

  load(): Grant | null {
    return this.grant;
  }

  save(g: Grant | null): void {
    this.grant = g;
  }
}

/** Keeps the grant in the browser's localStorage, which all tabs share. Where that is forbidden, in memory. */
export class LocalStorageTokens implements TokenStorage {
  private memory: Grant | null | undefined;

  constructor(private readonly key = "weft.grant") {}

  load(): Grant | null {
    if (this.memory !== undefined) return this.memory;
    try {
      const text = localStorage.getItem(this.key);
      const grant = text ? (JSON.parse(text) as Grant) : null;
      return grant?.refresh_token && grant.user?.id ? grant : null; // else it is not of our making
    } catch {
      return null;
    }
  }

  save(g: Grant | null): void {
    try {
      if (g) localStorage.setItem(this.key, JSON.stringify(g));
      else localStorage.removeItem(this.key);
      this.memory = undefined;
    } catch {
      this.memory = g; // full or forbidden: this page keeps it for itself
    }
  }

  subscribe(cb: () => void): () => void {
    const listener = (e: StorageEvent) => {
      if (e.key === this.key || e.key === null) cb(); // null: everything was cleared
    };
    addEventListener("storage", listener);
    return () => removeEventListener("storage", listener);
  }
}
