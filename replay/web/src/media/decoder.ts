// H.264 or AV1 in, pictures out, by WebCodecs. Pictures come out in the order they went in.

export interface Picture {
  timeNs: bigint;
  frame: VideoFrame;
}

export interface DecoderEvents {
  picture(picture: Picture): void;
  /** The decoder gave up: nothing more comes until a keyframe goes into a fresh one. */
  failed(reason: string): void;
  /** One picture cannot be decoded, tried again neither: those that went in do not come out, and others are passed over
   *  up to the next keyframe. */
  lost(): void;
  /** No picture ever comes out, however often it is tried: this browser cannot. */
  unable(reason: string): void;
}

/* a decoder that never gave a picture of its codec and failed so often is not tried again */
const ATTEMPTS = 3;

/** SPS (type 7) in an Annex B picture: profile, constraints and level make the codec's name. */
function h264Name(data: Uint8Array): string | undefined {
  for (let i = 0; i + 6 < data.length && i < 512; i++)
    if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1 && ((data[i + 3] ?? 0) & 31) === 7)
      return `avc1.${[4, 5, 6].map((at) => (data[i + at] ?? 0).toString(16).padStart(2, '0')).join('')}`;
  return undefined;
}

/** Sequence header (type 1) among the OBUs of a temporal unit, as a recorder writes it: without times, 8 bits. */
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

/** The name by which a browser knows what decodes a keyframe; undefined when the picture is none. */
export function codecName(format: string, data: Uint8Array): string | undefined {
  if (format === 'av1') return av1Name(data);
  return format === 'h264' ? h264Name(data) : undefined;
}

/** What to do when a browser has no decoder of this name. */
function advice(codec: string): string {
  if (/^(avc1\.f4|av01\.1)/i.test(codec))
    return 'The session is recorded with the colour of every pixel (4:4:4), which not every browser can show: use Chromium.';
  return codec.startsWith('av01') ? 'The session is recorded as AV1, which not every browser can show: use Chromium.' : '';
}

export class PictureDecoder {
  #events: DecoderEvents;
  #decoder?: VideoDecoder;
  #codec?: string; // that the decoder is for
  #inside = new Map<number, { timeNs: bigint; codec?: string }>(); // by timestamp
  #last = 0; // timestamp that went in
  #newestNs = -1n; // came out, of this decoder
  #failedNs = -1n; // what had come out when one failed
  #failures = 0; // there, in a row
  #worked?: string; // codec that gave a picture
  #generation = 0;

  constructor(events: DecoderEvents) {
    this.#events = events;
  }

  static supported(): boolean {
    return 'VideoDecoder' in window;
  }

  /** Forget everything; what is still inside never comes out. The next picture must be a keyframe. */
  reset(): void {
    this.#generation++;
    this.#inside.clear();
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
    this.#codec = undefined;
    this.#last = 0;
    this.#newestNs = -1n;
  }

  /** @returns what kind it is; undefined when it is passed over because a keyframe is missing before it */
  decode(timeNs: bigint, format: string, data: Uint8Array): EncodedVideoChunkType | undefined {
    const codec = codecName(format, data);
    if (codec && !this.#decoder && (codec === this.#worked || this.#failures < ATTEMPTS)) this.#open();
    if (!this.#decoder) return undefined;
    if (codec && codec !== this.#codec) {
      /* without it the last picture stays inside until the next one comes */
      this.#decoder.configure({ codec, optimizeForLatency: true });
      this.#codec = codec;
    }
    /* WebCodecs counts whole microseconds; in one there may be two pictures */
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
