// The time, as coarse as what is said of it: days, and minutes since someone was seen.
import { signal } from "@preact/signals";

export const now = signal(Date.now());

setInterval(() => (now.value = Date.now()), 20_000);
