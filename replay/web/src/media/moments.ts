// The visible picture over time: video pictures and the patches on top. A moment becomes ready once it and all earlier
// ones are decoded.

import { fromBinary } from '@bufbuild/protobuf';
import { TOPIC_SCREEN, TOPIC_SCREEN_PATCHES } from '../../gen/protocol/constants';
import { type CompressedVideo, CompressedVideoSchema } from '../../gen/protocol/foxglove/CompressedVideo_pb';
import { type ScreenPatches, ScreenPatchesSchema } from '../../gen/protocol/screen_pb';
import type { ChannelMessage } from '../net/wire';
import { type DecoderEvents, type Picture, PictureDecoder } from './decoder';

/** Topics whose messages must come in time order. */
export const PICTURE_TOPICS: readonly string[] = [TOPIC_SCREEN, TOPIC_SCREEN_PATCHES];

/* Limits in pixels, at four bytes each: of patches decoded ahead, unless those of one message exceed it; and of one
 * message. */
const DECODED_PIXELS = 1 << 23;
const MESSAGE_PIXELS = 1 << 26;

/* samples are the screen's, whatever colour space the file declares */
const AS_THEY_ARE: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

interface Patch {
  x: number;
  y: number;
  /** Undefined if decoding failed: the video shows the area too, less sharp. */
  image?: ImageBitmap;
}

/** One message of patches: areas to clear, then patches to draw. */
interface Layer {
  /** x, y, width, height of each */
  clearedPx: readonly number[];
  patches: Patch[];
}

/** The visible state from a time on: first the picture, if present, then the layers. */
export interface Moment {
  timeNs: bigint;
  frame?: VideoFrame;
  /** A keyframe: clears all layers above the video. */
  key: boolean;
  layers: Layer[];
}

interface Queued extends Moment {
  lacksFrame: boolean; // in the decoder
  lacksPatches: number;
  pixels: number; // of patches in decoding or decoded
}

interface Coded {
  moment: Queued;
  patch: Patch;
  png: Uint8Array;
  pixels: number;
}

interface MomentsEvents extends Omit<DecoderEvents, 'picture' | 'lost'> {
  /** The first moment is ready. */
  ready(): void;
}

/** Number of pixels from the header of a PNG file; 0 if invalid. */
function pngPixels(png: Uint8Array): number {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  if (png.length < 24 || view.getUint32(0) !== 0x89504e47 || view.getUint32(12) !== 0x49484452) return 0;
  return view.getUint32(16) * view.getUint32(20);
}

export class Moments {
  #events: MomentsEvents;
  #decoder: PictureDecoder;
  #queue: Queued[] = [];
  /** The last moment while its picture may still come: one that clears areas waits for it. */
  #open?: Queued;
  #coded: Coded[] = [];
  #pixels = 0; // decoded or being decoded
  #keyNs?: bigint; // newest keyframe; nothing can be shown before the first one
  #generation = 0;

