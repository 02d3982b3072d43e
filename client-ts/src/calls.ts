// Questions to the server. They may be asked while there is no connection, and again after one was lost: all of them can
// be answered twice. Who waits longer than the timeout is told that the server is unavailable.
import type { Connection } from "./connection.js";
import { WeftError } from "./errors.js";
import type { WireObject } from "./frames.js";

const TIMEOUT_MS = 15_000;

interface Call {
  op: string;
  fields: object;
  done(err: WeftError | undefined, ok: WireObject): void;
}

export class Calls {
  private readonly waiting = new Set<Call>();
  private connection: Connection | undefined;
  private ended: WeftError | undefined;

  ask<T>(op: string, fields: object): Promise<T> {
    if (this.ended) return Promise.reject(this.ended);
    return new Promise<T>((resolve, reject) => {
      const call: Call = {
        op,
        fields,
        done: (err, ok) => {
          clearTimeout(timer);
          this.waiting.delete(call);
          if (err) reject(err);
          else resolve(ok as T);
        },
      };
      const timer = setTimeout(() => call.done(new WeftError("unavailable", `${op}: no answer in ${TIMEOUT_MS / 1000} s`), {}), TIMEOUT_MS);
      this.waiting.add(call);
      this.place(call);
    });
  }

  connected(connection: Connection): void {
    this.connection = connection;
    for (const call of this.waiting) this.place(call);
  }

  disconnected(): void {
    this.connection = undefined;
  }

  /** Answers what waits, and whatever is asked from here on until `begin`. */
  end(err: WeftError): void {
    this.ended = err;
    this.fail(err);
  }

  begin(): void {
    this.ended = undefined;
  }

  fail(err: WeftError): void {
    for (const call of [...this.waiting]) call.done(err, {});
  }

  private place(call: Call): void {
    this.connection?.request(call.op, call.fields, (err, ok) => {
      if (err?.code !== "lost" && this.waiting.has(call)) call.done(err, ok);
    });
  }
}
