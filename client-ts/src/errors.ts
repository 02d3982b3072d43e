/**
 * An error with a stable code. Those of the server are `bad_request`, `unauthenticated`, `forbidden`, `not_found`,
 * `conflict`, `too_large`, `rate_limited`, `unavailable` and `internal`. Of this side come `unavailable` (no answer in
 * time, or no way to reach the server), `unauthenticated` (signed out), `too_large` and `closed` (the client was closed;
 * what was to be sent may have been stored all the same; an upload was ended).
 */
export class WeftError extends Error {
  override readonly name = "WeftError";
  readonly code: string;
  /** The HTTP status, where the error answered an HTTP call. */
  readonly status?: number;

  constructor(code: string, message: string, status?: number) {
    super(message);
    this.code = code;
    if (status !== undefined) this.status = status;
  }
}

/** What a later try may well succeed at. */
export function isPassing(err: unknown): boolean {
  return err instanceof WeftError && (err.code === "unavailable" || err.code === "rate_limited");
}

/** Reads the `err` of a reply. */
export function wireError(err: unknown): WeftError {
  const { code, message } = (err ?? {}) as { code?: unknown; message?: unknown };
  return new WeftError(typeof code === "string" ? code : "internal", typeof message === "string" ? message : "");
}
