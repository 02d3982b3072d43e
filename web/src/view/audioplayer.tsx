import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { playTime } from "../store/media";
import { PauseIcon, PlayIcon } from "./mediaicons";

const speeds = [1, 1.5, 2];

/** One for all players, as people have it: who listens fast goes on so. */
const speed = signal(1);

/** What plays now: a second one that begins ends it. */
let playing: HTMLAudioElement | undefined;

interface Props {
  src: string;
  /** Milliseconds; 0 where the file has to tell. */
  duration: number;
  waveform: readonly number[];
  label: string;
  failed?: () => void;
}

/** Plays sound: Space or Enter on its button, arrows on its slider. */
export function AudioPlayer({ src, duration, waveform, label, failed }: Props) {
  const audio = useRef<HTMLAudioElement>(null);
  const plays = useSignal(false);
  const at = useSignal(0);
  const told = useSignal(0); // by the file
  const wanted = useRef(false);
  const length = (duration || told.value * 1000) / 1000;
  useEffect(() => () => {
    if (playing === audio.current) playing = undefined;
  }, []);
  useEffect(() => {
    if (audio.current) audio.current.playbackRate = audio.current.defaultPlaybackRate = speed.value;
  }, [speed.value, src]);
  useEffect(() => {
    if (src && wanted.current) void play();
  }, [src]);
  const play = async () => {
    const a = audio.current!;
    wanted.current = true;
    if (!src) return; // once it is there
    if (playing && playing !== a) playing.pause();
    playing = a;
    try {
      await a.play();
    } catch {
      wanted.current = false; // paused meanwhile, or it can't be played
    }
  };
  const seek = (to: number) => {
    at.value = to;
    if (audio.current!.readyState > 0) audio.current!.currentTime = to;
  };
  const shown = waveform.length > 0 ? waveform : undefined;
  const done = length > 0 ? Math.min(1, at.value / length) : 0;
  return (
    <div class="player" data-testid="player" data-playing={plays.value}>
      <audio ref={audio} preload="none" src={src || undefined}
        onPlay={() => (plays.value = true)} onPause={() => (plays.value = false)}
        onTimeUpdate={(e) => (at.value = e.currentTarget.currentTime)}
        onDurationChange={(e) => Number.isFinite(e.currentTarget.duration) && (told.value = e.currentTarget.duration)}
        onEnded={() => {
          wanted.current = false;
          plays.value = false;
          at.value = 0;
        }} onError={() => src && failed?.()} />
      <button type="button" class="round" data-testid="play" aria-label={plays.value ? `Pause ${label}` : `Play ${label}`} onClick={() => {
        if (!plays.value) return void play();
        wanted.current = false;
        audio.current!.pause();
      }}>{plays.value ? <PauseIcon /> : <PlayIcon />}</button>
      <span class="player-track">
        {shown && (
          <svg class="waveform" data-testid="waveform" viewBox={`0 0 ${shown.length * 4} 32`} preserveAspectRatio="none" aria-hidden="true">
            {shown.map((v, i) => {
              const height = Math.max(2, (v / 100) * 30);
              return <rect key={i} x={i * 4} y={16 - height / 2} width="2.500" height={height} rx="1.200" class={i / shown.length < done ? "played" : ""} />;
            })}
          </svg>
        )}
        <input type="range" class={shown ? "over-waveform" : ""} min="0" max={length || 1} step="0.1" value={at.value} aria-label={`Position in ${label}`}
          aria-valuetext={`${playTime(at.value * 1000)} of ${playTime(length * 1000)}`} onInput={(e) => seek(Number(e.currentTarget.value))} />
      </span>
      <span class="player-time">{playTime((plays.value || at.value > 0 ? at.value : length) * 1000)}</span>
      <button type="button" class="speed" data-testid="speed" aria-label={`Speed ${speed.value}×`} onClick={() => (speed.value = speeds[(speeds.indexOf(speed.value) + 1) % speeds.length]!)}>{speed.value}×</button>
    </div>
  );
}
