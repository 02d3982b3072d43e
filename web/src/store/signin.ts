// Signing in: phone, code, and a name the first time.
import { signal } from "@preact/signals";
import { Api, type Auth, type Grant, WeftError } from "@weft/client";
import { deviceName } from "./device";

export type Step = "phone" | "code" | "name";

/** Brings what people type into E.164, or says that it is no phone number. */
export function e164(text: string): string | null {
  const phone = text.replace(/[\s().\-/]/g, "").replace(/^00/, "+");
  return /^\+[1-9]\d{6,14}$/.test(phone) ? phone : null;
}

export class SignIn {
  readonly step = signal<Step>("phone");
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
      const device = { name: deviceName(navigator.userAgent), platform: "web" };
      const grant = await this.auth.signIn({ phone: this.phone.value, code: this.code.value.trim(), device });
      if (nameless(grant)) this.step.value = "name";
      else this.entered(grant);
    });
  }

  async enterName(name: string): Promise<void> {
    await this.attempt(async () => {
      const user = await new Api(this.auth, this.url).updateMe({ name: name.trim() });
      const grant = this.auth.grant;
      if (grant) this.entered({ ...grant, user: { ...grant.user, ...user } });
    });
  }

  /** Back to the phone number. */
  again(): void {
    this.step.value = "phone";
    this.code.value = "";
    this.devCode.value = "";
    this.error.value = "";
  }

  /** Forgets who signed in. */
  reset(): void {
    this.again();
    this.phone.value = "";
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

/** Someone who registered and was not asked yet: the server calls them by their phone number. */
export function nameless(grant: Grant): boolean {
  return !grant.user.name || grant.user.name === grant.user.phone;
}

export function explain(err: unknown): string {
  if (!(err instanceof WeftError)) return "The server cannot be reached. Try again.";
  if (err.code === "rate_limited") return "Too many attempts. Wait a little, then try again.";
  return err.message || "That did not work. Try again.";
}
