// Sound output: Opus decoded by WebCodecs, played by Web Audio. Live, packets play shortly after arrival; in a replay,
// playback follows the moment shown at its speed. Browsers block sound without a user action: hear() must be called
// from an input event.

import { fromBinary } from '@bufbuild/protobuf';
import { TOPIC_MONITOR, TOPIC_SOUND } from '../../gen/protocol/constants';
import { CompressedAudioSchema } from '../../gen/protocol/foxglove/CompressedAudio_pb';
import { Emitter } from '../base/emitter';
import { Stretcher } from '../base/stretch';
import type { ChannelMessage } from '../net/wire';

const RATE_HZ = 48000;

/* Jitter buffer for late packets. */
const LEAD_S = 0.06;

/* Maximum lead; beyond it the next packet is played at once. */
const AHEAD_S = 0.5;

/* The context's clock advances in steps of the device's buffers: smoothed by the page's clock over about this many
   samples, and resynchronized if they differ by more than buffers do. */
const SMOOTH_LOOKS = 20;
const ANOTHER_CLOCK_S = 0.1;

/* bleep tone: soft, without clicks at its ends */
const TONE_HZ = 600;
const TONE_HEIGHT = 0.06;
const TONE_RAMP_S = 0.01;

interface Track {
  decoder: AudioDecoder;
  stretcher?: Stretcher; // at speeds other than 1
}

/** Topics with audible sound. */
export const SOUND_TOPICS: readonly string[] = [TOPIC_SOUND, TOPIC_MONITOR];

function rememberedVolume(): number {
  const volume = Number(localStorage.getItem('volume') ?? 1);
  return volume >= 0 && volume <= 1 ? volume : 1;
}

export class Sound extends Emitter {
  /** The user enabled the sound. */
  hearing = false;
  /** Reason for unsupported sound in this browser; "" if supported. */
  unable = '';
  /** Slider position from 0 to 1; remembered. */
  volume = rememberedVolume();
  packetsPlayed = 0;

  #context?: AudioContext;
  #gain?: GainNode;
  #meter?: AnalyserNode;
  #tracks = new Map<string, Track>(); // by topic: microphone, and machine sound
  #originNs = 0n; // session time of timestamp 0
  #originS = 0; // its playback time on the context's clock
  #skewS = Number.NaN; // context time heard now, minus the page's clock
  #following = false;
  #speed = 1;
  #playing = new Set<AudioScheduledSourceNode>();

  /** Enable the sound; call from a key or button press. */
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

  /** Half the slider sounds half as loud, which is a quarter of the amplitude. */
  setVolume(volume: number): void {
    this.volume = volume;
    localStorage.setItem('volume', String(volume));
    if (this.#context) this.#gain?.gain.setTargetAtTime(volume ** 2, this.#context.currentTime, 0.01);
    this.changed();
  }

  /** Another moment or session follows: be silent, and play packets as they arrive. */
  reset(): void {
    for (const { decoder } of this.#tracks.values()) if (decoder.state !== 'closed') decoder.close();
    this.#tracks.clear();
    this.#originNs = 0n;
    this.#following = false;
    this.#speed = 1;
    for (const node of this.#playing) node.stop();
    this.#playing.clear();
  }

  /** Set the moment shown and the speed: packets play when due. */
  follow(timeNs: bigint, speed = 1): void {
    this.reset();
    if (!this.#context) return;
    this.#following = true;
    this.#speed = speed;
    this.#originNs = timeNs;
    this.#originS = this.#heardS(this.#context);
  }

  /** Offset from the moment shown, in seconds; NaN when not following. */
  off(timeNs: bigint): number {
    if (!this.#context || !this.#following) return Number.NaN;
    return this.#heardS(this.#context) - this.#dueS(timeNs);
  }

  /** Context time being heard now: output is heard with the output latency. */
  #heardS(context: AudioContext): number {
    const pageS = performance.now() / 1000;
    const skewS = context.currentTime - (context.outputLatency || 0) - pageS;
    const offS = skewS - this.#skewS; // NaN at first
    if (Math.abs(offS) < ANOTHER_CLOCK_S) this.#skewS += offS / SMOOTH_LOOKS;
    else this.#skewS = skewS;
    return pageS + this.#skewS;
  }

  /** Playback time of a moment, on the context's clock. */
  #dueS(timeNs: bigint): number {
    return this.#originS + Number(timeNs - this.#originNs) / 1e9 / this.#speed;
  }

  /** Play a tone over a bleeped span when due; only when following. */
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

  /** Time by performance.now() at which a session time is heard; NaN while nothing is playing. */
  heardAtMs(timeNs: bigint): number {
    if (!this.#context || !this.#originS || this.#playing.size === 0) return Number.NaN;
    return performance.now() + (this.#dueS(timeNs) - this.#heardS(this.#context)) * 1000;
  }

  /** Peak of the last two thirds of a second, 0 to 1. */
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
        /* the next packet gets a fresh decoder */
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

  /** @param offsetS  from the origin, in playback time */
  #schedule(
    context: AudioContext,
    samples: Float32Array<ArrayBuffer>,
    rateHz: number,
    offsetS: number,
  ): void {
    const now = context.currentTime;
    if (this.#following) {
      if (this.#originS + offsetS < now) return; /* too late */
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
