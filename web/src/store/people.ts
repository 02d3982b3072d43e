// Who people are: members of groups are told by their ids, and asked for once each.
import { signal } from "@preact/signals";
import type { User } from "@weft/client";

export class People {
  readonly users = signal<ReadonlyMap<string, User>>(new Map());
  private readonly asked = new Set<string>();

  constructor(
    private readonly directory: { user(id: string): Promise<User> },
    me: User,
  ) {
    this.know([me]);
  }

  know(users: readonly User[]): void {
    const next = new Map(this.users.value);
    for (const user of users) next.set(user.id, user);
    this.users.value = next;
  }

  /** What somebody is called, as far as it is known yet; it is asked for otherwise. */
  name(id: string): string {
    const user = this.users.value.get(id);
    if (!user) void this.ask(id);
    return user?.name ?? "…";
  }

  get(id: string): User | undefined {
    return this.users.value.get(id);
  }

  private async ask(id: string): Promise<void> {
    if (this.asked.has(id) || !/^[0-9a-f-]{36}$/.test(id)) return;
    this.asked.add(id);
    try {
      this.know([await this.directory.user(id)]);
    } catch {
      setTimeout(() => this.asked.delete(id), 10_000); // asked again by whoever shows them then
    }
  }
}
