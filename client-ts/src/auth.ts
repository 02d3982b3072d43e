// Signing in and staying so. The grant lives in a TokenStorage, which several tabs may share: a refresh token can be spent
// once only, so a refresh is single-flight in the tab and, by navigator.locks, across tabs. Where the device has a key, the
// tokens are bound to it: the grant names the key, which its own store keeps.
import { type DeviceKey, type DeviceKeys, only } from "./devicekey.js";
import { guarded } from "./emitter.js";
import { WeftError } from "./errors.js";
import { call, type Fetch } from "./http.js";
import { uuid } from "./ids.js";
import { type Ended, endedBy, type TokenStorage } from "./tokens.js";
import type { Grant, Methods } from "./types.js";

/** How long before its end an access token counts as expired: a handshake takes its time. */
const RENEW_BEFORE_MS = 30_000;
const LOCK = "weft.refresh";
/** How long what one tab has stored may take to show in another. */
const CATCH_UP_MS = 1000;

/** A device as it presents itself at sign-in. */
export type NewDevice = { name: string; platform: string };

export class Auth {
  /** @internal */
  readonly fetch: Fetch;
  private readonly url: string;
  private readonly storage: TokenStorage;
  private readonly keys: DeviceKeys | undefined;
  private held: DeviceKey | undefined;
  private readonly listeners = new Set<(g: Grant | null) => void>();
  private flight: Promise<Grant> | undefined;
  private unsubscribe: (() => void) | undefined;

  /** With keys, or the one key of a place that keeps it itself, what is signed in is bound to it; without, tokens are bearers. */
  constructor(opts: { url: string; storage: TokenStorage; keys?: DeviceKeys | DeviceKey; fetch?: typeof fetch }) {
    this.url = opts.url;
    this.storage = opts.storage;
    this.keys = opts.keys && "sign" in opts.keys ? only(opts.keys) : opts.keys;
    this.fetch = opts.fetch ?? ((...args) => globalThis.fetch(...args));
  }

  /** Who is signed in, in any tab; null when nobody is. */
  get grant(): Grant | null {
    return this.storage.load();
  }

  /** Why nobody is signed in any more, in any tab; undefined where they signed out themselves, or never were. */
  get ended(): Ended | undefined {
    return this.grant ? undefined : this.storage.ended?.();
  }

  /** How people sign in here. */
  methods(): Promise<Methods> {
    return call(this.fetch, this.url, "GET", "/v1/auth/methods");
  }

  /** Has a one-time code sent to the phone. In dev mode the reply carries it. */
  requestCode(phone: string): Promise<{ phone: string; expires_at: number; dev_code?: string }> {
    return call(this.fetch, this.url, "POST", "/v1/auth/otp", { body: { phone } });
  }

  /** Signs in with the code; the first time registers the user. */
  signIn(opts: { phone: string; code: string; name?: string; device: NewDevice }): Promise<Grant> {
    return this.enter("/v1/auth/token", opts);
  }

  /**
   * Begins a sign-in by the organisation's OpenID Connect issuer: keep `state`, and send the person to `url`. They come
   * back to redirectUri, which the issuer must know, with `state` and `code`, or with `error`, in the query.
   */
  oidcStart(redirectUri: string): Promise<{ url: string; state: string }> {
    return call(this.fetch, this.url, "POST", "/v1/auth/oidc/start", { body: { redirect_uri: redirectUri } });
  }

  /**
   * Signs in by what came back from the issuer. Where its state is not the one that oidcStart gave to this browser, do not
   * call it: it is somebody else's sign-in.
   */
  oidcToken(opts: { state: string; code: string; device: NewDevice }): Promise<Grant> {
    return this.enter("/v1/auth/oidc/token", opts);
  }

  /**
   * The key that the tokens are bound to, which signs hello's nonce; undefined where they are bearers. Where it is gone,
   * the tokens are worth nothing, and nobody is signed in any more.
   * @internal
   */
  async deviceKey(): Promise<DeviceKey | undefined> {
    const publicKey = this.grant?.public_key;
    if (!publicKey) return undefined;
    if (this.held?.publicKey === publicKey) return this.held;
    let key: DeviceKey | null | undefined;
    try {
      key = await this.keys?.find(publicKey);
    } catch (err) {
      throw new WeftError("unavailable", `the device's key cannot be read: ${err instanceof Error ? err.message : String(err)}`);
    }
    if (key) return (this.held = key);
    if (this.grant?.public_key === publicKey) this.drop("key_lost");
    throw signedOut();
  }

  /**
   * An access token that is good for a while; renewed where it nears its end or `refresh` asks for it. With `refused`,
   * the token that the server did not take, it is renewed only if nobody else did meanwhile.
   */
  async accessToken(opts: { refresh?: boolean; refused?: string } = {}): Promise<string> {
    const grant = this.grant;
    if (!grant) throw signedOut();
    const refused = opts.refused ?? (opts.refresh ? grant.access_token : undefined);
    if (usable(grant, refused)) return grant.access_token;
    return (await this.refresh(refused)).access_token;
  }

  /** Signs out here at once; the server revokes the device. Rejects where it could not be told. */
  async signOut(): Promise<void> {
    const grant = this.grant;
    if (!grant) return;
    this.keep(null);
    const tidied = this.tidy();
    try {
      const current = usable(grant, undefined) ? grant : await this.request(grant, grant.attempt ?? uuid());
      await call(this.fetch, this.url, "POST", "/v1/auth/logout", { token: current.access_token });
    } catch (err) {
      if (!refuses(err)) throw err; // refused means signed out already
    } finally {
      await tidied;
    }
  }

