// The way to the organisation's issuer and back. Between the two the tab keeps the state that the server gave, which shows
// on the way back that this browser has begun the sign-in, and where in the page its user was.

const KEY = "weft.oidc";

/** What came back from the issuer, in the address of the page. */
export interface Returned {
  readonly code: string;
  readonly state: string;
  /** Why the issuer signed nobody in (RFC 6749 section 4.1.2.1). */
  readonly error: string;
  /** It answers what this tab has begun. */
  readonly expected: boolean;
}

type Kept = { state: string; hash: string };

/** Where the issuer sends people back to; it has to have this registered. */
export function redirectUri(): string {
  return `${location.origin}/`;
}

/** Notes a sign-in that begins. */
export function leave(state: string): void {
  sessionStorage.setItem(KEY, JSON.stringify({ state, hash: location.hash } satisfies Kept));
}

/**
 * Reads what the issuer has put into the address, and takes it out again, also of the history, before anything else is
 * done: nobody is to find a code there, or to be signed in by it once more.
 */
export function comeBack(): Returned | null {
  const query = new URLSearchParams(location.search);
  const state = query.get("state") ?? "";
  const code = query.get("code") ?? "";
  const error = query.get("error") ?? "";
  if (!state || (!code && !error)) return null;
  const kept = take();
  const expected = kept?.state === state;
  history.replaceState(null, "", location.pathname + (expected ? kept!.hash : location.hash));
  return { code, state, error, expected };
}

function take(): Kept | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Partial<Kept> | null;
    sessionStorage.removeItem(KEY);
    return kept?.state ? { state: kept.state, hash: String(kept.hash ?? "") } : null;
  } catch {
    return null;
  }
}
