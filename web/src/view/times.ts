// Times as people say them, in the language and the zone of the browser.
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "2-digit", day: "2-digit" });
const longDate = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "long", day: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** Days between the two, as the calendar counts them: 0 today, 1 yesterday. */
export function daysAgo(at: number, now: number): number {
  return Math.round((midnight(now) - midnight(at)) / 86_400_000);
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

export const sameDay = (a: number, b: number) => midnight(a) === midnight(b);
export const clockTime = (at: number) => time.format(at);
export const exactTime = (at: number) => exact.format(at);

/** Over a day's messages. */
export function dayName(at: number, now: number): string {
  const days = daysAgo(at, now);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days > 1 && days < 7 ? weekday.format(at) : longDate.format(at);
}

/** In the list of chats. */
export function shortTime(at: number, now: number): string {
  const days = daysAgo(at, now);
  if (days <= 0) return clockTime(at);
  if (days === 1) return "Yesterday";
  return days < 7 ? weekday.format(at) : date.format(at);
}

export function lastSeen(at: number, now: number): string {
  if (now - at < 60_000) return "last seen just now";
  const days = daysAgo(at, now);
  if (days <= 0) return `last seen today at ${clockTime(at)}`;
  if (days === 1) return `last seen yesterday at ${clockTime(at)}`;
  return `last seen ${date.format(at)}`;
}

/** A time after which messages disappear, in seconds. */
export function duration(seconds: number): string {
  const days = Math.round(seconds / 86_400);
  return days === 1 ? "1 day" : days === 7 ? "1 week" : `${days} days`;
}
