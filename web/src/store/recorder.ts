// Voice messages: what the microphone hears, and how loud it was.
import { signal } from "@preact/signals";
import { BARS } from "./media";
import type { Attachment } from "./uploads";

/** A voice message ends by itself. */
const MAX_MS = 30 * 60_000;

/** What is shorter was a slip. */
const MIN_MS = 400;

const types = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

export class Recorder {
  readonly recording = signal(false);
  readonly elapsed = signal(0);
  /** How loud it is now, 0 to 100. */
  readonly level = signal(0);
  private recorder: MediaRecorder | undefined;
  private chunks: Blob[] = [];
  private loud: number[] = [];
  private begun = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  private context: AudioContext | undefined;

  static possible(): boolean {
    return typeof MediaRecorder !== "undefined" && !!navigator.mediaDevices?.getUserMedia;
  }

  /** Begins once the user lets it; rejects where they do not, or there is no microphone. */
  async start(): Promise<void> {
    if (this.recorder) return;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
    const type = types.find((t) => MediaRecorder.isTypeSupported(t));
    const recorder = new MediaRecorder(stream, { audioBitsPerSecond: 32_000, ...(type && { mimeType: type }) });
    this.recorder = recorder;
    this.chunks = [];
    this.loud = [];
    recorder.ondataavailable = (e) => e.data.size > 0 && this.chunks.push(e.data);
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    recorder.start(1000);
    this.begun = performance.now();
    this.elapsed.value = 0;
    this.recording.value = true;
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const level = loudness(samples);
      this.loud.push(level);
      this.level.value = level;
      this.elapsed.value = performance.now() - this.begun;
      if (this.elapsed.value > MAX_MS && recorder.state === "recording") recorder.pause();
    }, 50);
  }

  /** Ends it and returns what was said; nothing where that was hardly anything. */
  async stop(): Promise<Attachment | undefined> {
    const { recorder } = this;
    if (!recorder) return undefined;
    const duration = Math.round(Math.min(performance.now() - this.begun, MAX_MS));
    await new Promise<void>((done) => {
      recorder.onstop = () => done();
      if (recorder.state === "inactive") done(); // the microphone was unplugged
      else recorder.stop();
    });
    this.end();
    const type = recorder.mimeType.split(";")[0] || "audio/webm";
    const file = new Blob(this.chunks, { type });
    if (file.size === 0 || duration < MIN_MS) return undefined;
    const ending = type === "audio/mp4" ? "m4a" : type === "audio/ogg" ? "ogg" : "webm";
    return { file, name: `voice.${ending}`, more: { voice: true, duration, waveform: bars(this.loud) } };
  }

  cancel(): void {
    if (this.recorder && this.recorder.state !== "inactive") this.recorder.stop();
    this.end();
  }

  private end(): void {
    clearInterval(this.timer);
    for (const track of this.recorder?.stream.getTracks() ?? []) track.stop();
    void this.context?.close();
    this.recorder = this.context = undefined;
    this.recording.value = false;
    this.level.value = 0;
  }
}

// loudness brings the mean square of samples to a scale on which a whisper is seen and shouting is the end.
function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const s of samples) sum += s * s;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-10);
  return Math.round(Math.min(100, Math.max(0, (decibels + 60) * 2)));
}

/** Brings how loud something was into the bars of a waveform: the loudest of each stretch. */
export function bars(loud: readonly number[], n = BARS): number[] {
  if (loud.length === 0) return [];
  return Array.from({ length: n }, (_, i) => {
    const from = Math.floor((i * loud.length) / n);
    const to = Math.max(from + 1, Math.floor(((i + 1) * loud.length) / n));
    return Math.max(...loud.slice(from, to));
  });
}
