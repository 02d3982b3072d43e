// A device's key. Tokens that were issued with its public half are worth nothing without it: hello is signed.
import { base64url, userNkey } from "./nkey.js";

export interface DeviceKey {
  /** The public half, a user nkey (U…): see userNkey. */
  readonly publicKey: string;
  /** The Ed25519 signature of the nonce's bytes (UTF-8) as base64url without padding. */
  sign(nonce: string): Promise<string>;
}

/** Where an application's device keys are made and kept. */
export interface DeviceKeys {
  /** Makes a key and keeps it; null where this place cannot have one: the tokens are bearers then. */
  create(): Promise<DeviceKey | null>;
  /** The key with this public half, null where it is not there any more. Rejects where that cannot be told now. */
  find(publicKey: string): Promise<DeviceKey | null>;
  /** Lets go of all keys but the one with this public half; of all without it. */
  retain(publicKey: string | undefined): Promise<void>;
}

/** A key of WebCrypto that nobody can read out, the page's own code included: it can be used to sign, and no more. */
export class WebCryptoKey implements DeviceKey {
  constructor(
    readonly publicKey: string,
    private readonly privateKey: CryptoKey,
  ) {}

  /** Makes a key. Rejects where WebCrypto has no Ed25519, or the page is in no secure context and has no WebCrypto. */
  static async generate(): Promise<WebCryptoKey> {
    const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"])) as CryptoKeyPair;
    const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
    return new WebCryptoKey(userNkey(new Uint8Array(raw)), pair.privateKey);
  }

  async sign(nonce: string): Promise<string> {
    const signature = await crypto.subtle.sign({ name: "Ed25519" }, this.privateKey, new TextEncoder().encode(nonce));
    return base64url(new Uint8Array(signature));
  }

  /** What IndexedDB keeps; a CryptoKey there stays as unextractable as it is. */
  get stored(): StoredKey {
    return { publicKey: this.publicKey, privateKey: this.privateKey };
  }
}

type StoredKey = { publicKey: string; privateKey: CryptoKey };

const STORE = "keys";

/** Keeps WebCrypto's keys in the browser's IndexedDB, which all tabs share. */
export class IndexedDBKeys implements DeviceKeys {
  constructor(private readonly database = "weft.keys") {}

  async create(): Promise<DeviceKey | null> {
    try {
      const key = await WebCryptoKey.generate();
      // Strictly: the token that is asked for with it is stored elsewhere, and is lost without the key.
      await this.with("readwrite", (store) => store.put(key.stored), { durability: "strict" });
      return key;
    } catch {
      return null; // an older browser, a page over plain HTTP, or a private window that keeps nothing
    }
  }

  async find(publicKey: string): Promise<DeviceKey | null> {
    const found = await this.with<StoredKey | undefined>("readonly", (store) => store.get(publicKey));
    return found ? new WebCryptoKey(found.publicKey, found.privateKey) : null;
  }

  async retain(publicKey: string | undefined): Promise<void> {
    const all = await this.with<IDBValidKey[]>("readonly", (store) => store.getAllKeys());
    for (const key of all) if (key !== publicKey) await this.with("readwrite", (store) => store.delete(key));
  }

  // with does one thing in a transaction of its own, and closes the database: one that is held open cannot be deleted.
  private async with<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest, opts?: IDBTransactionOptions): Promise<T> {
    const db = await this.open();
    try {
      return await new Promise<T>((resolve, reject) => {
        const transaction = db.transaction(STORE, mode, opts);
        const request = work(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(request.result as T);
        transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB gave the transaction up"));
      });
    } finally {
      db.close();
    }
  }

  private open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.database, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "publicKey" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("IndexedDB cannot be opened"));
    });
  }
}

/** The keys of a place that has one, which it keeps itself. */
export function only(key: DeviceKey): DeviceKeys {
  return {
    create: async () => key,
    find: async (publicKey) => (publicKey === key.publicKey ? key : null),
    retain: async () => {},
  };
}
