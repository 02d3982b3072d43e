// Keeps files that are on their way, so that a page that is reloaded goes on with them. IndexedDB holds the file itself.

/** A file on its way to a channel. */
export interface Kept {
  /** The message's cid, too. */
  readonly id: string;
  readonly me: string;
  readonly channel: string;
  readonly file: Blob;
  readonly name: string;
  readonly at: number;
  /** What goes into the message's body beside what the server says of the file. */
  readonly more: Readonly<Record<string, unknown>>;
  /** What an upload that was begun goes on by. */
  readonly resume?: string;
  readonly paused?: boolean;
  /** Why it was given up. */
  readonly failed?: string;
}

export interface UploadStore {
  all(me: string): Promise<Kept[]>;
  put(kept: Kept): Promise<void>;
  remove(id: string): Promise<void>;
}

const TABLE = "uploads";

export class StoredUploads implements UploadStore {
  private opened: Promise<IDBDatabase> | undefined;

  async all(me: string): Promise<Kept[]> {
    const all = await this.run<Kept[]>("readonly", (t) => t.getAll());
    return all.filter((k) => k.me === me).sort((a, b) => a.at - b.at);
  }

  async put(kept: Kept): Promise<void> {
    await this.run("readwrite", (t) => t.put(kept));
  }

  async remove(id: string): Promise<void> {
    await this.run("readwrite", (t) => t.delete(id));
  }

  private async run<T>(mode: IDBTransactionMode, f: (t: IDBObjectStore) => IDBRequest): Promise<T> {
    // One connection for all, so that what is written last stays. It gives way to whoever deletes the database.
    this.opened ??= open(() => (this.opened = undefined));
    const db = await this.opened;
    return new Promise((resolve, reject) => {
      const tx = db.transaction(TABLE, mode);
      const request = f(tx.objectStore(TABLE));
      tx.oncomplete = () => resolve(request.result as T);
      tx.onabort = () => reject(tx.error ?? new Error("the browser keeps nothing"));
    });
  }
}

function open(closed: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("weft.uploads", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
    request.onsuccess = () => {
      const db = request.result;
      db.onclose = closed;
      db.onversionchange = () => {
        db.close();
        closed();
      };
      resolve(db);
    };
    request.onerror = () => reject(request.error ?? new Error("the browser keeps nothing"));
  });
}
