import { render } from "preact";
import { App } from "./store/app";
import { comeBack } from "./store/oidc";
import { Shell } from "./view/shell";
import { SignInPage } from "./view/signin";

const app = new App(location.origin, comeBack());

function Page() {
  const session = app.session.value;
  return session ? <Shell key={session.me.id} session={session} /> : <SignInPage signIn={app.signIn} />;
}

render(<Page />, document.getElementById("app")!);
