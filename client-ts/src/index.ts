// @weft/client: Weft's wire in browsers and Node.
export { Api } from "./api.js";
export { Auth, type NewDevice } from "./auth.js";
export { Client, type Events } from "./client.js";
export { changed, isChange, targetOf } from "./changes.js";
export { type DeviceKey, type DeviceKeys, IndexedDBKeys, WebCryptoKey } from "./devicekey.js";
export { WeftError } from "./errors.js";
export { Media, mediaBody } from "./media.js";
export { userNkey } from "./nkey.js";
export { type Ended, LocalStorageTokens, MemoryTokens, type TokenStorage } from "./tokens.js";
export {
  type Channel,
  type ChannelChange,
  type Circle,
  type ConnectionState,
  type Device,
  directChannel,
  type Grant,
  type Group,
  type GroupMember,
  type GroupSettings,
  type Invite,
  type Invited,
  type Me,
  type MediaBody,
  type MediaFile,
  type MediaLink,
  type Message,
  type Methods,
  type NotAdded,
  type Outbox,
  type Pending,
  peerOf,
  type Prefs,
  type Presence,
  type Privacy,
  type Reaction,
  type Receipt,
  type Role,
  type SearchHit,
  type Sent,
  type User,
} from "./types.js";
export { type Upload, type UploadOptions, type UploadState } from "./upload.js";
