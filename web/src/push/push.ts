// Notifications of this browser: whether there are any, asking for them at a fitting moment, and what the page has to do
// with the service worker.
import { effect, signal } from "@preact/signals";
import type { Auth, Message } from "@weft/client";
import { isChange, peerOf } from "@weft/client";
import type { Session } from "../store/session";
import { visible } from "../store/visible";
import type { Payload } from "./shown";

export type Show = "all" | "sender" | "none";
export type State = "unsupported" | "denied" | "off" | "on";

const ASKED = "weft.push.asked";
const CHOICE = "weft.push";

interface Choice {
  on: boolean;
  show: Show;
  mentions: boolean;
}

export class Push {
  readonly state = signal<State>("off");
  readonly show = signal<Show>("all");
  readonly mentions = signal(false);
  /** It is a fitting moment to ask: the user has just written to somebody, whose answer may come when the page is closed. */
  readonly asking = signal(false);
  private readonly undo: (() => void)[] = [];

  constructor(
    private readonly session: Session,
    private readonly auth: Auth,
    private readonly url: string,
  ) {}

  /** How a message is put in words: the views know. */
  preview: (m: Message) => string = () => "New message";

  start(): void {
    if (!supported()) {
      this.state.value = "unsupported";
      return;
    }
    const { session } = this;
    const told = (event: MessageEvent) => {
      if (event.data?.type === "open" && typeof event.data.channel === "string") session.route.go(event.data.channel);
      if (event.data?.type === "renew") void this.renew();
    };
    navigator.serviceWorker.addEventListener("message", told);
    this.undo.push(
      () => navigator.serviceWorker.removeEventListener("message", told),
      session.client.on("message", (m) => this.message(m)),
      effect(() => {
        const last = session.chats.order.value[0]?.last;
        if (last?.from === session.me.id && Date.now() - last.at < 60_000) this.wrote();
      }),
      effect(() => {
        const channel = session.route.channel.value;
        if (visible.value && channel) void dismiss(channel);
      }),
    );
    void this.renew();
  }

  stop(): void {
    for (const undo of this.undo.splice(0)) undo();
  }

  /** Registers the worker and, where notifications are on, tells the server how this browser is reached by now. */
  private async renew(): Promise<void> {
    try {
      await navigator.serviceWorker.register("/sw.js");
      const choice = this.choice();
      if (Notification.permission === "denied") this.state.value = "denied";
      else if (choice?.on && Notification.permission === "granted") await this.subscribe(choice);
    } catch (error) {
      // Without a worker the page works as before; there are no notifications.
      if (this.state.value === "on") this.state.value = "off";
      if (!(error instanceof TypeError) && !(error instanceof DOMException)) throw error;
    }
  }

  /** Asks the browser for permission and subscribes: to be called from a click. */
  async turnOn(): Promise<void> {
    this.answered();
    const permission = await Notification.requestPermission();
    if (permission === "denied") this.state.value = "denied";
    if (permission !== "granted") return;
    await this.subscribe({ on: true, show: this.show.value, mentions: this.mentions.value });
  }

  async turnOff(): Promise<void> {
    this.save({ on: false, show: this.show.value, mentions: this.mentions.value });
    this.state.value = "off";
    await this.call("DELETE");
    const subscription = await (await navigator.serviceWorker.ready).pushManager.getSubscription();
    await subscription?.unsubscribe();
  }

  /** Changes what notifications show. */
  async change(p: { show?: Show; mentions?: boolean }): Promise<void> {
    if (p.show) this.show.value = p.show;
    if (p.mentions !== undefined) this.mentions.value = p.mentions;
    await this.subscribe({ on: true, show: this.show.value, mentions: this.mentions.value });
  }

  /** The question was answered, or put off: it is not asked again. */
  answered(): void {
    this.asking.value = false;
    localStorage.setItem(ASKED, "1");
  }

