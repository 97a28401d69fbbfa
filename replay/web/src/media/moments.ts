// What is seen, moment by moment: pictures of the video and what lies over them. A moment is given out
// when it is decoded and all before it have been.

import { fromBinary } from '@bufbuild/protobuf';
import { type CompressedVideo, CompressedVideoSchema } from '../../gen/protocol/foxglove/CompressedVideo_pb';
import { type ScreenPatches, ScreenPatchesSchema } from '../../gen/protocol/screen_pb';
import type { ChannelMessage } from '../net/wire';
import { type DecoderEvents, type Picture, PictureDecoder } from './decoder';

/** Their messages must come in the order of their times. */
export const PICTURE_TOPICS: readonly string[] = ['/screen', '/screen/patches'];

/* Patches are decoded ahead up to so many pixels, at four bytes each; those of one message may have more, and none so
 * many. */
const DECODED_PIXELS = 1 << 23;
const MESSAGE_PIXELS = 1 << 26;

/* the samples are the screen's, whatever the file says of colour */
const AS_THEY_ARE: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

interface Patch {
  x: number;
  y: number;
  /** None when it could not be decoded: the video shows it too, less sharp. */
  image?: ImageBitmap;
}

/** One message of patches: areas are cleared, then parts are laid over. */
interface Layer {
  /** x, y, width, height of each */
  clearedPx: readonly number[];
  patches: Patch[];
}

/** What is seen from a time on: first the picture, if there is one, then the layers. */
export interface Moment {
  timeNs: bigint;
  frame?: VideoFrame;
  /** A keyframe: what lay over the video is gone. */
  key: boolean;
  layers: Layer[];
}

interface Queued extends Moment {
  lacksFrame: boolean; // it is in the decoder
  lacksPatches: number;
  pixels: number; // of patches whose decoding has begun
}

interface Coded {
  moment: Queued;
  patch: Patch;
  png: Uint8Array;
  pixels: number;
}

interface MomentsEvents extends Omit<DecoderEvents, 'picture' | 'lost'> {
  /** There is one to be taken. */
  ready(): void;
}

/** How many pixels a PNG file has by its header, 0 when it is none. */
function pngPixels(png: Uint8Array): number {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  if (png.length < 24 || view.getUint32(0) !== 0x89504e47 || view.getUint32(12) !== 0x49484452) return 0;
  return view.getUint32(16) * view.getUint32(20);
}

export class Moments {
  #events: MomentsEvents;
  #decoder: PictureDecoder;
  #queue: Queued[] = [];
  /** The last one while its picture may still come: one that clears something waits for it. */
  #open?: Queued;
  #coded: Coded[] = [];
  #pixels = 0; // decoded, or about to be
  #keyNs?: bigint; // of the newest keyframe; before the first one nothing can be shown
  #generation = 0;

  constructor(events: MomentsEvents) {
    this.#events = events;
    this.#decoder = new PictureDecoder({
      picture: (picture) => this.#takeFrame(picture),
      failed: (reason) => {
        this.reset();
        events.failed(reason);
      },
      /* what was shown stays */
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

  /** How many there are, ready or not. */
  get length(): number {
    return this.#queue.length;
  }

  /** Time of the first one. */
  get nextNs(): bigint | undefined {
    return this.#queue[0]?.timeNs;
  }

  /** Those that can be taken now, in their order. */
  ready(): readonly Moment[] {
    const end = this.#queue.findIndex((moment) => this.#lacks(moment));
    return end < 0 ? this.#queue : this.#queue.slice(0, end);
  }

  /** Those that cannot yet. */
  waiting(): readonly Moment[] {
    return this.#queue.slice(this.ready().length);
  }

  /** Take the first one, which must be ready; whoever does owns its frame and its images. */
  shift(): Moment | undefined {
    const moment = this.#queue.shift();
    if (!moment) return undefined;
    if (moment === this.#open) this.#open = undefined;
    this.#pixels -= moment.pixels;
    this.#decodePatches();
    return moment;
  }

  /** Take in a message of PICTURE_TOPICS. @returns false when it is passed over: a keyframe is missing before it */
  take({ topic, timeNs, data }: ChannelMessage): boolean {
    return topic === '/screen'
      ? this.#takeVideo(timeNs, fromBinary(CompressedVideoSchema, data))
      : this.#takePatches(timeNs, fromBinary(ScreenPatchesSchema, data));
  }

  /** All up to here has come: nothing waits for a picture that would have come by now. */
  settle(timeNs: bigint): void {
    if (!this.#open || this.#open.timeNs > timeNs) return;
    this.#open = undefined;
    this.#tell();
  }

  /** Forget everything. What comes next must begin with a keyframe. */
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

  /* later, since whoever listens may be the one who is calling */
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
    if (!joined) this.#tell(); // the one before waits no more
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

  /* Pictures come out as they went in: those before it that are missing never will. */
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

  /* All of the first moment, since the others wait for it; of them, what there is room for. */
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
