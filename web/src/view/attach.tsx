import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Chat } from "../store/chat";
import { byteSize, typeName } from "../store/media";
import { describe } from "../store/describe";
import { useSession } from "./context";
import { Dialog } from "./dialog";
import { CloseIcon, SendIcon } from "./icons";
import { AttachIcon, FileIcon } from "./mediaicons";
import { Menu } from "./menu";

/** Chooses files to send: from a picker or, on phones, the camera. */
export function AttachButton({ chat }: { chat: Chat }) {
  const session = useSession();
  const files = useRef<HTMLInputElement>(null);
  const pictures = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const chosen = (e: { currentTarget: HTMLInputElement }) => {
    session.attach(chat.id, [...(e.currentTarget.files ?? [])]);
    e.currentTarget.value = ""; // the same file may be chosen again
  };
  return (
    <>
      <input ref={files} type="file" multiple hidden data-testid="attach-files" aria-label="Files" onChange={chosen} />
      <input ref={pictures} type="file" multiple hidden accept="image/*,video/*" data-testid="attach-pictures" aria-label="Photos and videos" onChange={chosen} />
      <input ref={camera} type="file" hidden accept="image/*" capture="environment" aria-label="Camera" onChange={chosen} />
      <Menu label="Attach" icon={<AttachIcon />} testid="attach" items={() => [
        { label: "Photos and videos", testid: "attach-choose-pictures", run: () => pictures.current!.click() },
        { label: "Files", testid: "attach-choose-files", run: () => files.current!.click() },
        matchMedia("(pointer: coarse)").matches && { label: "Camera", run: () => camera.current!.click() },
      ]} />
    </>
  );
}

/** What is dropped or pasted is to be sent. The handlers go on the element that takes it. */
export function useDropAndPaste(chat: Chat, may: boolean) {
  const session = useSession();
  const over = useSignal(0); // elements within that it is over
  useEffect(() => {
    // What is let go beside it must not take the page's place.
    const beside = (e: DragEvent) => {
      if (e.defaultPrevented || !e.dataTransfer?.types.includes("Files")) return;
      e.preventDefault();
      e.dataTransfer.dropEffect = "none";
    };
    addEventListener("dragover", beside);
    addEventListener("drop", beside);
    return () => {
      removeEventListener("dragover", beside);
      removeEventListener("drop", beside);
    };
  }, []);
  const has = (e: DragEvent) => may && !!e.dataTransfer?.types.includes("Files");
  return {
    over: over.value > 0,
    handlers: {
      onDragEnter: (e: DragEvent) => {
        if (!has(e)) return;
        e.preventDefault();
        over.value++;
      },
      onDragOver: (e: DragEvent) => {
        if (has(e)) e.preventDefault();
      },
      onDragLeave: (e: DragEvent) => {
        if (has(e)) over.value = Math.max(0, over.value - 1);
      },
      onDrop: (e: DragEvent) => {
        over.value = 0;
        if (!has(e)) return;
        e.preventDefault();
        session.attach(chat.id, [...e.dataTransfer!.files]);
      },
      onPaste: (e: ClipboardEvent) => {
        const files = [...(e.clipboardData?.files ?? [])];
        // Office programs put a picture of a text beside the text.
        if (!may || files.length === 0 || e.clipboardData?.types.includes("text/plain")) return;
        e.preventDefault();
        session.attach(chat.id, files);
      },
    },
  };
}

/** Shows what is to be sent, with a caption for each. */
export function AttachDialog({ chat, sent }: { chat: Chat; sent: () => void }) {
  const session = useSession();
  const { files } = session.attaching.value!;
  const captions = useRef(new Map<File, string>());
  const busy = useSignal(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const close = () => (session.attaching.value = null);
  const drop = (file: File) => {
    const left = files.filter((f) => f !== file);
    session.attaching.value = left.length > 0 ? { channel: chat.id, files: left } : null;
  };
  const send = async () => {
    if (busy.value) return;
    busy.value = true;
    const { writing } = session.actions;
    const reply = writing.value?.kind === "reply" ? { reply_to: writing.value.message.seq } : {};
    const attachments = await Promise.all(files.map(async (file, i) => {
      const caption = captions.current.get(file)?.trim();
      const more = { ...(await describe(file)), ...(caption && { caption }), ...(i === 0 && reply) };
      return { file: file as Blob, name: file.name, more };
    }));
    writing.value = null;
    session.uploads.add(chat.id, attachments);
    close();
    sent();
  };
  return (
    <Dialog title={files.length === 1 ? "Send a file" : `Send ${files.length} files`} close={close} testid="attach-dialog">
      <form class="form" onSubmit={(e) => {
        e.preventDefault();
        void send();
      }}>
        <ul class="attachments" role="list">
          {files.map((file, i) => (
            <li key={`${file.name}${file.size}${file.lastModified}`} class="attachment" data-testid="attachment">
              <Thumb file={file} />
              <span class="file-about">
                <span class="file-name" dir="auto">{file.name}</span>
                <span class="file-facts">{typeName(file)} · {byteSize(file.size)}</span>
                <input ref={i === 0 ? first : undefined} data-testid="caption" aria-label={`Caption for ${file.name}`} placeholder="Caption" maxLength={1000} dir="auto"
                  onInput={(e) => captions.current.set(file, e.currentTarget.value)} />
              </span>
              <button type="button" class="round" aria-label={`Leave out ${file.name}`} onClick={() => drop(file)}><CloseIcon /></button>
            </li>
          ))}
        </ul>
        <button class="primary" data-testid="attach-send" disabled={busy.value}><SendIcon /> Send</button>
      </form>
    </Dialog>
  );
}

/** A file's picture, where the browser can show it. */
export function Thumb({ file }: { file: Blob }) {
  const failed = useSignal(false);
  const url = useFileURL(file);
  if (failed.value || !/^(image|video)\//.test(file.type)) return <span class="thumb"><FileIcon /></span>;
  return file.type.startsWith("image/")
    ? <img class="thumb" src={url} alt="" onError={() => (failed.value = true)} />
    : <video class="thumb" src={url} muted preload="metadata" onError={() => (failed.value = true)} />;
}

/** An address of the page's own for a file that is here. */
export function useFileURL(file: Blob): string {
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return url;
}