  constructor(events: MomentsEvents) {
    this.#events = events;
    this.#decoder = new PictureDecoder({
      picture: (picture) => this.#takeFrame(picture),
      failed: (reason) => {
        this.reset();
        events.failed(reason);
      },
      /* the shown picture stays */
      lost: () => {
        for (const moment of this.#queue) moment.lacksFrame = false;
        this.#tell();
      },
      unable: (reason) => {
        this.reset();
        events.unable(reason);
      },
    });
  }

  /** Number of moments, ready or not. */
  get length(): number {
    return this.#queue.length;
  }

  /** Time of the first moment. */
  get nextNs(): bigint | undefined {
    return this.#queue[0]?.timeNs;
  }

  /** Moments that are ready, in order. */
  ready(): readonly Moment[] {
    const end = this.#queue.findIndex((moment) => this.#lacks(moment));
    return end < 0 ? this.#queue : this.#queue.slice(0, end);
  }

  /** Moments that are not ready yet. */
  waiting(): readonly Moment[] {
    return this.#queue.slice(this.ready().length);
  }

  /** Take the first moment, which must be ready; the caller owns its frame and images. */
  shift(): Moment | undefined {
    const moment = this.#queue.shift();
    if (!moment) return undefined;
    if (moment === this.#open) this.#open = undefined;
    this.#pixels -= moment.pixels;
    this.#decodePatches();
    return moment;
  }

  /** Take a message of PICTURE_TOPICS. @returns false if skipped for lack of a preceding keyframe */
  take({ topic, timeNs, data }: ChannelMessage): boolean {
    return topic === TOPIC_SCREEN
      ? this.#takeVideo(timeNs, fromBinary(CompressedVideoSchema, data))
      : this.#takePatches(timeNs, fromBinary(ScreenPatchesSchema, data));
  }

  /** Everything up to this time has arrived: stop waiting for a picture up to it. */
  settle(timeNs: bigint): void {
    if (!this.#open || this.#open.timeNs > timeNs) return;
    this.#open = undefined;
    this.#tell();
  }

  /** Drop everything. The next picture must be a keyframe. */
  reset(): void {
    this.#generation++;
    this.#decoder.reset();
    for (const { frame, layers } of this.#queue.splice(0)) {
      frame?.close();
      for (const { patches } of layers) for (const { image } of patches) image?.close();
    }
    this.#coded = [];
    this.#open = undefined;
    this.#keyNs = undefined;
    this.#pixels = 0;
  }

  #lacks(moment: Queued): boolean {
    const unsure = moment === this.#open && moment.layers.some((layer) => layer.clearedPx.length > 0);
    return moment.lacksFrame || moment.lacksPatches > 0 || unsure;
  }

  /* deferred, since the listener may be the caller */
  #tell(): void {
    queueMicrotask(() => {
      const first = this.#queue[0];
      if (first && !this.#lacks(first)) this.#events.ready();
    });
  }

  #push(timeNs: bigint): Queued {
    const moment = { timeNs, key: false, layers: [], lacksFrame: false, lacksPatches: 0, pixels: 0 };
    this.#queue.push(moment);
    return moment;
  }

  #takeVideo(timeNs: bigint, { format, data }: CompressedVideo): boolean {
    const kind = this.#decoder.decode(timeNs, format, data);
    if (!kind) return false;
    const key = kind === 'key';
    const joined = !key && this.#open?.timeNs === timeNs ? this.#open : undefined;
    this.#open = undefined;
    Object.assign(joined ?? this.#push(timeNs), { key, lacksFrame: true });
    if (key) this.#keyNs = timeNs;
    if (!joined) this.#tell(); // the previous moment no longer waits
    return true;
  }

  #takePatches(timeNs: bigint, { clearedPx, patches }: ScreenPatches): boolean {
    if (this.#keyNs === undefined || timeNs <= this.#keyNs) return false;
    const last = this.#queue.at(-1);
    const moment = last?.timeNs === timeNs ? last : (this.#open = this.#push(timeNs));
    const layer: Layer = { clearedPx, patches: [] };
    moment.layers.push(layer);
    let all = 0;
    for (const { xPx, yPx, png } of patches) {
      const pixels = pngPixels(png);
      if (pixels === 0 || all + pixels > MESSAGE_PIXELS) continue;
      all += pixels;
      const patch: Patch = { x: xPx, y: yPx };
      layer.patches.push(patch);
      moment.lacksPatches++;
      this.#coded.push({ moment, patch, png, pixels });
    }
    this.#decodePatches();
    this.#tell();
    return true;
  }

  /* Output keeps the input order: missing earlier pictures will never come. */
  #takeFrame({ timeNs, frame }: Picture): void {
    const at = this.#queue.findIndex((moment) => moment.lacksFrame && moment.timeNs === timeNs);
    const moment = this.#queue[at];
    if (!moment) {
      frame.close();
      return;
    }
    moment.frame = frame;
    for (const before of this.#queue.slice(0, at + 1)) before.lacksFrame = false;
    this.#tell();
  }

  /* Decode all patches of the first moment, which blocks the others; of those, as many as fit the limit. */
  #decodePatches(): void {
    for (let next = this.#coded[0]; next; next = this.#coded[0]) {
      if (next.moment !== this.#queue[0] && this.#pixels + next.pixels > DECODED_PIXELS) return;
      this.#coded.shift();
      this.#pixels += next.pixels;
      next.moment.pixels += next.pixels;
      void this.#decodePatch(next);
    }
  }

  async #decodePatch({ moment, patch, png }: Coded): Promise<void> {
    const generation = this.#generation;
    const file = new Blob([png as Uint8Array<ArrayBuffer>], { type: 'image/png' });
    const image = await createImageBitmap(file, AS_THEY_ARE).catch(() => undefined);
    if (generation !== this.#generation) {
      image?.close();
      return;
    }
    patch.image = image;
    moment.lacksPatches--;
    this.#tell();
  }
}
