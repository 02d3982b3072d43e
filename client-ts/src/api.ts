// The HTTP calls beside the WebSocket.
import type { Auth } from "./auth.js";
import { WeftError } from "./errors.js";
import { authorized } from "./http.js";
import type {
  Channel, Device, Group, GroupMember, GroupSettings, Invite, Invited, Me, Message, NotAdded, Prefs, Privacy, Role, SearchHit, User,
} from "./types.js";

export class Api {
  constructor(
    private readonly auth: Auth,
    private readonly url: string,
  ) {}

  me(): Promise<Me> {
    return this.call("GET", "/v1/me");
  }

  updateMe(p: { name?: string; about?: string; avatar?: string; privacy?: Partial<Privacy> }): Promise<Me> {
    return this.call("PATCH", "/v1/me", p);
  }

  /** Deletes the account for good; one's phone number confirms it, or one's name where one has no phone. */
  deleteMe(confirm: string | { phone: string } | { name: string }): Promise<void> {
    return this.call("DELETE", "/v1/me", typeof confirm === "string" ? { phone: confirm } : confirm);
  }

  /** All that the server holds of the user, as a ZIP file. */
  async exportMe(): Promise<Blob> {
    const token = await this.auth.accessToken();
    const response = await this.auth.fetch(`${this.url.replace(/\/+$/, "")}/v1/me/export`, { headers: { Authorization: `Bearer ${token}` } });
    if (!response.ok) throw new WeftError(response.status === 429 ? "rate_limited" : "unavailable", `export: status ${response.status}`, response.status);
    return response.blob();
  }

  /** Keeps a picture (PNG, JPEG or WebP, up to 256 KiB and 1024 × 1024) and returns its id. */
  async uploadAvatar(picture: Blob): Promise<string> {
    const token = await this.auth.accessToken();
    const response = await this.auth.fetch(`${this.url.replace(/\/+$/, "")}/v1/avatars`, {
      method: "POST", headers: { Authorization: `Bearer ${token}`, "Content-Type": picture.type }, body: picture,
    });
    const body = (await response.json()) as { avatar?: string; code?: string; detail?: string };
    if (!response.ok) throw new WeftError(body.code ?? "bad_request", body.detail ?? `status ${response.status}`, response.status);
    return body.avatar!;
  }

