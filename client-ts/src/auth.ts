// Signing in and staying so. The grant lives in a TokenStorage, which several tabs may share: a refresh token can be spent
// once only, so a refresh is single-flight in the tab and, by navigator.locks, across tabs.
import { guarded } from "./emitter.js";
import { WeftError } from "./errors.js";
import { call, type Fetch } from "./http.js";
import { uuid } from "./ids.js";
import type { TokenStorage } from "./tokens.js";
import type { Grant } from "./types.js";

/** How long before its end an access token counts as expired: a handshake takes its time. */
const RENEW_BEFORE_MS = 30_000;
const LOCK = "weft.refresh";

export class Auth {
  /** @internal */
  readonly fetch: Fetch;
  private readonly url: string;
  private readonly storage: TokenStorage;
  private readonly listeners = new Set<(g: Grant | null) => void>();
  private flight: Promise<Grant> | undefined;
  private unsubscribe: (() => void) | undefined;

  constructor(opts: { url: string; storage: TokenStorage; fetch?: typeof fetch }) {
    this.url = opts.url;
    this.storage = opts.storage;
    this.fetch = opts.fetch ?? ((...args) => globalThis.fetch(...args));
  }

  /** Who is signed in, in any tab; null when nobody is. */
  get grant(): Grant | null {
    return this.storage.load();
  }

  /** Has a one-time code sent to the phone. In dev mode the reply carries it. */
  requestCode(phone: string): Promise<{ phone: string; expires_at: number; dev_code?: string }> {
    return call(this.fetch, this.url, "POST", "/v1/auth/otp", { body: { phone } });
  }

  /** Signs in with the code; the first time registers the user. */
  async signIn(opts: {
    phone: string;
    code: string;
    name?: string;
    device: { name: string; platform: string };
  }): Promise<Grant> {
    const grant = await call<Grant>(this.fetch, this.url, "POST", "/v1/auth/token", { body: opts });
    this.keep(grant);
    return grant;
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
    try {
      const current = usable(grant, undefined) ? grant : await this.request(grant, grant.attempt ?? uuid());
      await call(this.fetch, this.url, "POST", "/v1/auth/logout", { token: current.access_token });
    } catch (err) {
      if (!refuses(err)) throw err; // refused means signed out already
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
   * The server said that the device is revoked: its grant is dropped, but not one that came meanwhile.
   * @internal
   */
  revoked(device: string | undefined): void {
    if (this.grant && (device === undefined || this.grant.device.id === device)) this.keep(null);
  }

  private refresh(refused: string | undefined): Promise<Grant> {
    this.flight ??= exclusively(() => this.renew(refused)).finally(() => {
      this.flight = undefined;
    });
    return this.flight;
  }

  // renew runs while no other tab does.
  private async renew(refused: string | undefined): Promise<Grant> {
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
      if (this.grant?.refresh_token !== grant.refresh_token) return this.overtaken();
      this.keep(renewed);
      return renewed;
    } catch (err) {
      if (!refuses(err)) throw err;
      if (this.grant?.refresh_token !== grant.refresh_token) return this.overtaken();
      this.keep(null);
      throw signedOut();
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

  private keep(grant: Grant | null): void {
    this.storage.save(grant);
    this.tell();
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

// exclusively runs f while no other tab of the origin runs one. Node, and pages without a secure context, have no locks.
function exclusively<T>(f: () => Promise<T>): Promise<T> {
  const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  return locks ? Promise.resolve(locks.request(LOCK, f)) as Promise<T> : f();
}
