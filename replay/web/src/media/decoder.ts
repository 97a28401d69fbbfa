// WebCodecs decoder for H.264 and AV1. Output keeps the input order.

export interface Picture {
  timeNs: bigint;
  frame: VideoFrame;
}

export interface DecoderEvents {
  picture(picture: Picture): void;
  /** Decoder failure: no output until a keyframe enters a fresh decoder. */
  failed(reason: string): void;
  /**
   * One picture fails to decode, also when retried: the queued ones are lost, later ones are skipped up to the next
   * keyframe.
   */
  lost(): void;
  /** Never any output, after all retries: unsupported by this browser. */
  unable(reason: string): void;
}

/* limit for a decoder that fails without any output of its codec */
const ATTEMPTS = 3;

/** Codec string from the SPS (type 7) of an Annex B picture: profile, constraints and level. */
function h264Name(data: Uint8Array): string | undefined {
  for (let i = 0; i + 6 < data.length && i < 512; i++)
    if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1 && ((data[i + 3] ?? 0) & 31) === 7)
      return `avc1.${[4, 5, 6].map((at) => (data[i + at] ?? 0).toString(16).padStart(2, '0')).join('')}`;
  return undefined;
}

/** Codec string from the sequence header (type 1) of a temporal unit, in the recorder's form: no timing, 8 bits. */
function av1Name(data: Uint8Array): string | undefined {
  for (let at = 0; at < data.length; ) {
    const head = data[at] ?? 0;
    let length = 0;
    at += head & 4 ? 2 : 1;
    for (let shift = 0, more = true; more && shift < 28; shift += 7) {
      const byte = data[at++] ?? 0;
      length |= (byte & 127) << shift;
      more = byte > 127;
    }
    if (((head >> 3) & 15) === 1) {
      /* profile 3 bits, four flags, 5 bits, the first operating point's 12 bits, then its level in 5 and its tier */
      const bits = [0, 1, 2, 3].reduce((all, i) => (all << 8) | (data[at + i] ?? 0), 0) >>> 0;
      const level = (bits >>> 3) & 31;
      const tier = level > 7 && bits & 4 ? 'H' : 'M';
      return `av01.${bits >>> 29}.${String(level).padStart(2, '0')}${tier}.08`;
    }
    at += length;
  }
  return undefined;
}

/** Codec string of a keyframe; undefined for other pictures. */
export function codecName(format: string, data: Uint8Array): string | undefined {
  if (format === 'av1') return av1Name(data);
  return format === 'h264' ? h264Name(data) : undefined;
}

/** Advice to the user when the browser lacks a decoder for this codec. */
function advice(codec: string): string {
  if (/^(avc1\.f4|av01\.1)/i.test(codec))
    return 'The session is recorded in full chroma (4:4:4), which not every browser can decode: use Chromium.';
  return codec.startsWith('av01') ? 'The session is recorded as AV1, which not every browser can show: use Chromium.' : '';
}

export class PictureDecoder {
  #events: DecoderEvents;
  #decoder?: VideoDecoder;
  #codec?: string; // of the configured decoder
  #inside = new Map<number, { timeNs: bigint; codec?: string }>(); // in the decoder, by timestamp
  #last = 0; // last input timestamp
  #newestNs = -1n; // newest output of this decoder
  #failedNs = -1n; // newest output at the last failure
  #failures = 0; // consecutive failures at that point
  #worked?: string; // codec with output so far
  #generation = 0;

  constructor(events: DecoderEvents) {
    this.#events = events;
  }

  static supported(): boolean {
    return 'VideoDecoder' in window;
  }

  /** Drop everything, including queued pictures. The next picture must be a keyframe. */
  reset(): void {
    this.#generation++;
    this.#inside.clear();
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
    this.#codec = undefined;
    this.#last = 0;
    this.#newestNs = -1n;
  }

  /** @returns the chunk type; undefined if skipped for lack of a preceding keyframe */
  decode(timeNs: bigint, format: string, data: Uint8Array): EncodedVideoChunkType | undefined {
    const codec = codecName(format, data);
    if (codec && !this.#decoder && (codec === this.#worked || this.#failures < ATTEMPTS)) this.#open();
    if (!this.#decoder) return undefined;
    if (codec && codec !== this.#codec) {
      /* otherwise the decoder holds the last picture until the next one */
      this.#decoder.configure({ codec, optimizeForLatency: true });
      this.#codec = codec;
    }
    /* WebCodecs timestamps are whole microseconds, which two pictures may share */
    const timestamp = Math.max(Number(timeNs / 1000n), this.#last + 1);
    this.#last = timestamp;
    const type = codec ? 'key' : 'delta';
    this.#inside.set(timestamp, { timeNs, codec: this.#codec });
    this.#decoder.decode(new EncodedVideoChunk({ type, timestamp, data }));
    return type;
  }

  #open(): void {
    const generation = this.#generation;
    this.#decoder = new VideoDecoder({
      output: (frame) => {
        const picture = this.#inside.get(frame.timestamp);
        if (generation !== this.#generation || !picture) {
          frame.close();
          return;
        }
        this.#inside.delete(frame.timestamp);
        this.#worked = picture.codec;
        this.#newestNs = picture.timeNs;
        this.#events.picture({ timeNs: picture.timeNs, frame });
      },
      error: (error) => {
        if (generation !== this.#generation) return;
        const codec = this.#codec ?? '';
        if (this.#newestNs !== this.#failedNs) this.#failures = 0;
        this.#failedNs = this.#newestNs;
        this.#failures++;
        this.reset();
        const worked = this.#failedNs >= 0n || codec === this.#worked;
        if (worked && this.#failures > 1) {
          this.#failures = 0;
          this.#events.lost();
        } else if (this.#failures < ATTEMPTS) this.#events.failed(error.message);
        else this.#events.unable([advice(codec), error.message].filter(Boolean).join(' '));
      },
    });
  }
}
