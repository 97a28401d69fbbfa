// The player core: what is on the stage, up to which time, and what lies over it. It knows neither a
// network nor a clock; a driver (live.ts, recorded.ts) feeds it and says what is to be shown.

import { fromBinary } from '@bufbuild/protobuf';
import {
  Control,
  ClickedObjectSchema,
  ControlBatchSchema,
  KeyAction,
  KeyBatchSchema,
  KeyClass,
  KeyboardLayoutSchema,
  KeyClassBatchSchema,
  KeyCountSchema,
  KeyPolicy_Level,
  KeyPolicy_Reason,
  KeyPolicySchema,
  ShortcutBatch_Modifier,
  ShortcutBatchSchema,
} from '../../gen/protocol/input_pb';
import {
  PointerBatchSchema,
  type PointerShape,
  PointerShapeSchema,
  ScreenSchema,
  type Screen_HiddenReason,
} from '../../gen/protocol/screen_pb';
import { Emitter } from '../base/emitter';
import type { ChannelMessage } from '../net/wire';
import type { Moment } from './moments';

/** Something the participant did, to be drawn over the picture and listed. */
/* in the order in which they are written */
const MODIFIERS: ReadonlyArray<[ShortcutBatch_Modifier, string]> = [
  [ShortcutBatch_Modifier.SUPER, 'Super'],
  [ShortcutBatch_Modifier.CTRL, 'Ctrl'],
  [ShortcutBatch_Modifier.ALT, 'Alt'],
  [ShortcutBatch_Modifier.SHIFT, 'Shift'],
];

export interface Deed {
  timeNs: bigint;
  kind: 'click' | 'key' | 'scroll' | 'shortcut' | 'policy';
  x: number;
  y: number;
  /** 1 left, 2 middle, 3 right */
  button: number;
  keyClass: KeyClass;
  /** what is written on the key, where that was recorded; of a shortcut and a policy the whole */
  label?: string;
  /** What was clicked, where its application has told. */
  role?: string;
  name?: string;
  application?: string;
}

interface Clicked {
  timeNs: bigint;
  role: string;
  name: string;
  application: string;
}

interface Position {
  timeNs: bigint;
  x: number;
  y: number;
}

interface Size {
  timeNs: bigint;
  width: number;
  height: number;
  hidden: readonly Screen_HiddenReason[];
}

interface ShapeImage {
  image?: ImageBitmap;
  hotX: number;
  hotY: number;
}

interface Shape extends ShapeImage {
  timeNs: bigint;
  /** Its picture is among those that are known by it; 0n: it has its own. */
  identity: bigint;
}

export interface Stats {
  state: string;
  firstPictureMs: number;
  picturesDecoded: number;
  lagMs: number;
  /** Session time; a number, so good to a quarter of a microsecond. */
  presentationTimeNs: number;
  soundPacketsPlayed?: number;
  /** Of the recorder's newest levels; live. */
  soundDb?: number;
  soundTrouble?: string;
  /** The loudest of what was played last, 0 to 1. */
  soundPeak?: number;
  /** How much later the sound is than the moment shown. */
  soundOffMs?: number;
}

/* What is kept of the past for the overlay while live: more than it ever draws. */
const KEPT = 4000;
const KEPT_SHAPES = 64;
const MOST_SHAPES = 8192;
const MOST_IMAGES = 128;

/* A click and what was clicked have times of two clocks; see replay/timeline.c. */
const SAME_CLICK_NS = 25_000_000n;

/** Index of the last item at or before a time, -1 when there is none. */
export function lastAtOrBefore(items: ReadonlyArray<{ timeNs: bigint }>, timeNs: bigint): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.timeNs ?? 0n) <= timeNs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function insert<T extends { timeNs: bigint }>(items: T[], item: T): void {
  const at = lastAtOrBefore(items, item.timeNs);
  if (at === items.length - 1) items.push(item);
  else items.splice(at + 1, 0, item);
  if (items.length > 2 * KEPT) items.splice(0, items.length - KEPT);
}

const BUTTONS = new Map([
  [Control.BUTTON_LEFT, 1],
  [Control.BUTTON_MIDDLE, 2],
  [Control.BUTTON_RIGHT, 3],
  [Control.TOUCH, 1],
]);

