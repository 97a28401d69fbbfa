// Opus in, sound out, by WebCodecs and Web Audio. Live it plays what comes, a moment after it came; in a
// replay it follows the moment that is shown. Browsers let nothing sound before somebody asked for it:
// hear() must be called from a press.

import { fromBinary } from '@bufbuild/protobuf';
import { CompressedAudioSchema } from '../gen/protocol/foxglove/CompressedAudio_pb';
import { Emitter } from './emitter';
import type { ChannelMessage } from './wire';

const RATE_HZ = 48000;

/* What comes is played so much later, so that a packet that is late is not too late. */
const LEAD_S = 0.06;

/* Further ahead than this it is let go, and what comes next is played at once. */
const AHEAD_S = 0.5;

export class Sound extends Emitter {
  /** Somebody wants to hear it. */
  hearing = false;
  /** Why this browser cannot; "" when it can. */
  unable = '';
  packetsPlayed = 0;

  #context?: AudioContext;
  #meter?: AnalyserNode;
  #decoder?: AudioDecoder;
  #originNs = 0n; // session time that timestamps are counted from
  #originS = 0; // when that is played, on the context's clock
  #following = false;
  #playing = new Set<AudioBufferSourceNode>();

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
      this.#meter.connect(this.#context.destination);
    }
    this.hearing = true;
    this.changed();
    await this.#context.resume();
  }

  async hush(): Promise<void> {
    this.hearing = false;
    this.reset();
    this.changed();
    await this.#context?.suspend();
  }

  /** Another moment or another session comes: be silent, and play what comes as it comes. */
  reset(): void {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
    this.#originNs = 0n;
    this.#following = false;
    for (const node of this.#playing) node.stop();
    this.#playing.clear();
  }

  /** A moment is shown now: what comes is played when it is its turn. */
  follow(timeNs: bigint): void {
    this.reset();
    if (!this.#context) return;
    this.#following = true;
    this.#originNs = timeNs;
    /* what leaves the context now is heard so much later */
    this.#originS = this.#context.currentTime - (this.#context.outputLatency || 0);
  }

  /** By how much it is off the moment that is shown, in seconds; NaN when it does not follow. */
  off(timeNs: bigint): number {
    if (!this.#context || !this.#following) return Number.NaN;
    const shown = this.#originS + Number(timeNs - this.#originNs) / 1e9;
    return this.#context.currentTime - (this.#context.outputLatency || 0) - shown;
  }

  /** When what was at a session time is heard, by performance.now(); NaN when nothing is playing. */
  heardAtMs(timeNs: bigint): number {
    if (!this.#context || !this.#originS || this.#playing.size === 0) return Number.NaN;
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp();
    if (!contextTime || !performanceTime) return Number.NaN;
    const playedS = this.#originS + Number(timeNs - this.#originNs) / 1e9;
    return performanceTime + (playedS - contextTime) * 1000;
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
    const decoder = (this.#decoder ??= this.#open());
    if (decoder.state !== 'configured') return;
    decoder.decode(
      new EncodedAudioChunk({
        type: 'key',
        timestamp: Number((message.timeNs - this.#originNs) / 1000n),
        data: packet.data,
      }),
    );
  }

  #open(): AudioDecoder {
    const decoder = new AudioDecoder({
      output: (data) => {
        if (decoder === this.#decoder) this.#play(data);
        data.close();
      },
      error: () => {
        /* the next packet goes into a fresh one */
        if (decoder === this.#decoder) this.reset();
      },
    });
    decoder.configure({ codec: 'opus', sampleRate: RATE_HZ, numberOfChannels: 1 });
    if (!this.#following) this.#originS = 0;
    return decoder;
  }

  #play(data: AudioData): void {
    const context = this.#context;
    if (!context || !this.#meter || context.state !== 'running') return;
    const buffer = context.createBuffer(1, data.numberOfFrames, data.sampleRate);
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    buffer.copyToChannel(samples, 0);
    const offsetS = data.timestamp / 1e6;
    const now = context.currentTime;
    if (this.#following) {
      if (this.#originS + offsetS < now) return; /* too late for it */
    } else if (this.#originS + offsetS < now || this.#originS + offsetS > now + AHEAD_S) {
      this.#originS = now + LEAD_S - offsetS;
    }
    const node = context.createBufferSource();
    node.buffer = buffer;
    node.connect(this.#meter);
    node.onended = () => this.#playing.delete(node);
    this.#playing.add(node);
    node.start(this.#originS + offsetS);
    this.packetsPlayed++;
  }
}
