// Whether somebody is signed in, and as whom: in this tab and, as tabs share the grant, in all.
import { signal } from "@preact/signals";
import { Auth, type Grant, IndexedDBKeys, LocalStorageTokens } from "@weft/client";
import { explainEnd } from "./ended";
import type { Returned } from "./oidc";
import { Session } from "./session";
import { nameless, SignIn } from "./signin";

export class App {
  readonly session = signal<Session | null>(null);
  readonly signIn: SignIn;
  private readonly tokens = new LocalStorageTokens("weft.grant");
  private readonly auth: Auth;

  /** returned is what came back from the issuer, where the page was opened by that. */
  constructor(
    private readonly url: string,
    returned: Returned | null,
  ) {
    this.auth = new Auth({ url, storage: this.tokens, keys: new IndexedDBKeys() });
    this.signIn = new SignIn(this.auth, url, (grant) => this.enter(grant));
    this.auth.onChange((grant) => this.changed(grant));
    if (this.auth.grant) this.changed(this.auth.grant);
    else this.signIn.begin(explainEnd(this.auth.ended), returned);
  }

  // changed: a grant came (this tab or another signed in or refreshed), or went (signed out, or revoked).
  private changed(grant: Grant | null): void {
    const session = this.session.value;
    if (session && session.me.id !== grant?.user.id) {
      session.forget();
      session.stop();
      this.session.value = null;
      this.signIn.reset();
      this.signIn.begin(explainEnd(this.auth.ended), null);
    }
    if (!grant && this.signIn.step.value === "name") this.signIn.again(); // signed out elsewhere before they had one
    if (!grant || this.session.value || this.signIn.busy.value) return; // one who is signing in here goes on by themselves
    if (nameless(grant)) this.signIn.askName();
    else this.enter(grant);
  }

  private enter(grant: Grant): void {
    if (this.session.value) return;
    this.tokens.save(grant); // with the name that was just given
    const session = new Session(this.auth, this.url, grant.user);
    session.start();
    this.session.value = session;
    this.signIn.reset();
  }
}