export class Player extends Emitter {
  /** Size of the screen in pixels; 0 before anything is known. */
  width = 0;
  height = 0;
  /** Up to this session time the picture is complete and shown: what a tag is bound to. */
  presentationNs = 0n;
  presentedMs = 0; // when that was, by performance.now()
  /** Of the moment that was applied last. */
  pictureNs = 0n;
  /** Something was applied, and not drawn since. */
  undrawn = false;
  picturesDecoded = 0;
  firstPictureMs = 0;
  readonly deeds: Deed[] = [];

  #picture?: HTMLCanvasElement;
  #context: CanvasRenderingContext2D | null = null;
  #sizes: Size[] = [];
  #positions: Position[] = [];
  #shapes: Shape[] = [];
  /** Pictures of the pointer by their identity, which is made of what they show: also of another moment. */
  readonly #images = new Map<bigint, ShapeImage>();
  #labels = new Map<number, string>();
  #hidden?: string; // why nothing is known of keys; "": it is
  /** Whose click has not come yet. */
  #clicked: Clicked[] = [];
  /* What is seen: the picture of the video, and over it the patches, if there are any. */
  #frame?: VideoFrame;
  #layer = document.createElement('canvas').getContext('2d');
  #layered = false;
  #stale = false; // it must all be drawn again

  /** The page has begun; the first picture is timed from here. */
  readonly openedMs = performance.now();

  attach(canvas: HTMLCanvasElement | null): void {
    this.#picture = canvas ?? undefined;
    this.#context = canvas?.getContext('2d', { alpha: false }) ?? null;
    this.#drawAll();
  }

