// What a chat's notification shows, and how what is pushed changes it. Without a browser in it, so that tests can hold it.

/** What the server pushes: see docs/push.md. */
export interface Payload {
  kind: "message" | "withdraw" | "edit" | "read" | "notify" | "test";
  user?: string;
  channel?: string;
  seq?: number;
  count?: number;
  lines?: Line[];
  title?: string;
  body?: string;
  link?: string;
  tag?: string;
  badge?: number;
  at?: number;
}

export interface Line {
  seq: number;
  from?: string;
  text: string;
}

/** What a notification keeps in its data. */
export interface Shown {
  title: string;
  body: string;
  channel?: string;
  link?: string;
  count: number;
  seq: number;
  lines: Line[];
  at: number;
}

/** A notification shows the newest few messages of its chat. */
const LINES = 5;

/** What is to be shown after a push: something new, aloud or in silence, nothing more, or what is shown already. */
export type Change = { show: Shown; silent: boolean } | "close" | "keep";

/** Takes a push into what its tag's notification shows so far, null for none. */
export function take(was: Shown | null, push: Payload): Change {
  switch (push.kind) {
    case "withdraw":
      return was ? without(was, (line) => line.seq === push.seq, was.lines.some((l) => l.seq === push.seq) ? 1 : was.count === 1 && was.seq === push.seq ? 1 : 0) : "keep";
    case "read": {
      if (!was) return "keep";
      const upto = push.seq ?? 0;
      if (upto >= was.seq) return "close";
      return without(was, (line) => line.seq <= upto, was.lines.filter((l) => l.seq <= upto).length);
    }
    case "edit": {
      const edited = push.lines?.[0];
      if (!was || !edited || !was.lines.some((l) => l.seq === edited.seq)) return "keep";
      const lines = was.lines.map((l) => (l.seq === edited.seq ? { ...l, text: edited.text } : l));
      return { show: worded({ ...was, lines }), silent: true };
    }
    case "message": {
      const seq = push.seq ?? 0;
      if (was && seq <= was.seq) return "keep"; // it came twice
      const lines = [...(was?.lines ?? []), ...(push.lines ?? [])].slice(-LINES);
      const count = (was?.count ?? 0) + (push.count ?? 1);
      const next: Shown = { title: push.title ?? "", body: push.body ?? "", count, seq, lines, at: push.at ?? 0, ...(push.channel && { channel: push.channel }) };
      return { show: was ? worded(next) : next, silent: false };
    }
    default:
      return {
        show: { title: push.title ?? "Weft", body: push.body ?? "", count: 1, seq: 0, lines: [], at: push.at ?? 0, ...(push.link && { link: push.link }) },
        silent: false,
      };
  }
}

function without(was: Shown, gone: (line: Line) => boolean, n: number): Change {
  if (n === 0) return "keep";
  const count = was.count - n;
  if (count <= 0) return "close";
  return { show: worded({ ...was, count, lines: was.lines.filter((l) => !gone(l)) }), silent: true };
}

/** Words what is shown from its lines; where there are none, nothing but a count may be shown. */
function worded(shown: Shown): Shown {
  const summary = shown.count === 1 ? "New message" : `${shown.count} new messages`;
  if (shown.lines.length === 0) return shown.body ? { ...shown, body: summary } : { ...shown, title: summary };
  const said = shown.lines.map((l) => (l.from ? `${l.from}: ${l.text}` : l.text));
  const body = shown.count === 1 ? said[0]! : [shown.count > said.length ? summary : "", ...said].filter(Boolean).join("\n");
  return { ...shown, body };
}
