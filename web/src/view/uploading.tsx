import { byteSize } from "../store/media";
import type { Uploading } from "../store/uploads";
import { Thumb } from "./attach";
import { useSession } from "./context";
import { CloseIcon } from "./icons";
import { PauseIcon, PlayIcon, RetryIcon } from "./mediaicons";
import { clockTime, exactTime } from "./times";

const words = { queued: "Waits for others", uploading: "", waiting: "Waits for the connection", paused: "Paused", failed: "", done: "" };

/** A file of ours on its way. */
export function UploadBubble({ upload, first }: { upload: Uploading; first: boolean }) {
  const { uploads } = useSession();
  const { id, name, file, state, bytes, at, failed } = upload;
  const caption = typeof upload.more.caption === "string" ? upload.more.caption : "";
  const label = upload.more.voice ? "Voice message" : name;
  const done = file.size > 0 ? bytes / file.size : 0;
  return (
    <li class={`message out${first ? " first" : ""}`} data-testid="upload" data-state={state} data-name={name} data-bytes={bytes}>
      <div class="bubble">
        <span class="sr-only">You: </span>
        <div class="file-card">
          <Thumb file={file} />
          <span class="file-about">
            <span class="file-name" dir="auto">{label}</span>
            <progress max="1" value={done} aria-label={`Upload of ${label}`} data-testid="progress" />
            <span class="file-facts" aria-live={state === "waiting" ? "polite" : undefined}>{words[state] || `${byteSize(bytes)} of ${byteSize(file.size)}`}</span>
          </span>
          {state === "failed" ? (
            <button type="button" class="round" data-testid="upload-retry" aria-label={`Try ${label} again`} title="Try again" onClick={() => uploads.retry(id)}><RetryIcon /></button>
          ) : state === "paused" ? (
            <button type="button" class="round" data-testid="upload-resume" aria-label={`Go on with ${label}`} title="Go on" onClick={() => uploads.resume(id)}><PlayIcon /></button>
          ) : (
            <button type="button" class="round" data-testid="upload-pause" aria-label={`Pause ${label}`} title="Pause" onClick={() => uploads.pause(id)}><PauseIcon /></button>
          )}
          <button type="button" class="round" data-testid="upload-cancel" aria-label={`Cancel ${label}`} title="Cancel" onClick={() => uploads.cancel(id)}><CloseIcon /></button>
        </div>
        {caption && <span class="text" dir="auto">{caption}</span>}
        <span class="meta"><time dateTime={new Date(at).toISOString()} title={exactTime(at)}>{clockTime(at)}</time></span>
      </div>
      {failed && <p class="failed" role="alert">Not sent: {failed}</p>}
    </li>
  );
}