  /** Forget the past: another moment or another session comes. */
  clear(): void {
    this.#sizes = [];
    this.#positions = [];
    for (const shape of this.#shapes.splice(0)) shape.image?.close();
    this.deeds.length = 0;
    this.#hidden = undefined;
    this.presentationNs = 0n;
    this.pictureNs = 0n;
    this.undrawn = false; // and never will be
  }

  present(ns: bigint): void {
    this.presentationNs = ns;
    this.presentedMs = performance.now();
    this.changed();
  }

  /** The presentation time as it goes on between two messages that tell it: for what moves. */
  flowingNs(): bigint {
    if (!this.presentationNs) return 1n << 62n;
    const since = Math.min(300, performance.now() - this.presentedMs);
    return this.presentationNs + BigInt(Math.round(since * 1e6));
  }

  /** Why areas of the picture of a moment are hidden. */
  hiddenAt(ns: bigint): readonly Screen_HiddenReason[] {
    return this.#sizes[lastAtOrBefore(this.#sizes, ns)]?.hidden ?? [];
  }

  /** Take in what is not a picture. */
  take(message: ChannelMessage): void {
    switch (message.topic) {
      case '/screen/info': {
        const { widthPx, heightPx, hiddenNow } = fromBinary(ScreenSchema, message.data);
        insert(this.#sizes, { timeNs: message.timeNs, width: widthPx, height: heightPx, hidden: hiddenNow });
        this.changed();
        if (!this.pictureNs) this.#takeSize(message.timeNs);
        break;
      }
      case '/pointer':
        this.#takePositions(message);
        break;
      case '/pointer/shape':
        this.#takeShape(message);
        break;
      case '/input/controls':
        this.#takeControls(message);
        break;
      case '/input/clicked':
        this.#takeClicked(message);
        break;
      case '/input/keys':
      case '/input/keys/full':
        this.#takeKeys(message);
        break;
      case '/input/keys/counts':
        for (let left = fromBinary(KeyCountSchema, message.data).presses; left > 0; left--)
          this.#addDeed({ timeNs: message.timeNs, kind: 'key' });
        break;
      case '/input/shortcuts':
        this.#takeShortcuts(message);
        break;
      case '/input/layout':
        this.#labels = new Map(fromBinary(KeyboardLayoutSchema, message.data).labels.map(({ code, text }) => [code, text]));
        break;
      case '/input/policy':
        this.#takePolicy(message);
        break;
      default:
        break;
    }
  }

  /** Make a moment the one that draw() shows; takes it over. They come in their order, and none is left out. */
  apply({ timeNs, frame, key, layers }: Moment): void {
    this.pictureNs = timeNs;
    this.undrawn = true;
    if (key) this.#layered = false;
    if (frame) {
      this.picturesDecoded++;
      this.#frame?.close();
      this.#frame = frame;
      this.#stale = true;
      this.#takeSize(timeNs);
    }
    for (const { clearedPx, patches } of layers) {
      if (this.#layered) this.#clear(clearedPx);
      for (const { image, x, y } of patches) if (image) this.#lay(image, x, y);
    }
  }

  /** Show what was applied. */
  draw(): void {
    if (!this.undrawn) return;
    if (!this.firstPictureMs) this.firstPictureMs = performance.now() - this.openedMs;
    if (this.#stale) this.#drawAll();
    this.undrawn = false;
    this.changed();
  }

  /* what is said of the size is there before the picture that has it */
  #takeSize(timeNs: bigint): void {
    const size = this.#sizes[lastAtOrBefore(this.#sizes, timeNs)];
    if (!size || (size.width === this.width && size.height === this.height)) return;
    this.width = size.width;
    this.height = size.height;
    this.changed();
  }

  #clear(areas: readonly number[]): void {
    for (let i = 0; i + 3 < areas.length; i += 4)
      this.#layer?.clearRect(areas[i] ?? 0, areas[i + 1] ?? 0, areas[i + 2] ?? 0, areas[i + 3] ?? 0);
    this.#stale ||= areas.length > 0;
  }

  #lay(image: ImageBitmap, x: number, y: number): void {
    if (!this.#layered && this.#layer) Object.assign(this.#layer.canvas, this.#shownSize()); // empties it, too
    this.#layered = true;
    this.#layer?.drawImage(image, x, y);
    if (!this.#stale) this.#context?.drawImage(image, x, y);
    image.close();
  }

  #shownSize(): { width: number; height: number } {
    /* the coded size is padded: only the visible part is the screen */
    const { width, height } = this.#frame?.visibleRect ?? { width: 0, height: 0 };
    return { width: this.width || width, height: this.height || height };
  }

  #drawAll(): void {
    const canvas = this.#picture;
    if (!canvas || !this.#context || !this.#frame) return;
    const { width, height } = this.#shownSize();
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    this.#context.drawImage(this.#frame, 0, 0);
    if (this.#layered && this.#layer) this.#context.drawImage(this.#layer.canvas, 0, 0);
    this.#stale = false;
  }

  /**
   * Draw the pointer and the clicks of a moment over the picture. Live the pointer runs ahead of the
   * picture: it is drawn where it was last seen.
   */
  drawOverlay(canvas: HTMLCanvasElement, atNs: bigint, newestPointer: boolean): void {
    const context = canvas.getContext('2d');
    if (!context || !this.width) return;
    if (canvas.width !== this.width || canvas.height !== this.height) {
      canvas.width = this.width;
      canvas.height = this.height;
    }
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.#drawRipples(context, atNs);
    const pointerNs = newestPointer ? 1n << 62n : atNs;
    const position = this.positionAt(pointerNs);
    if (position) this.#drawPointer(context, position, pointerNs);
  }

  positionAt(atNs: bigint): Position | undefined {
    return this.#positions[lastAtOrBefore(this.#positions, atNs)];
  }

  #drawPointer(context: CanvasRenderingContext2D, at: Position, atNs: bigint): void {
    const shape = this.#shapes[lastAtOrBefore(this.#shapes, atNs)];
    const known = shape?.identity ? this.#images.get(shape.identity) : shape;
    if (known?.image) {
      context.drawImage(known.image, at.x - known.hotX, at.y - known.hotY);
      return;
    }
    if (known) return; // the program under test hides it
    context.beginPath();
    context.arc(at.x, at.y, 6, 0, 2 * Math.PI);
    context.fillStyle = '#0f6b6b';
    context.fill();
    context.strokeStyle = '#fff';
    context.lineWidth = 2;
    context.stroke();
  }

  #drawRipples(context: CanvasRenderingContext2D, atNs: bigint): void {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    for (let i = lastAtOrBefore(this.deeds, atNs); i >= 0; i--) {
      const deed = this.deeds[i];
      if (!deed) break;
      const age = Number(atNs - deed.timeNs) / 1e6;
      if (age > 700) break;
      if (deed.kind !== 'click' || deed.x < 0) continue;
      const grown = calm ? 0.5 : age / 700;
      const scale = Math.max(1, this.width / 1280);
      context.beginPath();
      context.arc(deed.x, deed.y, (10 + 26 * grown) * scale, 0, 2 * Math.PI);
      context.lineWidth = 4 * scale;
      context.globalAlpha = 1 - age / 700;
      context.strokeStyle = '#fff';
      context.stroke();
      context.lineWidth = 2.5 * scale;
      context.strokeStyle = deed.button === 1 ? '#e8590c' : '#1971c2';
      context.stroke();
      context.globalAlpha = 1;
    }
  }

