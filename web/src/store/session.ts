// A signed-in user in this tab: the connection, and all state that it keeps in step. Views read signals and call methods;
// only this file hands events to the state they change.
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { Api, type Auth, type ChannelChange, Client, type ConnectionState, directChannel, isChange, Media, type Message, peerOf, type User } from "@weft/client";
import { Actions } from "./actions";
import { emptyChat, marksOf } from "./chat";
import { ChatList } from "./chatlist";
import { Drafts } from "./drafts";
import { forgetChats, keepChats } from "../push/kept";
import { forget, Push } from "../push/push";
import { Outbox } from "./outgoing";
import { StoredPending } from "./pending";
import { MediaLinks } from "./medialinks";
import { Members } from "./members";
import { People } from "./people";
import { Pictures } from "./pictures";
import { Watched } from "./presence";
import { Route } from "./route";
import { split } from "./split";
import { Thread } from "./thread";
import { Typing } from "./typing";
import { Uploads } from "./uploads";
import { StoredUploads } from "./uploadstore";
import { visible } from "./visible";

/** How many conversations are held beside the open one, so that going back to one is instant. */
const HELD_THREADS = 8;

export class Session {
  readonly api: Api;
  readonly connection = signal<ConnectionState>({ name: "connecting" });
  readonly chats: ChatList;
  readonly outbox: Outbox;
  readonly typing: Typing;
  readonly watched: Watched;
  readonly drafts: Drafts;
  readonly people: People;
  readonly pictures: Pictures;
  readonly actions: Actions;
  readonly push: Push;
  readonly uploads: Uploads;
  readonly links: MediaLinks;
  /** Files that were chosen, and are not on their way yet. */
  readonly attaching = signal<{ readonly channel: string; readonly files: readonly File[] } | null>(null);
  /** The message whose picture is shown large. */
  readonly gallery = signal<Message | null>(null);
  /** Oneself as others see one; it changes with one's profile. */
  readonly self: ReturnType<typeof signal<User>>;
  /** What stands beside or in place of the chats: a list, a form. */
  readonly panel = signal<"" | "info" | "new-group" | "settings" | "starred">("");
  readonly route = new Route();
  /** The newest message that came into the open chat, for those who cannot see it come. */
  readonly announced = signal<Message | null>(null);
  readonly open = computed(() => {
    const id = this.route.channel.value;
    if (!id) return null;
    const peer = peerOf(id, this.me.id);
    return this.chats.chats.value.get(id) ?? emptyChat(id, peer ? { id: peer, name: "" } : undefined);
  });

  readonly client: Client;
  private readonly threads = new Map<string, Thread>();
  private readonly groups = new Map<string, Members>();
  private readonly undo: (() => void)[] = [];
  private synced = false;

  constructor(
    private readonly auth: Auth,
    url: string,
    readonly me: User,
  ) {
    this.api = new Api(auth, url);
    this.client = new Client({ url, auth, outbox: new StoredPending(sessionStorage, me.id) });
    this.chats = new ChatList(this.client, this.api, this.me.id);
    this.typing = new Typing(this.client);
    this.watched = new Watched(this.client);
    this.drafts = new Drafts(this.me.id, localStorage);
    this.self = signal(me);
    this.people = new People(this.api, me);
    this.pictures = new Pictures(this.api);
    this.actions = new Actions({
      api: this.api, client: this.client, chats: this.chats, me: me.id,
      thread: (channel) => this.thread(channel), message: (m) => this.message(m),
    });
    this.outbox = new Outbox(this.client, this.me.id, (m) => this.message(m), sessionStorage);
    this.push = new Push(this, auth, url);
    const media = new Media(auth, url);
    this.links = new MediaLinks(media);
    this.uploads = new Uploads(media, new StoredUploads(), me.id, (channel, body, cid) => this.outbox.send(channel, "media", body, cid));
  }

  start(): void {
    const { client } = this;
    this.undo.push(
      client.on("state", (state) => (this.connection.value = state)),
      client.on("message", (m) => this.message(m)),
      client.on("receipt", (r) => this.chats.receipt(r)),
      client.on("typing", (t) => t.user !== this.me.id && this.typing.event(t.channel, t.user, t.on)),
      client.on("presence", (p) => this.watched.event(p)),
      client.on("channel", (c) => this.changed(c)),
      client.on("synced", () => this.caughtUp()),
      client.on("reset", () => this.lostTrack()),
      effect(() => client.active(visible.value)),
      effect(() => {
        const person = this.route.person.value;
        if (person) untracked(() => void this.openPerson(person));
      }),
      effect(() => {
        const channel = this.route.channel.value;
        untracked(() => this.show(channel));
      }),
    );
    this.undo.push(keepChats(this));
    client.connect();
    this.outbox.restore();
    this.push.start();
    void this.uploads.restore();
    void this.loadSelf();
  }

