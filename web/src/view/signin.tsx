import { useSignal } from "@preact/signals";
import type { ComponentChildren, TargetedSubmitEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { SignIn } from "../store/signin";
import { Logo } from "./icons";

/** The pages before the chats: the ways in, code, name. */
export function SignInPage({ signIn }: { signIn: SignIn }) {
  const step = signIn.step.value;
  return (
    <main class="signin">
      <div class="card">
        <Logo />
        {step === "start" && <Start signIn={signIn} />}
        {step === "code" && <CodeStep signIn={signIn} />}
        {step === "name" && <NameStep signIn={signIn} />}
        {step === "returning" && <p role="status">Signing you in…</p>}
      </div>
    </main>
  );
}

/** The ways in that the server has, and why one has to take one of them again. */
function Start({ signIn }: { signIn: SignIn }) {
  const methods = signIn.methods.value;
  return (
    <>
      {signIn.why.value && <p class="hint" role="status" data-testid="ended">{signIn.why.value}</p>}
      {!methods && (signIn.unreachable.value ? (
        <p class="error" role="alert">
          {signIn.unreachable.value} <button type="button" class="link" data-testid="methods-retry" onClick={() => void signIn.loadMethods()}>Try again</button>
        </p>
      ) : <p role="status">Connecting…</p>)}
      {methods?.otp && <PhoneStep signIn={signIn} />}
      {methods && !methods.otp && <h1>Sign in to Weft</h1>}
      {methods?.oidc && (
        <div class="issuer">
          {methods.otp && <p class="or">or</p>}
          <button type="button" class={methods.otp ? "secondary" : "primary"} data-testid="oidc" disabled={signIn.busy.value} onClick={() => void signIn.goToIssuer()}>
            Sign in with <span dir="auto">{methods.oidc.name}</span>
          </button>
        </div>
      )}
      {methods && <p class="error" role="alert" data-testid="signin-error">{signIn.error.value}</p>}
    </>
  );
}

function PhoneStep({ signIn }: { signIn: SignIn }) {
  return (
    <Step signIn={signIn} title="Sign in to Weft" submit={() => signIn.requestCode()} quiet>
      <p>We send a code to your phone number.</p>
      <label for="phone">Phone number</label>
      <input id="phone" data-testid="phone" type="tel" name="phone" autocomplete="tel" required placeholder="+49 151 23456789"
        value={signIn.phone.value} onInput={(e) => (signIn.phone.value = e.currentTarget.value)} />
      <button class="primary" data-testid="otp-submit" disabled={signIn.busy.value}>Send code</button>
    </Step>
  );
}

function CodeStep({ signIn }: { signIn: SignIn }) {
  return (
    <Step signIn={signIn} title="Enter the code" submit={() => signIn.enterCode()}>
      <p>It was sent to <b>{signIn.phone.value}</b>.</p>
      {signIn.devCode.value && <p class="hint">This server runs for development. Your code is <b>{signIn.devCode.value}</b>.</p>}
      <label for="code">Code</label>
      <input id="code" data-testid="code" class="code" name="code" inputMode="numeric" autocomplete="one-time-code" required
        maxLength={12} value={signIn.code.value} onInput={(e) => (signIn.code.value = e.currentTarget.value)} />
      <button class="primary" data-testid="code-submit" disabled={signIn.busy.value}>Continue</button>
      <button type="button" class="link" onClick={() => signIn.again()}>Use another number</button>
    </Step>
  );
}

function NameStep({ signIn }: { signIn: SignIn }) {
  const name = useSignal("");
  return (
    <Step signIn={signIn} title="What is your name?" submit={() => signIn.enterName(name.value)}>
      <p>Those you write to see it.</p>
      <label for="name">Name</label>
      <input id="name" data-testid="name" name="name" autocomplete="name" required maxLength={50} pattern=".*\S.*"
        value={name.value} onInput={(e) => (name.value = e.currentTarget.value)} />
      <button class="primary" data-testid="name-submit" disabled={signIn.busy.value}>Start</button>
    </Step>
  );
}

// quiet: what goes wrong is said elsewhere on the page.
function Step(props: { signIn: SignIn; title: string; submit: () => void; quiet?: boolean; children: ComponentChildren }) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector("input")?.focus(), []);
  const submit = (e: TargetedSubmitEvent<HTMLFormElement>) => {
    e.preventDefault();
    props.submit();
  };
  return (
    <form ref={form} onSubmit={submit} aria-busy={props.signIn.busy.value}>
      <h1>{props.title}</h1>
      {props.children}
      {!props.quiet && <p class="error" role="alert" data-testid="signin-error">{props.signIn.error.value}</p>}
    </form>
  );
}
