// One HTTP call with JSON both ways; errors are RFC 9457 problems with a `code`.
import type { Auth } from "./auth.js";
import { WeftError } from "./errors.js";

export type Fetch = typeof fetch;

const TIMEOUT_MS = 15_000;

export async function call<T>(
  fetch: Fetch,
  base: string,
  method: string,
  path: string,
  opts: { token?: string; body?: unknown } = {},
): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (opts.token) headers.Authorization = `Bearer ${opts.token}`;
  const init: RequestInit = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (opts.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(opts.body);
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(base.replace(/\/+$/, "") + path, init);
    text = await response.text();
  } catch (err) {
    throw new WeftError("unavailable", `${method} ${path}: the server cannot be reached (${err instanceof Error ? err.message : String(err)})`);
  }
  let body: unknown;
  try {
    body = text === "" ? undefined : JSON.parse(text);
  } catch {
    body = undefined; // a proxy's page: the status says enough
  }
  if (!response.ok) throw problem(response.status, body);
  if (text !== "" && body === undefined) throw new WeftError("unavailable", `${method} ${path}: the answer is no JSON`, response.status);
  return body as T;
}

/** The error that an answer is; body is its JSON, where it has some. */
export function problem(status: number, body: unknown): WeftError {
  const { code, detail, title } = (body ?? {}) as { code?: string; detail?: string; title?: string };
  return new WeftError(code ?? codeOf(status), detail ?? title ?? `status ${status}`, status);
}

/** A call of who is signed in. Clocks differ, and keys are changed: a token that is refused is renewed once. */
export async function authorized<T>(auth: Auth, base: string, method: string, path: string, body?: unknown): Promise<T> {
  const token = await auth.accessToken();
  try {
    return await call<T>(auth.fetch, base, method, path, { token, body });
  } catch (err) {
    if (!(err instanceof WeftError) || err.code !== "unauthenticated") throw err;
    const renewed = await auth.accessToken({ refused: token });
    return call<T>(auth.fetch, base, method, path, { token: renewed, body });
  }
}

// codeOf is for answers that are none of Weft's: a proxy's.
function codeOf(status: number): string {
  switch (status) {
    case 401:
      return "unauthenticated";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 409:
      return "conflict";
    case 413:
      return "too_large";
    case 429:
      return "rate_limited";
  }
  return status >= 500 ? "unavailable" : "bad_request";
}
