// Which chat is open, kept in the address, so that the browser's back button, bookmarks and reloads do what they should.
import { type ReadonlySignal, signal } from "@preact/signals";

const prefix = "#/";

function read(): string {
  return location.hash.startsWith(prefix) ? decodeURIComponent(location.hash.slice(prefix.length)) : "";
}

export class Route {
  private readonly current = signal(read());
  readonly channel: ReadonlySignal<string> = this.current;
  private readonly changed = () => (this.current.value = read());

  constructor() {
    addEventListener("popstate", this.changed);
  }

  close(): void {
    removeEventListener("popstate", this.changed);
    history.replaceState(null, "", location.pathname);
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
