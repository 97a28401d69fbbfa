// Opus in, sound out, by WebCodecs and Web Audio. Live it plays what comes, a moment after it came; in a
// replay it follows the moment that is shown, at that speed. Browsers let nothing sound before somebody
// asked for it: hear() must be called from a press.

import { fromBinary } from '@bufbuild/protobuf';
import { CompressedAudioSchema } from '../../gen/protocol/foxglove/CompressedAudio_pb';
import { Emitter } from '../base/emitter';
import { Stretcher } from '../base/stretch';
import type { ChannelMessage } from '../net/wire';

const RATE_HZ = 48000;

/* What comes is played so much later, so that a packet that is late is not too late. */
const LEAD_S = 0.06;

/* Further ahead than this it is let go, and what comes next is played at once. */
const AHEAD_S = 0.5;

/* The context's clock goes in steps of the device's buffers: it is smoothed by the page's, over about so
   many looks at it, and taken anew when they differ by more than buffers do. */
const SMOOTH_LOOKS = 20;
const ANOTHER_CLOCK_S = 0.1;

/* instead of what nobody is to hear: soft, and without a jump at its ends */
const TONE_HZ = 600;
const TONE_HEIGHT = 0.06;
const TONE_RAMP_S = 0.01;

interface Track {
  decoder: AudioDecoder;
  stretcher?: Stretcher; // at other speeds than 1
}

/** Topics with sound to be heard. */
export const SOUND_TOPICS: readonly string[] = ['/sound', '/sound/monitor'];

function rememberedVolume(): number {
  const volume = Number(localStorage.getItem('volume') ?? 1);
  return volume >= 0 && volume <= 1 ? volume : 1;
}

export class Sound extends Emitter {
  /** Somebody wants to hear it. */
  hearing = false;
  /** Why this browser cannot; "" when it can. */
  unable = '';
  /** 0 to 1, as on the slider; kept for the next time. */
  volume = rememberedVolume();
  packetsPlayed = 0;

  #context?: AudioContext;
  #gain?: GainNode;
  #meter?: AnalyserNode;
  #tracks = new Map<string, Track>(); // by topic: the microphone, and what the machine plays
  #originNs = 0n; // session time that timestamps are counted from
  #originS = 0; // when that is played, on the context's clock
  #skewS = Number.NaN; // what is heard now on it, less the page's clock
  #following = false;
  #speed = 1;
  #playing = new Set<AudioScheduledSourceNode>();

  /** From a press of a key or a button. */
  async hear(): Promise<void> {
    if (!('AudioDecoder' in window)) {
      this.unable = 'this browser cannot decode the sound';
      this.changed();
      return;
    }
    this.#context ??= new AudioContext({ sampleRate: RATE_HZ, latencyHint: 'interactive' });
    if (!this.#meter) {
      this.#meter = this.#context.createAnalyser();
      this.#meter.fftSize = 32768;
      this.#gain = this.#context.createGain();
      this.#gain.gain.value = this.volume ** 2;
      this.#gain.connect(this.#meter).connect(this.#context.destination);
    }
    this.hearing = true;
    this.changed();
    await this.#context.resume();
    this.#skewS = Number.NaN;
  }

  async hush(): Promise<void> {
    this.hearing = false;
    this.reset();
    this.changed();
    await this.#context?.suspend();
  }