  /** Loads a picture. It never changes: who has it need not ask again. */
  async avatar(id: string): Promise<Blob> {
    const token = await this.auth.accessToken();
    const response = await this.auth.fetch(`${this.url.replace(/\/+$/, "")}/v1/avatars/${encodeURIComponent(id)}`, { headers: { Authorization: `Bearer ${token}` } });
    if (!response.ok) throw new WeftError("not_found", `picture: status ${response.status}`, response.status);
    return response.blob();
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

  async blocks(): Promise<User[]> {
    return (await this.call<{ users: User[] }>("GET", "/v1/blocks")).users;
  }

  block(user: string, on: boolean): Promise<void> {
    return this.call(on ? "PUT" : "DELETE", `/v1/blocks/${encodeURIComponent(user)}`);
  }

  async contacts(): Promise<User[]> {
    return (await this.call<{ users: User[] }>("GET", "/v1/contacts")).users;
  }

  forgetContact(user: string): Promise<void> {
    return this.call("DELETE", `/v1/contacts/${encodeURIComponent(user)}`);
  }

  /** Makes a group. The same cid again is the same group. */
  createGroup(g: { name: string; about?: string; avatar?: string; members?: string[]; settings?: Partial<GroupSettings>; cid?: string }): Promise<Group & { not_added?: NotAdded[] }> {
    return this.call("POST", "/v1/groups", g);
  }

  group(id: string): Promise<Group> {
    return this.call("GET", `/v1/groups/${encodeURIComponent(id)}`);
  }

  changeGroup(id: string, p: { name?: string; about?: string; avatar?: string; settings?: Partial<GroupSettings> }): Promise<Group> {
    return this.call("PATCH", `/v1/groups/${encodeURIComponent(id)}`, p);
  }

  /** A page of a group's members: owners, admins, members, each by when they came. */
  members(id: string, q: { limit?: number; cursor?: string } = {}): Promise<{ members: GroupMember[]; cursor?: string }> {
    return this.call("GET", `/v1/groups/${encodeURIComponent(id)}/members${query(q)}`);
  }

  addMembers(id: string, users: string[]): Promise<{ added: string[]; not_added: NotAdded[] }> {
    return this.call("POST", `/v1/groups/${encodeURIComponent(id)}/members`, { users });
  }

  setRole(id: string, user: string, role: Role): Promise<{ user: string; role: Role }> {
    return this.call("PUT", `/v1/groups/${encodeURIComponent(id)}/members/${encodeURIComponent(user)}`, { role });
  }

  /** Takes somebody out of a group; oneself leaves. */
  removeMember(id: string, user: string): Promise<void> {
    return this.call("DELETE", `/v1/groups/${encodeURIComponent(id)}/members/${encodeURIComponent(user)}`);
  }

  async invites(id: string): Promise<Invite[]> {
    return (await this.call<{ invites: Invite[] }>("GET", `/v1/groups/${encodeURIComponent(id)}/invites`)).invites;
  }

  /** Makes an invite: a code by which anyone may join. expires_in is seconds. */
  invite(id: string, p: { expires_in?: number; uses?: number } = {}): Promise<Invite> {
    return this.call("POST", `/v1/groups/${encodeURIComponent(id)}/invites`, p);
  }

  revokeInvite(id: string, code: string): Promise<void> {
    return this.call("DELETE", `/v1/groups/${encodeURIComponent(id)}/invites/${encodeURIComponent(code)}`);
  }

  /** What an invite is for. */
  invited(code: string): Promise<Invited> {
    return this.call("GET", `/v1/invites/${encodeURIComponent(code)}`);
  }

  join(code: string): Promise<Group> {
    return this.call("POST", `/v1/invites/${encodeURIComponent(code)}`);
  }

  channel(id: string): Promise<Channel> {
    return this.call("GET", `/v1/channels/${encodeURIComponent(id)}`);
  }

  setPrefs(id: string, p: Prefs & { disappear?: number }): Promise<Channel> {
    return this.call("PATCH", `/v1/channels/${encodeURIComponent(id)}`, p);
  }

  message(channel: string, seq: number): Promise<Message> {
    return this.call("GET", `/v1/channels/${encodeURIComponent(channel)}/messages/${seq}`);
  }

  /** Deletes a message for oneself alone, or for everyone. */
  deleteMessage(channel: string, seq: number, whom: "me" | "all"): Promise<void> {
    return this.call("DELETE", `/v1/channels/${encodeURIComponent(channel)}/messages/${seq}?for=${whom}`);
  }

  star(channel: string, seq: number, on: boolean): Promise<void> {
    return this.call(on ? "PUT" : "DELETE", `/v1/channels/${encodeURIComponent(channel)}/messages/${seq}/star`);
  }

  starred(q: { limit?: number; cursor?: string } = {}): Promise<{ messages: Message[]; cursor?: string }> {
    return this.call("GET", `/v1/starred${query(q)}`);
  }

  async pins(channel: string): Promise<Message[]> {
    return (await this.call<{ messages: Message[] }>("GET", `/v1/channels/${encodeURIComponent(channel)}/pins`)).messages;
  }

  /** Searches what the user may read, newest first; of the last word the beginning is enough. */
  search(q: string, more: { channel?: string; limit?: number; cursor?: string } = {}): Promise<{ hits: SearchHit[]; cursor?: string }> {
    return this.call("GET", `/v1/search${query({ q, ...more })}`);
  }

  private call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return authorized<T>(this.auth, this.url, method, path, body);
  }
}

function query(fields: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined && value !== "") q.set(name, String(value));
  const text = q.toString();
  return text && `?${text}`;
}