  stop(): void {
    this.typing.stopped();
    this.push.stop();
    for (const undo of this.undo.splice(0)) undo();
    this.route.close();
    this.client.close();
    this.pictures.stop();
    this.links.stop();
    this.uploads.stop();
  }

  /** Leaves nothing that was written behind: who comes next may be somebody else. */
  forget(): void {
    this.drafts.clear();
    this.outbox.clear();
    forgetChats();
    void forget();
    void this.uploads.clear();
  }

  async signOut(): Promise<void> {
    this.forget();
    try {
      await this.auth.signOut();
    } catch {
      // Signed out here all the same; the server, which could not be told, lets the device's tokens expire.
    }
  }

  /** Deletes the account for good; one's phone confirms it, or one's name where one has none. */
  async deleteAccount(confirm: { phone: string } | { name: string }): Promise<void> {
    const device = this.auth.grant?.device.id;
    await this.api.deleteMe(confirm);
    this.auth.revoked(device, "deleted"); // the server has signed all devices out, and says so to this one any moment
  }

  /** Connects now instead of when the countdown ends. */
  reconnect(): void {
    this.client.connect();
  }

  /** The conversation of a channel; the least recently opened beyond a few are let go. */
  thread(channel: string): Thread {
    let thread = this.threads.get(channel);
    if (thread) this.threads.delete(channel);
    else thread = new Thread(channel, this.client, this.me.id);
    this.threads.set(channel, thread);
    for (const id of this.threads.keys()) {
      if (this.threads.size <= HELD_THREADS) break;
      if (id !== this.route.channel.peek()) this.threads.delete(id);
    }
    return thread;
  }

  /** Who is in a group. */
  members(channel: string): Members {
    let members = this.groups.get(channel);
    if (!members) this.groups.set(channel, (members = new Members(this.api, channel.slice(2), (users) => this.people.know(users))));
    return members;
  }

  /** Opens the direct chat with whoever has this phone number; says no if nobody has. */
  async openByPhone(phone: string): Promise<"opened" | "nobody" | "self"> {
    const [user] = await this.api.lookup([phone]);
    if (!user) return "nobody";
    if (user.id === this.me.id) return "self";
    const channel = directChannel(this.me.id, user.id);
    this.chats.open(channel, user);
    this.route.go(channel);
    return "opened";
  }

  // openPerson opens the direct chat with the user whose link was followed.
  private async openPerson(id: string): Promise<void> {
    const user = id === this.me.id ? undefined : await this.actions.attempt(() => this.api.user(id));
    if (this.route.person.value !== id) return; // the user went on meanwhile
    if (!user) {
      if (id === this.me.id) this.actions.tell("This is the link to yourself: give it to others.");
      return this.route.back();
    }
    const channel = directChannel(this.me.id, user.id);
    this.chats.open(channel, user);
    this.route.go(channel);
  }

  /** Sends what was written; more says what it answers and whom it mentions. */
  sendText(channel: string, text: string, more: { reply_to?: number; mentions?: string[] } = {}): void {
    this.typing.stopped();
    for (const part of split(text)) this.outbox.send(channel, "text", { text: part, ...more });
  }

  /** Takes files to be sent, once their captions are written. */
  attach(channel: string, files: readonly File[]): void {
    const before = this.attaching.value?.channel === channel ? this.attaching.value.files : [];
    if (files.length > 0) this.attaching.value = { channel, files: [...before, ...files] };
  }

  /** Sends a message to another chat as it is. */
  forward(channel: string, message: Message): void {
    const { reply_to: _, mentions: __, imported: ___, ...body } = message.body ?? {};
    this.outbox.send(channel, message.kind, { ...body, forwarded: true });
  }

  /** Opens a chat and brings one of its messages into sight. */
  openAt(channel: string, seq: number): void {
    this.route.go(channel);
    void this.thread(channel).goTo(seq);
  }

