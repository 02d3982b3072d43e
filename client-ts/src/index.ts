// @weft/client: Weft's wire in browsers and Node.
export { Api } from "./api.js";
export { Auth } from "./auth.js";
export { Client, type Events } from "./client.js";
export { WeftError } from "./errors.js";
export { LocalStorageTokens, MemoryTokens, type TokenStorage } from "./tokens.js";
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
} from "./types.js";
