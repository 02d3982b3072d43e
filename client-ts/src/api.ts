// The HTTP calls beside the WebSocket.
import type { Auth } from "./auth.js";
import { WeftError } from "./errors.js";
import { call } from "./http.js";
import type { Device, User } from "./types.js";

export class Api {
  constructor(
    private readonly auth: Auth,
    private readonly url: string,
  ) {}

  me(): Promise<User> {
    return this.call("GET", "/v1/me");
  }

  updateMe(p: { name?: string }): Promise<User> {
    return this.call("PATCH", "/v1/me", p);
  }

  user(id: string): Promise<User> {
    return this.call("GET", `/v1/users/${encodeURIComponent(id)}`);
  }

  /** Who of these phones' owners is here; `phone` of each is in E.164. */
  async lookup(phones: string[]): Promise<User[]> {
    return (await this.call<{ users: User[] }>("POST", "/v1/contacts/lookup", { phones })).users;
  }

  async devices(): Promise<Device[]> {
    return (await this.call<{ devices: Device[] }>("GET", "/v1/devices")).devices;
  }

  revokeDevice(id: string): Promise<void> {
    return this.call("DELETE", `/v1/devices/${encodeURIComponent(id)}`);
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const token = await this.auth.accessToken();
    try {
      return await call<T>(this.auth.fetch, this.url, method, path, { token, body });
    } catch (err) {
      // Clocks differ, and keys are changed: a token that is refused is renewed once.
      if (!(err instanceof WeftError) || err.code !== "unauthenticated") throw err;
      const renewed = await this.auth.accessToken({ refused: token });
      return call<T>(this.auth.fetch, this.url, method, path, { token: renewed, body });
    }
  }
}