  /** Calls back when somebody signs in, the grant is renewed, or it is gone: in this tab or another. */
  onChange(cb: (g: Grant | null) => void): () => void {
    const own = (g: Grant | null) => cb(g);
    this.listeners.add(own);
    if (this.listeners.size === 1) this.unsubscribe = this.storage.subscribe?.(() => this.tell());
    return () => {
      if (!this.listeners.delete(own) || this.listeners.size > 0) return;
      this.unsubscribe?.();
      this.unsubscribe = undefined;
    };
  }

  /**
   * The server said that the device is revoked, and why: its grant is dropped, but not one that came meanwhile. The
   * connection calls it; an application does where it knows of the end by itself, as after Api.deleteMe.
   */
  revoked(device: string | undefined, reason?: string): void {
    if (this.grant && (device === undefined || this.grant.device.id === device)) this.drop(endedBy(reason));
  }

  // enter signs in with a key of its own. No other tab does meanwhile: it would take this one's key for one that is left over.
  private enter(path: string, opts: { device: NewDevice }): Promise<Grant> {
    return exclusively(async () => {
      try {
        const key = await this.keys?.create();
        const bound = key ? { public_key: key.publicKey } : {};
        const grant = await call<Grant>(this.fetch, this.url, "POST", path, { body: { ...opts, device: { ...opts.device, ...bound } } });
        const kept = { ...grant, ...bound };
        this.held = key ?? undefined;
        this.keep(kept);
        return kept;
      } finally {
        await this.retain(); // the key of whoever was signed in before, or of a sign-in that failed
      }
    });
  }

  private refresh(refused: string | undefined): Promise<Grant> {
    this.flight ??= exclusively((waited) => this.renew(refused, waited)).finally(() => {
      this.flight = undefined;
    });
    return this.flight;
  }

  // renew runs while no other tab does.
  private async renew(refused: string | undefined, waited: boolean): Promise<Grant> {
    if (waited) await this.caughtUp(refused);
    let grant = this.grant;
    if (!grant) throw signedOut();
    if (usable(grant, refused)) return grant; // another tab was faster
    if (!grant.attempt) {
      // Stored before it is used: if the reply is lost, whoever tries next, after a reload too, does so under this name.
      grant = { ...grant, attempt: uuid() };
      this.storage.save(grant);
    }
    try {
      const renewed = await this.request(grant, grant.attempt!);
      if (grant.public_key) renewed.public_key = grant.public_key;
      if (this.grant?.refresh_token !== grant.refresh_token) return this.overtaken();
      this.keep(renewed);
      return renewed;
    } catch (err) {
      if (!refuses(err)) throw err;
      if (this.grant?.refresh_token !== grant.refresh_token) return this.overtaken();
      this.drop("expired");
      throw signedOut();
    }
  }

  // caughtUp waits for what the tab that had the lock has stored: browsers tell other tabs of it a moment later, and the lock
  // may be there first. Where that tab stored nothing, the wait is in vain, and the refresh is tried again under its name.
  private async caughtUp(refused: string | undefined): Promise<void> {
    const until = Date.now() + CATCH_UP_MS;
    for (let grant = this.grant; grant && !usable(grant, refused) && Date.now() < until; grant = this.grant) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  private request(grant: Grant, attempt: string): Promise<Grant> {
    return call<Grant>(this.fetch, this.url, "POST", "/v1/auth/refresh", {
      body: { refresh_token: grant.refresh_token, attempt },
    });
  }

  // overtaken: somebody signed out or in while the refresh was on its way, and what they left counts.
  private overtaken(): Grant {
    const grant = this.grant;
    if (grant) return grant;
    throw signedOut();
  }

  private keep(grant: Grant | null, ended?: Ended): void {
    this.storage.save(grant, ended);
    this.tell();
  }

  // drop ends a sign-in that is good for nothing any more.
  private drop(ended: Ended): void {
    this.keep(null, ended);
    void this.tidy();
  }

  // tidy lets go of keys that no grant is bound to, once no tab signs in or refreshes.
  private tidy(): Promise<void> {
    this.held = undefined;
    if (!this.keys) return Promise.resolve();
    return exclusively(async (waited) => {
      if (waited) await new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS)); // a new grant and its key may be on their way here
      await this.retain();
    });
  }

  private async retain(): Promise<void> {
    try {
      await this.keys?.retain(this.grant?.public_key);
    } catch {
      // The store does not answer now. What is left over signs for no token, and goes at the next sign-in or sign-out.
    }
  }

  private tell(): void {
    const grant = this.grant;
    for (const cb of [...this.listeners]) guarded(() => cb(grant));
  }
}

function usable(grant: Grant, refused: string | undefined): boolean {
  return grant.access_token !== refused && grant.expires_at - Date.now() > RENEW_BEFORE_MS;
}

function refuses(err: unknown): boolean {
  return err instanceof WeftError && (err.code === "unauthenticated" || err.code === "forbidden");
}

function signedOut(): WeftError {
  return new WeftError("unauthenticated", "nobody is signed in");
}

// exclusively runs f while no other tab of the origin runs one, and tells it whether it had to wait for one. Node, and pages
// without a secure context, have no locks.
async function exclusively<T>(f: (waited: boolean) => Promise<T>): Promise<T> {
  const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  if (!locks) return f(false);
  const done = await locks.request(LOCK, { ifAvailable: true }, async (lock) => (lock ? { value: await f(false) } : undefined));
  return done ? done.value : ((await locks.request(LOCK, async () => ({ value: await f(true) }))).value as T);
}
