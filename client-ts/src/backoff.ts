// When to try again. Whatever the wait is, it spreads: a server that restarts is come back to by everybody at once.

const MIN_MS = 250;
const MAX_MS = 15_000;

/**
 * Exponential with full jitter: anywhere from 0 to a ceiling that begins at 0.25 s and doubles up to 15 s
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Attempts count from 1.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(MAX_MS, MIN_MS * 2 ** Math.min(Math.max(attempt, 1) - 1, 16));
}

/** Spreads a wait that the server asked for over ± a quarter. */
export function jitter(ms: number, random: () => number = Math.random): number {
  return ms <= 0 ? 0 : ms * (0.75 + random() / 2);
}
