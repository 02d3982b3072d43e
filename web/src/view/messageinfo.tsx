import { useSignal } from "@preact/signals";
import type { Message, Receipt } from "@weft/client";
import { useEffect } from "preact/hooks";
import { useSession } from "./context";
import { Dialog } from "./dialog";
import { preview } from "./kinds";

/** Who has a message and who has read it. */
export function MessageInfo({ message, close }: { message: Message; close: () => void }) {
  const session = useSession();
  const receipts = useSignal<readonly Receipt[]>([]);
  const more = useSignal<string | undefined>("");
  const load = () => void session.actions.attempt(async () => {
    const page = await session.client.receiptsOf(message.channel, message.seq, more.value || undefined);
    receipts.value = [...receipts.value, ...page.receipts.filter((r) => r.user !== session.me.id && r.delivered >= message.seq)];
    more.value = page.cursor;
  });
  useEffect(load, []);
  const read = receipts.value.filter((r) => r.read >= message.seq);
  const delivered = receipts.value.filter((r) => r.read < message.seq);
  return (
    <Dialog title="Message info" close={close} testid="info-dialog">
      <p class="quote-text" dir="auto">{preview(message, session.people)}</p>
      <Group title="Read by" receipts={read} />
      <Group title="Delivered to" receipts={delivered} />
      {more.value && <button type="button" class="link" onClick={load}>More</button>}
    </Dialog>
  );
}

function Group({ title, receipts }: { title: string; receipts: readonly Receipt[] }) {
  const { people } = useSession();
  return (
    <section>
      <h3>{title} ({receipts.length})</h3>
      <ul role="list">{receipts.map((r) => <li key={r.user} dir="auto">{people.name(r.user)}</li>)}</ul>
    </section>
  );
}