  /** Half of the slider sounds half as loud: that is a quarter of the height. */
  setVolume(volume: number): void {
    this.volume = volume;
    localStorage.setItem('volume', String(volume));
    if (this.#context) this.#gain?.gain.setTargetAtTime(volume ** 2, this.#context.currentTime, 0.01);
    this.changed();
  }

  /** Another moment or another session comes: be silent, and play what comes as it comes. */
  reset(): void {
    for (const { decoder } of this.#tracks.values()) if (decoder.state !== 'closed') decoder.close();
    this.#tracks.clear();
    this.#originNs = 0n;
    this.#following = false;
    this.#speed = 1;
    for (const node of this.#playing) node.stop();
    this.#playing.clear();
  }

  /** A moment is shown now, and time goes on at a speed: what comes is played when it is its turn. */
  follow(timeNs: bigint, speed = 1): void {
    this.reset();
    if (!this.#context) return;
    this.#following = true;
    this.#speed = speed;
    this.#originNs = timeNs;
    this.#originS = this.#heardS(this.#context);
  }

  /** By how much it is off the moment that is shown, in seconds; NaN when it does not follow. */
  off(timeNs: bigint): number {
    if (!this.#context || !this.#following) return Number.NaN;
    return this.#heardS(this.#context) - this.#dueS(timeNs);
  }

  /** What is heard now, on the context's clock: what leaves it is heard so much later. */
  #heardS(context: AudioContext): number {
    const pageS = performance.now() / 1000;
    const skewS = context.currentTime - (context.outputLatency || 0) - pageS;
    const offS = skewS - this.#skewS; // NaN at first
    if (Math.abs(offS) < ANOTHER_CLOCK_S) this.#skewS += offS / SMOOTH_LOOKS;
    else this.#skewS = skewS;
    return pageS + this.#skewS;
  }

  /** When a moment is played, on the context's clock. */
  #dueS(timeNs: bigint): number {
    return this.#originS + Number(timeNs - this.#originNs) / 1e9 / this.#speed;
  }

  /** A tone over a span that nobody is to hear, when it is its turn; for what follows a moment. */
  tone(fromNs: bigint, toNs: bigint): void {
    const context = this.#context;
    if (!context || !this.#gain || !this.#following) return;
    const beginS = Math.max(context.currentTime, this.#dueS(fromNs));
    const endS = this.#dueS(toNs);
    if (endS < beginS + 2 * TONE_RAMP_S) return;
    const tone = new OscillatorNode(context, { frequency: TONE_HZ });
    const soft = new GainNode(context, { gain: 0 });
    soft.gain.setValueAtTime(0, beginS);
    soft.gain.linearRampToValueAtTime(TONE_HEIGHT, beginS + TONE_RAMP_S);
    soft.gain.setValueAtTime(TONE_HEIGHT, endS - TONE_RAMP_S);
    soft.gain.linearRampToValueAtTime(0, endS);
    tone.connect(soft).connect(this.#gain);
    this.#start(tone, beginS);
    tone.stop(endS);
  }

  /** When what was at a session time is heard, by performance.now(); NaN when nothing is playing. */
  heardAtMs(timeNs: bigint): number {
    if (!this.#context || !this.#originS || this.#playing.size === 0) return Number.NaN;
    return performance.now() + (this.#dueS(timeNs) - this.#heardS(this.#context)) * 1000;
  }

  /** The loudest of the last two thirds of a second, 0 to 1. */
  peak(): number {
    if (!this.#meter || !this.hearing) return 0;
    const samples = new Float32Array(this.#meter.fftSize);
    this.#meter.getFloatTimeDomainData(samples);
    return samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
  }

  take(message: ChannelMessage): void {
    if (!this.hearing || !this.#context) return;
    const packet = fromBinary(CompressedAudioSchema, message.data);
    if (packet.format !== 'opus') return;
    this.#originNs ||= message.timeNs;
    const { decoder } = this.#tracks.get(message.topic) ?? this.#open(message.topic);
    if (decoder.state !== 'configured') return;
    decoder.decode(
      new EncodedAudioChunk({
        type: 'key',
        timestamp: Number((message.timeNs - this.#originNs) / 1000n),
        data: packet.data,
      }),
    );
  }

  #open(topic: string): Track {
    const decoder = new AudioDecoder({
      output: (data) => {
        if (this.#tracks.get(topic) === track) this.#play(track, data);
        data.close();
      },
      error: () => {
        /* the next packet goes into a fresh one */
        if (this.#tracks.get(topic) === track) this.reset();
      },
    });
    const track: Track = { decoder };
    if (this.#speed !== 1) track.stretcher = new Stretcher(this.#speed, RATE_HZ);
    decoder.configure({ codec: 'opus', sampleRate: RATE_HZ, numberOfChannels: 1 });
    if (!this.#following && this.#tracks.size === 0) this.#originS = 0;
    this.#tracks.set(topic, track);
    return track;
  }

  #play(track: Track, data: AudioData): void {
    const context = this.#context;
    if (!context || context.state !== 'running') return;
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    const offsetS = data.timestamp / 1e6;
    if (!track.stretcher) {
      this.#schedule(context, samples, data.sampleRate, offsetS);
      return;
    }
    for (const part of track.stretcher.put(samples, offsetS))
      this.#schedule(context, part.samples, RATE_HZ, part.atS / this.#speed);
  }

  /** @param offsetS  from the origin, as it is heard */
  #schedule(
    context: AudioContext,
    samples: Float32Array<ArrayBuffer>,
    rateHz: number,
    offsetS: number,
  ): void {
    const now = context.currentTime;
    if (this.#following) {
      if (this.#originS + offsetS < now) return; /* too late for it */
    } else if (this.#originS + offsetS < now || this.#originS + offsetS > now + AHEAD_S) {
      this.#originS = now + LEAD_S - offsetS;
    }
    const buffer = context.createBuffer(1, samples.length, rateHz);
    buffer.copyToChannel(samples, 0);
    const node = context.createBufferSource();
    node.buffer = buffer;
    if (this.#gain) node.connect(this.#gain);
    this.#start(node, this.#originS + offsetS);
    this.packetsPlayed++;
  }

  #start(node: AudioScheduledSourceNode, atS: number): void {
    node.onended = () => this.#playing.delete(node);
    this.#playing.add(node);
    node.start(atS);
  }
}
