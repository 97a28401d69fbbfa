// H.264 in, pictures out, by WebCodecs. Pictures come out in the order they went in.

export interface Picture {
  timeNs: bigint;
  frame: VideoFrame;
}

export interface DecoderEvents {
  picture(picture: Picture): void;
  /** The decoder gave up: nothing more comes until a keyframe goes into a fresh one. */
  failed(reason: string): void;
  /** No picture ever comes out, however often it is tried: this browser cannot. */
  unable(reason: string): void;
}

/* a decoder that failed so often in a row is not tried again */
const ATTEMPTS = 3;

/** SPS (type 7) in an Annex B picture: profile, constraints and level make the codec's name. */
export function codecName(data: Uint8Array): string | undefined {
  for (let i = 0; i + 6 < data.length && i < 512; i++)
    if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1 && ((data[i + 3] ?? 0) & 31) === 7)
      return `avc1.${[4, 5, 6].map((at) => (data[i + at] ?? 0).toString(16).padStart(2, '0')).join('')}`;
  return undefined;
}

export class PictureDecoder {
  #events: DecoderEvents;
  #decoder?: VideoDecoder;
  #times = new Map<number, bigint>();
  #generation = 0;
  #failures = 0; // since the last picture

  constructor(events: DecoderEvents) {
    this.#events = events;
  }

  static supported(): boolean {
    return 'VideoDecoder' in window;
  }

  /** Forget everything; what is still inside never comes out. The next picture must be a keyframe. */
  reset(): void {
    this.#generation++;
    this.#times.clear();
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = undefined;
  }

  /** @returns what kind it is; undefined when it is passed over because a keyframe is missing before it */
  decode(timeNs: bigint, data: Uint8Array): EncodedVideoChunkType | undefined {
    const codec = codecName(data);
    if (codec && !this.#decoder && this.#failures < ATTEMPTS) this.#open(codec);
    if (!this.#decoder) return undefined;
    /* WebCodecs counts whole microseconds */
    const timestamp = Number(timeNs / 1000n);
    const type = codec ? 'key' : 'delta';
    this.#times.set(timestamp, timeNs);
    this.#decoder.decode(new EncodedVideoChunk({ type, timestamp, data }));
    return type;
  }

  #open(codec: string): void {
    const generation = this.#generation;
    const decoder = new VideoDecoder({
      output: (frame) => {
        const timeNs = this.#times.get(frame.timestamp);
        if (generation !== this.#generation || timeNs === undefined) {
          frame.close();
          return;
        }
        this.#times.delete(frame.timestamp);
        this.#failures = 0;
        this.#events.picture({ timeNs, frame });
      },
      error: (error) => {
        if (generation !== this.#generation) return;
        this.reset();
        if (++this.#failures < ATTEMPTS) this.#events.failed(error.message);
        else this.#events.unable(error.message);
      },
    });
    /* without it the last picture stays inside until the next one comes */
    decoder.configure({ codec, optimizeForLatency: true });
    this.#decoder = decoder;
  }
}
