// @weft/client: Weft's wire in browsers and Node.
export { Api } from "./api";
export { Auth } from "./auth";
export { Client, type Events } from "./client";
export { WeftError } from "./errors";
export { LocalStorageTokens, MemoryTokens, type TokenStorage } from "./tokens";
export {
  type Channel,
  type ConnectionState,
  type Device,
  directChannel,
  type Grant,
  type Message,
  type Outbox,
  type Pending,
  peerOf,
  type Presence,
  type Receipt,
  type Sent,
  type User,
} from "./types";
