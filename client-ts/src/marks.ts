// What was delivered and read. Marks only grow, so all of a channel's within a moment become one; each is said again on
// the next connection until the server confirmed it.
import { backoff } from "./backoff.js";
import type { Connection } from "./connection.js";
import { isPassing, type WeftError } from "./errors.js";

const COALESCE_MS = 100;

class Mark {
  want = 0;
  asked = 0;
  confirmed = 0;
}

export class Marks {
  private readonly channels = new Map<string, { ack: Mark; read: Mark }>();
  private connection: Connection | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;

  constructor(private readonly refused: (err: WeftError) => void) {}

  ack(channel: string, seq: number): void {
    this.raise(this.of(channel).ack, seq);
  }

  /** What is read was delivered. */
  read(channel: string, seq: number): void {
    this.raise(this.of(channel).read, seq);
  }

  /** Sends what is due, and again what may have been lost with the connection before. */
  connected(connection: Connection): void {
    this.connection = connection;
    for (const marks of this.channels.values()) {
      for (const mark of [marks.ack, marks.read]) mark.asked = mark.confirmed;
    }
    this.flush();
  }

  disconnected(): void {
    this.connection = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Sends what is due now instead of in a moment. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.connection) return;
    for (const [channel, { ack, read }] of this.channels) {
      if (ack.want > ack.asked && ack.want > read.want) this.ask("ack", channel, ack);
      if (read.want > read.asked) this.ask("read", channel, read);
    }
  }

  private raise(mark: Mark, seq: number): void {
    if (!(seq > mark.want)) return;
    mark.want = seq;
    if (this.connection) this.timer ??= setTimeout(() => this.flush(), COALESCE_MS);
  }

  private ask(op: "ack" | "read", channel: string, mark: Mark): void {
    const connection = this.connection!;
    const seq = (mark.asked = mark.want);
    connection.request(op, { channel, seq }, (err) => {
      if (!err || !(isPassing(err) || err.code === "lost")) {
        mark.confirmed = Math.max(mark.confirmed, seq); // a refused one is settled as well: it stays refused
        this.failures = 0;
        if (err) this.refused(err);
        return;
      }
      if (connection !== this.connection || err.code === "lost") return; // the next connection says it again
      mark.asked = Math.min(mark.asked, mark.confirmed);
      this.timer ??= setTimeout(() => this.flush(), COALESCE_MS + backoff(++this.failures));
    });
  }

  private of(channel: string): { ack: Mark; read: Mark } {
    let marks = this.channels.get(channel);
    if (!marks) this.channels.set(channel, (marks = { ack: new Mark(), read: new Mark() }));
    return marks;
  }
}
