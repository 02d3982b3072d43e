import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { squared } from "../store/pictures";
import { explain } from "../store/signin";
import { Avatar } from "./avatar";
import { useSession } from "./context";

interface Props {
  id: string;
  name: string;
  picture?: string | undefined;
  service?: boolean;
  /** Takes the picture's id, "" to have none; absent where it is not ours to change. */
  save?: ((picture: string) => Promise<unknown>) | false;
}

/** A large picture, and how to change it. */
export function Picture({ id, name, picture, service, save }: Props) {
  const session = useSession();
  const busy = useSignal(false);
  const error = useSignal("");
  const file = useRef<HTMLInputElement>(null);
  const attempt = async (work: () => Promise<unknown>) => {
    busy.value = true;
    error.value = "";
    try {
      await work();
    } catch (err) {
      error.value = err instanceof DOMException ? "This file is no picture that can be shown." : explain(err);
    } finally {
      busy.value = false;
    }
  };
  return (
    <div class="picture" aria-busy={busy.value}>
      <Avatar id={id} name={name} picture={picture} service={service} />
      {save && (
        <div class="row">
          <input ref={file} type="file" hidden accept="image/png,image/jpeg,image/webp" data-testid="picture-file" onChange={(e) => {
            const chosen = e.currentTarget.files?.[0];
            e.currentTarget.value = "";
            if (chosen) void attempt(async () => save(await session.api.uploadAvatar(await squared(chosen))));
          }} />
          <button type="button" class="link" disabled={busy.value} onClick={() => file.current?.click()}>{picture ? "Change picture" : "Add a picture"}</button>
          {picture && <button type="button" class="link" disabled={busy.value} onClick={() => void attempt(() => save(""))}>Remove it</button>}
        </div>
      )}
      <p class="error" role="alert">{error.value}</p>
    </div>
  );
}
