// What is open, kept in the address, so that the browser's back button, bookmarks and reloads do what they should:
// #/<channel> is a chat, #/join/<code> an invite, #/with/<user> the chat with somebody.
import { computed, type ReadonlySignal, signal } from "@preact/signals";

const prefix = "#/";
const joining = "join/";
const meeting = "with/";

function read(): string {
  if (!location.hash.startsWith(prefix)) return "";
  try {
    return decodeURIComponent(location.hash.slice(prefix.length));
  } catch {
    return ""; // no address of ours
  }
}

/** Where an invite leads whoever opens it. */
export function inviteLink(code: string): string {
  return `${location.origin}${location.pathname}${prefix}${joining}${encodeURIComponent(code)}`;
}

/** Where whoever opens it can write to a user: for those who have no phone to be found by. */
export function personLink(user: string): string {
  return `${location.origin}${location.pathname}${prefix}${meeting}${encodeURIComponent(user)}`;
}

export class Route {
  private readonly current = signal(read());
  /** The open chat, "" if none is. */
  readonly channel: ReadonlySignal<string> = computed(() => (this.after(joining) || this.after(meeting) ? "" : this.current.value));
  /** The code of the invite that was followed, "" if none was. */
  readonly invite: ReadonlySignal<string> = computed(() => this.after(joining));
  /** Whose link was followed, "" if none was. */
  readonly person: ReadonlySignal<string> = computed(() => this.after(meeting));
  private readonly changed = () => (this.current.value = read());

  constructor() {
    addEventListener("popstate", this.changed);
  }

  close(): void {
    removeEventListener("popstate", this.changed);
    history.replaceState(null, "", location.pathname);
  }

  private after(place: string): string {
    return this.current.value.startsWith(place) ? this.current.value.slice(place.length) : "";
  }

  /** From one chat to another is no step back: back leads to the list. */
  go(channel: string): void {
    if (channel === this.current.value) return;
    const address = prefix + encodeURIComponent(channel);
    if (this.current.value) history.replaceState(history.state, "", address);
    else history.pushState({ fromList: true }, "", address);
    this.current.value = channel;
  }

  back(): void {
    if (history.state?.fromList) return history.back();
    history.replaceState(null, "", location.pathname);
    this.current.value = "";
  }
}
