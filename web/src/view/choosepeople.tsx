import { useSignal } from "@preact/signals";
import type { User } from "@weft/client";
import { useEffect } from "preact/hooks";
import { e164, explain } from "../store/signin";
import { Avatar } from "./avatar";
import { useSession } from "./context";

interface Props {
  /** By id. */
  chosen: ReadonlyMap<string, User>;
  choose: (chosen: ReadonlyMap<string, User>) => void;
  /** Those that are not to be chosen. */
  without?: (user: string) => boolean;
}

/** Chooses people: of one's contacts and those one has chats with, or by a phone number. */
export function ChoosePeople({ chosen, choose, without = () => false }: Props) {
  const session = useSession();
  const contacts = useSignal<readonly User[]>([]);
  const text = useSignal("");
  const error = useSignal("");
  useEffect(() => {
    void session.actions.attempt(async () => (contacts.value = await session.api.contacts()));
  }, []);

  const known = new Map<string, User>();
  for (const user of contacts.value) known.set(user.id, user);
  for (const chat of session.chats.chats.value.values()) if (chat.peer?.name) known.set(chat.peer.id, chat.peer);
  for (const user of chosen.values()) known.set(user.id, user);
  const wanted = text.value.trim().toLocaleLowerCase();
  const people = [...known.values()]
    .filter((u) => u.id !== session.me.id && !u.deleted && !without(u.id) && (chosen.has(u.id) || u.name.toLocaleLowerCase().includes(wanted)))
    .sort((a, b) => a.name.localeCompare(b.name));

  const toggle = (user: User) => {
    const next = new Map(chosen);
    if (!next.delete(user.id)) next.set(user.id, user);
    choose(next);
  };
  const find = async () => {
    const phone = e164(text.value);
    error.value = "";
    if (!phone) return void (error.value = people.length === 0 ? "Nobody you know is called so. A phone number with its country code finds others." : "");
    try {
      const [user] = await session.api.lookup([phone]);
      if (!user) error.value = `Nobody here has the number ${phone}.`;
      else if (user.id === session.me.id) error.value = "That is your own number.";
      else if (without(user.id)) error.value = `${user.name} is here already.`;
      else {
        choose(new Map(chosen).set(user.id, user));
        text.value = "";
      }
    } catch (err) {
      error.value = explain(err);
    }
  };
  return (
    <div class="choose">
      <div class="row">
        <input type="search" data-testid="choose-text" aria-label="Name or phone number" placeholder="Name or phone number" value={text.value}
          onInput={(e) => (text.value = e.currentTarget.value)} onKeyDown={(e) => {
            if (e.key !== "Enter") return;
            e.preventDefault();
            void find();
          }} />
        <button type="button" class="primary" data-testid="choose-find" onClick={() => void find()}>Find</button>
      </div>
      <p class="error" role="alert">{error.value}</p>
      <ul class="choices" role="list">
        {people.map((user) => (
          <li key={user.id}>
            <label class="choice">
              <input type="checkbox" data-testid="choose-user" data-user={user.id} checked={chosen.has(user.id)} onChange={() => toggle(user)} />
              <Avatar id={user.id} name={user.name} picture={user.avatar} />
              <span dir="auto">{user.name}</span>
            </label>
          </li>
        ))}
      </ul>
    </div>
  );
}
