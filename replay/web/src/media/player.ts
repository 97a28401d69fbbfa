// The player core: the picture on the stage, its time, and the overlay. Independent of network and clock; a driver
// (live.ts, recorded.ts) feeds it and selects the moment to show.

import { fromBinary } from '@bufbuild/protobuf';
import {
  TOPIC_CLICKED,
  TOPIC_CONTROLS,
  TOPIC_KEYBOARD_LAYOUT,
  TOPIC_KEYS,
  TOPIC_KEY_CLASSES,
  TOPIC_KEY_COUNTS,
  TOPIC_KEY_POLICY,
  TOPIC_POINTER,
  TOPIC_POINTER_SHAPE,
  TOPIC_SCREEN_INFO,
  TOPIC_SHORTCUTS,
} from '../../gen/protocol/constants';
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

/** An input event of the participant, for the overlay and the lists. */
/* in display order */
const MODIFIERS: ReadonlyArray<[ShortcutBatch_Modifier, string]> = [
  [ShortcutBatch_Modifier.SUPER, 'Super'],
  [ShortcutBatch_Modifier.CTRL, 'Ctrl'],
  [ShortcutBatch_Modifier.ALT, 'Alt'],
  [ShortcutBatch_Modifier.SHIFT, 'Shift'],
];

export interface InputAction {
  timeNs: bigint;
  kind: 'click' | 'key' | 'scroll' | 'shortcut' | 'policy';
  x: number;
  y: number;
  /** 1 left, 2 middle, 3 right */
  button: number;
  keyClass: KeyClass;
  /** label of the key, if recorded; of shortcuts and policies the full text */
  label?: string;
  /** The clicked accessible object, if its application reported it. */
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
  /** Key into the images by identity; 0n: own image. */
  identity: bigint;
}

export interface Stats {
  state: string;
  firstPictureMs: number;
  picturesDecoded: number;
  lagMs: number;
  /** Session time; as a double exact to a quarter of a microsecond. */
  presentationTimeNs: number;
  soundPacketsPlayed?: number;
  /** Of the recorder's newest levels; live only. */
  soundDb?: number;
  soundTrouble?: string;
  /** Peak of the last sound played, 0 to 1. */
  soundPeak?: number;
  /** Lag of the sound behind the moment shown. */
  soundOffMs?: number;
}

/* Limits of the live history for the overlay: more than it ever draws. */
const KEPT = 4000;
const KEPT_SHAPES = 64;
const MOST_SHAPES = 8192;
const MOST_IMAGES = 128;

/* A click and the clicked object have timestamps of two clocks; see replay/session/timeline.c. */
const SAME_CLICK_NS = 25_000_000n;

