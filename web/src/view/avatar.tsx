import { useSession } from "./context";
import { ServiceIcon } from "./icons";

interface Props {
  id: string;
  name: string;
  picture?: string | undefined;
  /** It is an internal service's, which looks like no person's. */
  service?: boolean | undefined;
}

/** A picture, or the initials on a colour that stays the same for a chat. */
export function Avatar({ id, name, picture, service }: Props) {
  const url = useSession().pictures.url(picture);
  const shape = service ? " avatar-service" : "";
  if (url) return <img class={`avatar${shape}`} src={url} alt="" />;
  if (service) return <span class={`avatar${shape}`} aria-hidden="true"><ServiceIcon /></span>;
  return <span class={`avatar avatar-${hue(id)}`} aria-hidden="true">{initials(name)}</span>;
}

/** One of eight colours that stays the same for an id. */
export function hue(id: string): number {
  let sum = 0;
  for (let i = 0; i < id.length; i++) sum = (sum * 31 + id.charCodeAt(i)) >>> 0;
  return sum % 8;
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  const first = (word: string | undefined) => (word ? [...word][0]!.toUpperCase() : "");
  return first(words[0]) + (words.length > 1 ? first(words.at(-1)) : "") || "#";
}
