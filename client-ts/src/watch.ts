// Whose presence is watched. The server keeps the list for one connection only, so each new one is told it again.
import { backoff } from "./backoff.js";
import type { Calls } from "./calls.js";
import type { Connection } from "./connection.js";
import { isPassing, type WeftError } from "./errors.js";
import type { Presence } from "./types.js";

/** The most users that one request names where the server does not say. */
const MAX_USERS = 500;

export class Watch {
  private readonly users = new Set<string>();
  private connection: Connection | undefined;

  constructor(
    private readonly calls: Calls,
    private readonly presence: (p: Presence) => void,
    private readonly refused: (err: WeftError) => void,
  ) {}

  async watch(users: string[]): Promise<Presence[]> {
    const added = users.filter((u) => !this.users.has(u));
    for (const user of added) this.users.add(user);
    try {
      return (await this.calls.ask<{ presence: Presence[] }>("watch", { users })).presence;
    } catch (err) {
      for (const user of added) this.users.delete(user);
      throw err;
    }
  }

  async unwatch(users: string[]): Promise<void> {
    for (const user of users) this.users.delete(user);
    await this.calls.ask("unwatch", { users });
  }

  /** Says the list again; the answers are told as events. */
  connected(connection: Connection): void {
    this.connection = connection;
    const users = [...this.users];
    const most = connection.limits.watch || MAX_USERS;
    for (let i = 0; i < users.length; i += most) this.restore(connection, users.slice(i, i + most), 1);
  }

  disconnected(): void {
    this.connection = undefined;
  }

  private restore(connection: Connection, users: string[], attempt: number): void {
    connection.request("watch", { users }, (err, ok) => {
      if (!err) {
        for (const p of (ok.presence ?? []) as Presence[]) if (this.users.has(p.user)) this.presence(p);
        return;
      }
      if (err.code === "lost") return;
      if (!isPassing(err)) {
        this.refused(err);
        return;
      }
      setTimeout(() => {
        const still = users.filter((u) => this.users.has(u));
        if (connection === this.connection && still.length > 0) this.restore(connection, still, attempt + 1);
      }, backoff(attempt));
    });
  }
}