/** Index of the last item at or before a time; -1 if there is none. */
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
  /** Size of the screen in pixels; 0 while unknown. */
  width = 0;
  height = 0;
  /** Session time up to which the picture is complete and shown: tags are bound to it. */
  presentationNs = 0n;
  presentedMs = 0; // time of the last present(), by performance.now()
  /** Time of the last applied moment. */
  pictureNs = 0n;
  /** True while an applied moment is not drawn. */
  undrawn = false;
  picturesDecoded = 0;
  firstPictureMs = 0;
  readonly inputActions: InputAction[] = [];

  #picture?: HTMLCanvasElement;
  #context: CanvasRenderingContext2D | null = null;
  #sizes: Size[] = [];
  #positions: Position[] = [];
  #shapes: Shape[] = [];
  /** Cursor images by identity, derived from their content: also valid for other moments. */
  readonly #images = new Map<bigint, ShapeImage>();
  #labels = new Map<number, string>();
  #hidden?: string; // reason for hidden keys; "": recorded; undefined: unknown
  /** Clicked objects whose click has not arrived yet. */
  #clicked: Clicked[] = [];
  /* The visible picture: the video frame, and the patches on top, if any. */
  #frame?: VideoFrame;
  #layer = document.createElement('canvas').getContext('2d');
  #layered = false;
  #stale = false; // a full redraw is pending

  /** Start of the page; reference for timing the first picture. */
  readonly openedMs = performance.now();

  attach(canvas: HTMLCanvasElement | null): void {
    this.#picture = canvas ?? undefined;
    this.#context = canvas?.getContext('2d', { alpha: false }) ?? null;
    this.#drawAll();
  }

  /** Drop all state: another moment or session follows. */
  clear(): void {
    this.#sizes = [];
    this.#positions = [];
    for (const shape of this.#shapes.splice(0)) shape.image?.close();
    this.inputActions.length = 0;
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

  /** Presentation time extrapolated between two updates, for moving parts. */
  flowingNs(): bigint {
    if (!this.presentationNs) return 1n << 62n;
    const since = Math.min(300, performance.now() - this.presentedMs);
    return this.presentationNs + BigInt(Math.round(since * 1e6));
  }

  /** Reasons for redacted areas in the picture at a time. */
  hiddenAt(ns: bigint): readonly Screen_HiddenReason[] {
    return this.#sizes[lastAtOrBefore(this.#sizes, ns)]?.hidden ?? [];
  }

  /** Take a message other than a picture. */
  take(message: ChannelMessage): void {
    switch (message.topic) {
      case TOPIC_SCREEN_INFO: {
        const { widthPx, heightPx, hiddenNow } = fromBinary(ScreenSchema, message.data);
        insert(this.#sizes, { timeNs: message.timeNs, width: widthPx, height: heightPx, hidden: hiddenNow });
        this.changed();
        if (!this.pictureNs) this.#takeSize(message.timeNs);
        break;
      }
      case TOPIC_POINTER:
        this.#takePositions(message);
        break;
      case TOPIC_POINTER_SHAPE:
        this.#takeShape(message);
        break;
      case TOPIC_CONTROLS:
        this.#takeControls(message);
        break;
      case TOPIC_CLICKED:
        this.#takeClicked(message);
        break;
      case TOPIC_KEY_CLASSES:
      case TOPIC_KEYS:
        this.#takeKeys(message);
        break;
      case TOPIC_KEY_COUNTS:
        for (let left = fromBinary(KeyCountSchema, message.data).presses; left > 0; left--)
          this.#addInputAction({ timeNs: message.timeNs, kind: 'key' });
        break;
      case TOPIC_SHORTCUTS:
        this.#takeShortcuts(message);
        break;
      case TOPIC_KEYBOARD_LAYOUT:
        this.#labels = new Map(fromBinary(KeyboardLayoutSchema, message.data).labels.map(({ code, text }) => [code, text]));
        break;
      case TOPIC_KEY_POLICY:
        this.#takePolicy(message);
        break;
      default:
        break;
    }
  }

  /** Make a moment the one shown by draw(); takes ownership. Moments come in order, without omissions. */
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

  /** Draw the applied moments. */
  draw(): void {
    if (!this.undrawn) return;
    if (!this.firstPictureMs) this.firstPictureMs = performance.now() - this.openedMs;
    if (this.#stale) this.#drawAll();
    this.undrawn = false;
    this.changed();
  }

  /* size information precedes the picture of that size */
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
    if (!this.#layered && this.#layer) Object.assign(this.#layer.canvas, this.#shownSize()); // also clears it
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
   * Draw the cursor and the clicks at a time over the picture. Live, the cursor is newer than the picture and is drawn
   * at its newest position.
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
    if (known) return; // hidden by the program under test
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
    for (let i = lastAtOrBefore(this.inputActions, atNs); i >= 0; i--) {
      const action = this.inputActions[i];
      if (!action) break;
      const age = Number(atNs - action.timeNs) / 1e6;
      if (age > 700) break;
      if (action.kind !== 'click' || action.x < 0) continue;
      const grown = calm ? 0.5 : age / 700;
      const scale = Math.max(1, this.width / 1280);
      context.beginPath();
      context.arc(action.x, action.y, (10 + 26 * grown) * scale, 0, 2 * Math.PI);
      context.lineWidth = 4 * scale;
      context.globalAlpha = 1 - age / 700;
      context.strokeStyle = '#fff';
      context.stroke();
      context.lineWidth = 2.5 * scale;
      context.strokeStyle = action.button === 1 ? '#e8590c' : '#1971c2';
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
    /* a click may arrive before the batch with the pointer's position */
    for (let i = this.inputActions.length - 1; i >= 0; i--) {
      const action = this.inputActions[i];
      if (!action || action.timeNs < message.timeNs) break;
      const at = this.positionAt(action.timeNs);
      if (at) Object.assign(action, { x: at.x, y: at.y });
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
    /* a replay receives shapes ahead of the moment shown: drop past ones, and the excess over the limit */
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
    let found = false; // an initial state is not an action
    batch.dtUs.forEach((dt, i) => {
      timeNs += BigInt(dt) * 1000n;
      const control = batch.control[i] ?? 0;
      if (control === Control.FOUND || control === Control.FRAME) found = control === Control.FOUND;
      if (found) return;
      const button = BUTTONS.get(control);
      if (button !== undefined && batch.value[i] === 1)
        this.#addInputAction({ timeNs, kind: 'click', button });
      else if (control === Control.WHEEL || control === Control.HWHEEL)
        this.#addInputAction({ timeNs, kind: 'scroll' });
    });
  }

  #takeKeys(message: ChannelMessage): void {
    const full = message.topic === TOPIC_KEYS;
    const batch = full
      ? fromBinary(KeyBatchSchema, message.data)
      : fromBinary(KeyClassBatchSchema, message.data);
    const classes = 'keyClass' in batch ? batch.keyClass : [];
    const codes = 'code' in batch ? batch.code : [];
    let timeNs = message.timeNs;
    batch.dtUs.forEach((dt, i) => {
      timeNs += BigInt(dt) * 1000n;
      if (batch.action[i] === KeyAction.PRESS)
        this.#addInputAction({
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
      this.#addInputAction({ timeNs: message.timeNs, kind: 'shortcut', label });
    });
  }

  #takePolicy(message: ChannelMessage): void {
    const { reason, level } = fromBinary(KeyPolicySchema, message.data);
    const unwatched = reason === KeyPolicy_Reason.UNWATCHED && level <= KeyPolicy_Level.NONE;
    const hidden = reason === KeyPolicy_Reason.PASSWORD ? 'password field' : unwatched ? 'focus not known' : '';
    /* the first policy is the initial state, not a change */
    if (this.#hidden !== undefined && hidden !== this.#hidden)
      this.#addInputAction({
        timeNs: message.timeNs,
        kind: 'policy',
        label: hidden ? `${hidden}: keys are not recorded` : 'keys are recorded again',
      });
    this.#hidden = hidden;
  }

  /* arrives after or before the batch with the click */
  #takeClicked(message: ChannelMessage): void {
    const { role, name, application } = fromBinary(ClickedObjectSchema, message.data);
    const clicked = { timeNs: message.timeNs, role, name, application };
    if (!role || this.#nameClick(clicked)) return;
    this.#clicked.push(clicked);
    this.#clicked.splice(0, this.#clicked.length - KEPT_SHAPES);
  }

  #nameClick({ timeNs, ...what }: Clicked): boolean {
    let nearest: InputAction | undefined;
    for (let i = this.inputActions.length - 1; i >= 0; i--) {
      const action = this.inputActions[i];
      if (!action || action.timeNs < timeNs - SAME_CLICK_NS) break;
      if (action.kind !== 'click' || action.role || action.timeNs > timeNs + SAME_CLICK_NS) continue;
      if (!nearest || distance(action.timeNs, timeNs) < distance(nearest.timeNs, timeNs)) nearest = action;
    }
    if (!nearest) return false;
    Object.assign(nearest, what);
    this.changed();
    return true;
  }

  #addInputAction(action: Pick<InputAction, 'timeNs' | 'kind'> & Partial<InputAction>): void {
    const at = this.positionAt(action.timeNs) ?? this.#positions[0];
    insert(this.inputActions, {
      x: at?.x ?? -1,
      y: at?.y ?? -1,
      button: 0,
      keyClass: KeyClass.UNSPECIFIED,
      ...action,
    });
    if (action.kind === 'click')
      this.#clicked = this.#clicked.filter((clicked) => !this.#nameClick(clicked));
    this.changed();
  }
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}

/** Canvas needs straight alpha, X delivers premultiplied. */
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

/** Undefined if the pixels do not match the size of the shape. */
async function shapeImage(
  rgba: Uint8Array,
  { widthPx, heightPx }: { widthPx: number; heightPx: number },
): Promise<ImageBitmap | undefined> {
  if (!rgba.length || rgba.length !== widthPx * heightPx * 4) return undefined;
  return createImageBitmap(new ImageData(unpremultiply(rgba), widthPx, heightPx));
}
