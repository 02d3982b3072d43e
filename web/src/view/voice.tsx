import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Chat } from "../store/chat";
import { playTime } from "../store/media";
import { Recorder } from "../store/recorder";
import { useSession } from "./context";
import { CloseIcon, SendIcon } from "./icons";
import { MicIcon } from "./mediaicons";

/** Records a voice message in place of a written one. Escape throws it away. */
export function VoiceButton({ chat, sent }: { chat: Chat; sent: () => void }) {
  const session = useSession();
  const recorder = useMemo(() => new Recorder(), []);
  const button = useRef<HTMLButtonElement>(null);
  const recorded = useRef(false);
  const recording = recorder.recording.value;
  useEffect(() => () => recorder.cancel(), []);
  useEffect(() => {
    if (recorded.current && !recording) button.current?.focus(); // what had the focus is gone
    recorded.current = recording;
  }, [recording]);
  if (!Recorder.possible()) return null;
  const begin = async () => {
    try {
      await recorder.start();
    } catch (err) {
      const denied = err instanceof DOMException && err.name === "NotAllowedError";
      session.actions.tell(denied ? "Allow the microphone in the browser to record a message." : "No microphone can be used.");
    }
  };
  const send = async () => {
    const attachment = await recorder.stop();
    if (!attachment) return session.actions.tell("That was too short: record for as long as you speak.");
    const { writing } = session.actions;
    const reply = writing.value?.kind === "reply" ? { reply_to: writing.value.message.seq } : {};
    writing.value = null;
    session.uploads.add(chat.id, [{ ...attachment, more: { ...attachment.more, ...reply } }]);
    sent();
  };
  if (recording) {
    return <Recording recorder={recorder} send={() => void send()} />;
  }
  return <button ref={button} type="button" class="round" data-testid="record" aria-label="Record a voice message" title="Record a voice message" onClick={() => void begin()}><MicIcon /></button>;
}

function Recording({ recorder, send }: { recorder: Recorder; send: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <div class="recording" role="group" aria-label="Recording" data-testid="recording" onKeyDown={(e) => {
      if (e.key !== "Escape") return;
      e.stopPropagation();
      recorder.cancel();
    }}>
      <button type="button" class="round" data-testid="record-cancel" aria-label="Throw the recording away" onClick={() => recorder.cancel()}><CloseIcon /></button>
      <span class="recording-dot" aria-hidden="true" />
      <span class="player-time" role="timer" data-testid="recording-time">{playTime(recorder.elapsed.value)}</span>
      <meter class="recording-level" min="0" max="100" value={recorder.level.value} aria-label="How loud it is" />
      <button ref={button} type="button" class="round send" data-testid="record-send" aria-label="Send the recording" onClick={send}><SendIcon /></button>
    </div>
  );
}
