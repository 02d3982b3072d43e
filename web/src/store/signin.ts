// Signing in: by phone and code or by the organisation's issuer, and a name the first time.
import { signal } from "@preact/signals";
import { Api, type Auth, type Grant, type Methods, WeftError } from "@weft/client";
import { deviceName } from "./device";
import { leave, redirectUri, type Returned } from "./oidc";

/** "returning": back from the issuer, and not signed in yet. */
export type Step = "start" | "code" | "name" | "returning";

/** What the server calls one whose issuer tells no name. */
const UNNAMED = "New here";

/** Brings what people type into E.164, or says that it is no phone number. */
export function e164(text: string): string | null {
  const phone = text.replace(/[\s().\-/]/g, "").replace(/^00/, "+");
  return /^\+[1-9]\d{6,14}$/.test(phone) ? phone : null;
}

export class SignIn {
  readonly step = signal<Step>("start");
  /** The ways in, null until the server has told them. */
  readonly methods = signal<Methods | null>(null);
  /** Why they could not be asked for. */
  readonly unreachable = signal("");
  /** Why whoever was signed in here is not any more. */
  readonly why = signal("");
  readonly phone = signal("");
  readonly code = signal("");
  readonly devCode = signal("");
  readonly busy = signal(false);
  readonly error = signal("");

  constructor(
    private readonly auth: Auth,
    private readonly url: string,
    private readonly entered: (grant: Grant) => void,
  ) {}

  /** Nobody is signed in: shows the ways in, or goes on with what came back from the issuer. */
  begin(why: string, returned: Returned | null): void {
    this.why.value = why;
    void this.loadMethods();
    if (returned) void this.finishIssuer(returned);
  }

  async loadMethods(): Promise<void> {
    this.unreachable.value = "";
    try {
      this.methods.value ??= await this.auth.methods();
    } catch (err) {
      this.unreachable.value = explain(err);
    }
  }

  /** Leaves the page for the issuer's. */
  async goToIssuer(): Promise<void> {
    await this.attempt(async () => {
      const { url, state } = await this.auth.oidcStart(redirectUri());
      leave(state);
      location.assign(url);
    });
  }

  /** For one who is signed in but has no name yet. */
  askName(): void {
    this.step.value = "name";
  }

  async requestCode(): Promise<void> {
    const phone = e164(this.phone.value);
    if (!phone) {
      this.error.value = "Write the number with its country code, such as +49 151 23456789.";
      return;
    }
    await this.attempt(async () => {
      const reply = await this.auth.requestCode(phone);
      this.phone.value = reply.phone;
      this.devCode.value = reply.dev_code ?? "";
      this.code.value = reply.dev_code ?? "";
      this.step.value = "code";
    });
  }

  async enterCode(): Promise<void> {
    await this.attempt(async () => {
      this.admit(await this.auth.signIn({ phone: this.phone.value, code: this.code.value.trim(), device: thisDevice() }));
    });
  }

  async enterName(name: string): Promise<void> {
    await this.attempt(async () => {
      const user = await new Api(this.auth, this.url).updateMe({ name: name.trim() });
      const grant = this.auth.grant;
      if (grant) this.entered({ ...grant, user: { ...grant.user, ...user } });
    });
  }

  /** Back to the ways in. */
  again(): void {
    this.step.value = "start";
    this.code.value = "";
    this.devCode.value = "";
    this.error.value = "";
  }

  /** Forgets who signed in. */
  reset(): void {
    this.again();
    this.phone.value = "";
    this.why.value = "";
  }

  private async finishIssuer({ code, state, error, expected }: Returned): Promise<void> {
    if (!expected) {
      this.error.value = "This sign-in was not begun here, or it took too long. Begin again.";
      return;
    }
    if (error) {
      this.error.value = refusal(error);
      return;
    }
    this.step.value = "returning";
    await this.attempt(async () => this.admit(await this.auth.oidcToken({ state, code, device: thisDevice() })));
    if (this.error.value) this.step.value = "start";
  }

  private admit(grant: Grant): void {
    if (nameless(grant)) this.step.value = "name";
    else this.entered(grant);
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    if (this.busy.value) return;
    this.busy.value = true;
    this.error.value = "";
    try {
      await work();
    } catch (err) {
      this.error.value = explain(err);
    } finally {
      this.busy.value = false;
    }
  }
}

function thisDevice(): { name: string; platform: string } {
  return { name: deviceName(navigator.userAgent), platform: "web" };
}

/** Someone who registered and was not asked yet: the server calls them by their phone number, or as all who have none. */
export function nameless({ user }: Grant): boolean {
  return !user.name || user.name === (user.phone ?? UNNAMED);
}

// refusal is what an issuer's error means for whoever wanted to sign in.
function refusal(error: string): string {
  switch (error) {
    case "access_denied":
      return "You were not signed in: it was cancelled, or you may not sign in here.";
    case "server_error":
    case "temporarily_unavailable":
      return "The organisation's sign-in does not work now. Try again later.";
  }
  return `The organisation's sign-in has failed${/^[a-z_]{1,40}$/.test(error) ? ` (${error})` : ""}. Tell whoever runs this server.`;
}

export function explain(err: unknown): string {
  if (!(err instanceof WeftError)) return "The server cannot be reached. Try again.";
  if (err.code === "unavailable" && err.status === undefined) return "The server cannot be reached. Try again.";
  if (err.code === "rate_limited") return "Too many attempts. Wait a little, then try again.";
  return err.message || "That did not work. Try again.";
}
