// Who is in a group, page by page.
import { signal } from "@preact/signals";
import type { Api, GroupMember, User } from "@weft/client";

const PAGE = 100;

export class Members {
  readonly list = signal<readonly GroupMember[]>([]);
  readonly more = signal(false);
  private cursor: string | undefined;
  private generation = 0;
  private whole: Promise<void> | undefined;

  constructor(
    private readonly api: Pick<Api, "members">,
    private readonly group: string,
    private readonly know: (users: User[]) => void,
  ) {}

  /** Reads the first page anew. */
  async load(): Promise<void> {
    this.generation++;
    this.whole = undefined;
    await this.page(undefined, []);
  }

  /** Somebody came, went, or has another role. */
  changed(): void {
    if (this.list.value.length > 0) void this.load().catch(() => undefined); // the next change, or look, asks again
  }

  /** Reads one page more. */
  async loadMore(): Promise<void> {
    if (this.cursor) await this.page(this.cursor, this.list.value);
  }

  /** Reads all of them, once. */
  all(): Promise<void> {
    this.whole ??= (async () => {
      await this.page(undefined, []);
      for (const { generation } = this; this.cursor && generation === this.generation; ) await this.page(this.cursor, this.list.value);
    })().catch(() => {
      this.whole = undefined; // asked again by whoever needs them next
    });
    return this.whole;
  }

  private async page(cursor: string | undefined, before: readonly GroupMember[]): Promise<void> {
    const generation = this.generation;
    const page = await this.api.members(this.group, { limit: PAGE, ...(cursor && { cursor }) });
    if (generation !== this.generation) return;
    this.know(page.members.map((m) => m.user));
    this.list.value = [...before, ...page.members];
    this.cursor = page.cursor;
    this.more.value = page.cursor !== undefined;
  }
}