  #takePositions(message: ChannelMessage): void {
    const batch = fromBinary(PointerBatchSchema, message.data);
    let timeNs = message.timeNs;
    batch.dtUs.forEach((dt, i) => {
      timeNs += BigInt(dt) * 1000n;
      insert(this.#positions, { timeNs, x: batch.xPx[i] ?? 0, y: batch.yPx[i] ?? 0 });
    });
    /* a click may come before the batch that says where the pointer was by then */
    for (let i = this.deeds.length - 1; i >= 0; i--) {
      const deed = this.deeds[i];
      if (!deed || deed.timeNs < message.timeNs) break;
      const at = this.positionAt(deed.timeNs);
      if (at) Object.assign(deed, { x: at.x, y: at.y });
    }
    this.changed();
  }

  #takeShape(message: ChannelMessage): void {
    const shape = fromBinary(PointerShapeSchema, message.data);
    const entry: Shape = {
      timeNs: message.timeNs,
      hotX: shape.hotXPx,
      hotY: shape.hotYPx,
      identity: shape.shape,
    };
    insert(this.#shapes, entry);
    /* in a replay they come ahead of the moment that is shown: what is over goes, or what is far too much */
    const over = Math.min(this.#shapes.length - KEPT_SHAPES, lastAtOrBefore(this.#shapes, this.presentationNs));
    const most = this.#shapes.length - MOST_SHAPES;
    for (const old of this.#shapes.splice(0, Math.max(over, most, 0))) old.image?.close();
    if (shape.shape && shape.deflated.length) void this.#learnShape(shape);
    if (shape.shape || !shape.rgba.length) {
      this.changed();
      return;
    }
    void shapeImage(shape.rgba, shape).then((image) => {
      if (this.#shapes.includes(entry)) entry.image = image;
      else image?.close();
      this.changed();
    });
  }

  async #learnShape(shape: PointerShape): Promise<void> {
    if (this.#images.has(shape.shape)) return;
    const known: ShapeImage = { hotX: shape.hotXPx, hotY: shape.hotYPx };
    this.#images.set(shape.shape, known);
    for (const [identity, old] of this.#images) {
      if (this.#images.size <= MOST_IMAGES) break;
      old.image?.close();
      this.#images.delete(identity);
    }
    const size = shape.widthPx * shape.heightPx * 4;
    known.image = await inflate(shape.deflated, size).then(
      (rgba) => shapeImage(rgba, shape),
      () => undefined,
    );
    if (!known.image) this.#images.delete(shape.shape);
    this.changed();
  }

  #takeControls(message: ChannelMessage): void {
    const batch = fromBinary(ControlBatchSchema, message.data);
    let timeNs = message.timeNs;
    let found = false; // a state that was found is nothing that was done
    batch.dtUs.forEach((dt, i) => {
      timeNs += BigInt(dt) * 1000n;
      const control = batch.control[i] ?? 0;
      if (control === Control.FOUND || control === Control.FRAME) found = control === Control.FOUND;
      if (found) return;
      const button = BUTTONS.get(control);
      if (button !== undefined && batch.value[i] === 1)
        this.#addDeed({ timeNs, kind: 'click', button });
      else if (control === Control.WHEEL || control === Control.HWHEEL)
        this.#addDeed({ timeNs, kind: 'scroll' });
    });
  }

  #takeKeys(message: ChannelMessage): void {
    const full = message.topic === '/input/keys/full';
    const batch = full
      ? fromBinary(KeyBatchSchema, message.data)
      : fromBinary(KeyClassBatchSchema, message.data);
    const classes = 'keyClass' in batch ? batch.keyClass : [];
    const codes = 'code' in batch ? batch.code : [];
    let timeNs = message.timeNs;
    batch.dtUs.forEach((dt, i) => {
      timeNs += BigInt(dt) * 1000n;
      if (batch.action[i] === KeyAction.PRESS)
        this.#addDeed({
          timeNs,
          kind: 'key',
          keyClass: classes[i] ?? KeyClass.UNSPECIFIED,
          label: this.#labels.get(codes[i] ?? 0),
        });
    });
  }