  async loadSelf(): Promise<void> {
    try {
      const me = await this.api.me();
      this.self.value = me;
      this.people.know([me]);
    } catch {
      // What the sign-in told does until the next time.
    }
  }

  private changed(change: ChannelChange): void {
    switch (change.change) {
      case "read":
        return this.chats.receipt({ channel: change.channel, user: this.me.id, read: change.read ?? 0 });
      case "hidden":
        this.threads.get(change.channel)?.update(change.seq ?? 0, () => null);
        break;
      case "starred":
        this.threads.get(change.channel)?.update(change.seq ?? 0, (m) =>
          m.kind === "deleted" ? m : { ...m, starred: change.on ?? false }, // a resume may tell of a star after its end
        );
        break;
      case "profile":
        void this.loadSelf();
        break;
      case "removed":
        this.left(change.channel, change.by !== this.me.id);
    }
    this.chats.changed(change);
  }

  /** We are no longer in a group; where others have done that, it is told. */
  left(channel: string, removed = false): void {
    if (removed && this.route.channel.value === channel) this.actions.tell("You are no longer in this group.");
    this.threads.delete(channel);
    this.groups.delete(channel);
    if (this.route.channel.value === channel) this.route.back();
    this.chats.remove(channel);
  }

  /** Says that the user has seen the conversation up to seq. */
  read(channel: string, seq: number): void {
    const chat = this.chats.get(channel);
    if (!chat || seq <= marksOf(chat, this.me.id).read) return;
    this.client.read(channel, seq);
    this.chats.receipt({ channel, user: this.me.id, read: seq });
  }

  private message(message: Message): void {
    if (endsMembership(message, this.me.id)) return this.left(message.channel, message.body.event === "removed");
    batch(() => {
      const isNew = message.seq > (this.chats.get(message.channel)?.last?.seq ?? 0);
      this.chats.message(message);
      this.threads.get(message.channel)?.receive(message);
      if (message.kind === "member") this.groups.get(message.channel)?.changed();
      if (isChange(message.kind)) return;
      if (message.from === this.me.id) {
        this.outbox.discard(message.cid); // its reply was lost, or is on its way
        return;
      }
      this.typing.event(message.channel, message.from, false);
      if (isNew && message.channel === this.route.channel.value) this.announced.value = message;
    });
  }

  // caughtUp asks for what events do not bring after a connection was lost: marks, and how much is unread elsewhere.
  private caughtUp(): void {
    void this.chats.refresh();
    void this.watched.again();
    const channel = this.route.channel.value;
    if (channel) {
      const thread = this.thread(channel);
      if (!thread.loaded.value || thread.error.value) thread.retry();
      if (this.synced) void this.receipts(channel);
    }
    this.synced = true;
  }

  // lostTrack: events were missed for good. What is held may have holes; it is read anew.
  private lostTrack(): void {
    const channel = this.route.channel.value;
    for (const id of [...this.threads.keys()]) if (id !== channel) this.threads.delete(id);
    if (channel) void this.thread(channel).loadNewest();
    void this.chats.refresh();
  }

  private async receipts(channel: string): Promise<void> {
    try {
      for (const receipt of await this.client.receipts(channel)) this.chats.receipt({ channel, ...receipt });
    } catch {
      // The connection went again, or the chat has no message yet; `synced` asks again.
    }
  }

  private show(channel: string): void {
    this.announced.value = null;
    this.actions.writing.value = null;
    this.panel.value = "";
    this.attaching.value = null;
    this.gallery.value = null;
    this.typing.stopped();
    void this.watched.watch(channel ? peerOf(channel, this.me.id) : undefined);
    if (!channel) return;
    const thread = this.thread(channel);
    if (!thread.loaded.peek()) void thread.loadNewest();
    const chat = this.chats.get(channel);
    if (!chat?.name) void (peerOf(channel, this.me.id) ? this.chats.name(channel) : this.chats.reload(channel));
    else if (chat.prefs.marked_unread) void this.actions.setPrefs(channel, { marked_unread: false });
  }
}

// endsMembership tells the last record of a group that we get. Its place in our list of chats is told apart from it, so a
// group that was joined again since comes back with the next answer of the server.
function endsMembership({ kind, body }: Message, me: string): boolean {
  return kind === "member" && (body.event === "removed" || body.event === "left") && Array.isArray(body.users) && body.users.includes(me);
}