  private async subscribe(choice: Choice): Promise<void> {
    const { pushManager } = await navigator.serviceWorker.ready;
    const { key } = await this.call<{ key: string }>("GET", "/v1/push/vapid");
    let subscription = await pushManager.getSubscription();
    if (subscription && base64(subscription.options.applicationServerKey) !== key) { // of another server that was here
      await subscription.unsubscribe();
      subscription = null;
    }
    subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint, keys } = subscription.toJSON();
    await this.call("PUT", "/v1/devices/me/push", { kind: "webpush", endpoint, keys, show: choice.show, mentions: choice.mentions });
    this.save(choice);
    this.show.value = choice.show;
    this.mentions.value = choice.mentions;
    this.state.value = "on";
  }

  // message: what comes while the page is out of sight is shown as if it had been pushed. The server does not: this device
  // has it.
  private message(m: Message): void {
    if (m.from === this.session.me.id || visible.value || this.state.value !== "on" || m.kind === "member" || m.kind === "group" || m.kind === "settings") return;
    const chat = this.session.chats.get(m.channel);
    const until = chat?.prefs.muted_until ?? 0;
    const quiet = until === -1 || until > Date.now();
    const mentioned = Array.isArray(m.body?.mentions) && m.body.mentions.includes(this.session.me.id);
    if (m.kind !== "delete" && quiet && !(this.mentions.value && mentioned)) return;
    const push = this.payload(m);
    if (push) navigator.serviceWorker.controller?.postMessage({ type: "push", push });
  }

  private payload(m: Message): Payload | null {
    const at = m.at, channel = m.channel;
    if (m.kind === "delete") return { kind: "withdraw", channel, seq: m.body.seq, at };
    if (m.kind === "edit") return { kind: "edit", channel, seq: m.body.seq, lines: [{ seq: m.body.seq, text: this.preview({ ...m, kind: "text", body: m.body.body }) }], at };
    if (isChange(m.kind)) return null;
    const who = this.session.people.name(m.from);
    const group = !peerOf(channel, this.session.me.id);
    const text = this.preview(m);
    const common: Payload = { kind: "message", channel, seq: m.seq, count: 1, at };
    const title = group ? (this.session.chats.get(channel)?.name ?? "") : who;
    switch (this.show.value) {
      case "all":
        return { ...common, title, body: group ? `${who}: ${text}` : text, lines: [{ seq: m.seq, text, ...(group && { from: who }) }] };
      case "sender":
        return { ...common, title, body: "New message" };
      case "none":
        return { ...common, title: "New message" };
    }
  }

  /** The user has written something: the first time it is a moment to ask. */
  wrote(): void {
    if (this.state.value !== "off" || Notification.permission !== "default" || localStorage.getItem(ASKED)) return;
    this.asking.value = true;
  }

  private choice(): Choice | null {
    try {
      return JSON.parse(localStorage.getItem(`${CHOICE}.${this.session.me.id}`) ?? "null") as Choice | null;
    } catch {
      return null;
    }
  }

  private save(choice: Choice): void {
    localStorage.setItem(`${CHOICE}.${this.session.me.id}`, JSON.stringify(choice));
  }

  private async call<T = void>(method: string, path = "/v1/devices/me/push", body?: unknown): Promise<T> {
    const token = await this.auth.accessToken();
    const response = await this.auth.fetch(`${this.url.replace(/\/+$/, "")}${path}`, {
      method, headers: { Authorization: `Bearer ${token}`, ...(body !== undefined && { "Content-Type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new TypeError(`${method} ${path}: status ${response.status}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
}

function supported(): boolean {
  return "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis;
}

/** What was opened is not to be told of any more. */
async function dismiss(tag: string): Promise<void> {
  const registration = await navigator.serviceWorker.getRegistration();
  for (const n of (await registration?.getNotifications({ tag })) ?? []) n.close();
}

function base64(buffer: ArrayBuffer | null): string {
  if (!buffer) return "";
  return btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Ends what this browser keeps of one who has signed out. */
export async function forget(): Promise<void> {
  if (!supported()) return;
  const registration = await navigator.serviceWorker.getRegistration();
  if (!registration) return;
  for (const n of await registration.getNotifications()) n.close();
  await (await registration.pushManager.getSubscription())?.unsubscribe();
}
