// A real server: the binary that WEFT_BIN names, on free ports of the loopback and a data folder of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export class Server {
  /** The address for clients; the same over restarts. */
  url = "";
  private process: ChildProcess | undefined;
  private log: string[] = [];
  private listen = { clients: "127.0.0.1:0", nats: "127.0.0.1:0", ops: "127.0.0.1:0" };

  private constructor(
    private readonly binary: string,
    private readonly data: string,
  ) {}

  static async start(): Promise<Server> {
    const binary = process.env.WEFT_BIN;
    if (!binary) throw new Error("WEFT_BIN must name the weft binary: go build -o weft ./cmd/weft && WEFT_BIN=$PWD/weft npm test");
    const server = new Server(binary, await mkdtemp(join(tmpdir(), "weft-client-")));
    await server.up();
    return server;
  }

  /** Starts the server on its data, and returns once it takes clients. */
  async up(): Promise<void> {
    const { clients, nats, ops } = this.listen;
    const args = ["up", "--data", this.data, "--listen", clients, "--nats-listen", nats, "--ops-listen", ops];
    const child = spawn(this.binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.process = child;
    createInterface({ input: child.stderr }).on("line", (line) => this.log.push(line));
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`weft ended with ${code ?? signal}:\n${this.log.join("\n")}`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        const address = /^\s*(open|operators|nats)\s.*?\/\/(127\.0\.0\.1:\d+)/.exec(line);
        if (address?.[1] === "open") this.listen.clients = address[2]!;
        if (address?.[1] === "operators") this.listen.ops = address[2]!;
        if (address?.[1] === "nats") this.listen.nats = address[2]!;
        if (line.startsWith("Ctrl-C")) resolve(); // the last line of the greeting
      });
    });
    child.removeAllListeners("exit");
    this.url = `http://${this.listen.clients}`;
  }

  /** Kills the server as a crash would. */
  async kill(): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.data, { recursive: true, force: true });
  }
}