  #takeShortcuts(message: ChannelMessage): void {
    const batch = fromBinary(ShortcutBatchSchema, message.data);
    batch.code.forEach((code, i) => {
      const names = MODIFIERS.filter(([bit]) => (batch.modifiers[i] ?? 0) & bit).map(([, name]) => name);
      const label = [...names, this.#labels.get(code) ?? '?'].join('+');
      this.#addDeed({ timeNs: message.timeNs, kind: 'shortcut', label });
    });
  }

  #takePolicy(message: ChannelMessage): void {
    const { reason, level } = fromBinary(KeyPolicySchema, message.data);
    const unwatched = reason === KeyPolicy_Reason.UNWATCHED && level <= KeyPolicy_Level.NONE;
    const hidden = reason === KeyPolicy_Reason.PASSWORD ? 'password field' : unwatched ? 'focus not known' : '';
    /* what comes first says how it is, and not that something has changed */
    if (this.#hidden !== undefined && hidden !== this.#hidden)
      this.#addDeed({
        timeNs: message.timeNs,
        kind: 'policy',
        label: hidden ? `${hidden}: keys are not recorded` : 'keys are recorded again',
      });
    this.#hidden = hidden;
  }

  /* it comes after the batch that has the click, or before it */
  #takeClicked(message: ChannelMessage): void {
    const { role, name, application } = fromBinary(ClickedObjectSchema, message.data);
    const clicked = { timeNs: message.timeNs, role, name, application };
    if (!role || this.#nameClick(clicked)) return;
    this.#clicked.push(clicked);
    this.#clicked.splice(0, this.#clicked.length - KEPT_SHAPES);
  }

  #nameClick({ timeNs, ...what }: Clicked): boolean {
    let nearest: Deed | undefined;
    for (let i = this.deeds.length - 1; i >= 0; i--) {
      const deed = this.deeds[i];
      if (!deed || deed.timeNs < timeNs - SAME_CLICK_NS) break;
      if (deed.kind !== 'click' || deed.role || deed.timeNs > timeNs + SAME_CLICK_NS) continue;
      if (!nearest || distance(deed.timeNs, timeNs) < distance(nearest.timeNs, timeNs)) nearest = deed;
    }
    if (!nearest) return false;
    Object.assign(nearest, what);
    this.changed();
    return true;
  }

  #addDeed(deed: Pick<Deed, 'timeNs' | 'kind'> & Partial<Deed>): void {
    const at = this.positionAt(deed.timeNs) ?? this.#positions[0];
    insert(this.deeds, {
      x: at?.x ?? -1,
      y: at?.y ?? -1,
      button: 0,
      keyClass: KeyClass.UNSPECIFIED,
      ...deed,
    });
    if (deed.kind === 'click')
      this.#clicked = this.#clicked.filter((clicked) => !this.#nameClick(clicked));
    this.changed();
  }
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}

/** The canvas wants straight alpha, X gives premultiplied. */
function unpremultiply(rgba: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const straight = new Uint8ClampedArray(rgba.length);
  for (let i = 0; i < rgba.length; i += 4) {
    const alpha = rgba[i + 3] ?? 0;
    for (let channel = 0; channel < 3; channel++)
      straight[i + channel] = alpha ? ((rgba[i + channel] ?? 0) * 255) / alpha : 0;
    straight[i + 3] = alpha;
  }
  return straight;
}

async function inflate(deflated: Uint8Array, size: number): Promise<Uint8Array> {
  const stream = new Blob([deflated as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream('deflate'));
  const pixels = new Uint8Array(size);
  let at = 0;
  const reader = stream.getReader();
  for (let part = await reader.read(); part.value; part = await reader.read()) {
    if (at + part.value.length > size) throw new RangeError('a pointer shape of another size');
    pixels.set(part.value, at);
    at += part.value.length;
  }
  return pixels;
}

/** Nothing when the pixels are not of the shape's size. */
async function shapeImage(
  rgba: Uint8Array,
  { widthPx, heightPx }: { widthPx: number; heightPx: number },
): Promise<ImageBitmap | undefined> {
  if (!rgba.length || rgba.length !== widthPx * heightPx * 4) return undefined;
  return createImageBitmap(new ImageData(unpremultiply(rgba), widthPx, heightPx));
}
