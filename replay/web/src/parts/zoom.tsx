// Size of the picture on the stage: fitted, or a multiple of its pixels, panned by scrolling.

import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useKeys } from '../base/keys';
import { Icon } from './parts';

const STEPS = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4];
const LEAST = 0.1;
const MOST = 4;
const ARROW_PX = 60;
/* zoom rate of the wheel with Control, and of a touchpad pinch, which is reported as such */
const WHEEL = 0.0025;

export interface Zoom {
  /** Scale of the picture's pixels; 0: fitted. */
  factor: number;
  set: (factor: number) => void;
  step: (up: boolean) => void;
  toggleFullScreen: () => void;
}

interface Point {
  x: number;
  y: number;
}

const middle = ([a, b]: Point[]): Point => ({ x: ((a?.x ?? 0) + (b?.x ?? 0)) / 2, y: ((a?.y ?? 0) + (b?.y ?? 0)) / 2 });
const distance = ([a, b]: Point[]): number => Math.hypot((a?.x ?? 0) - (b?.x ?? 0), (a?.y ?? 0) - (b?.y ?? 0));
const pointsOf = (touches: TouchList): Point[] => Array.from(touches, ({ clientX, clientY }) => ({ x: clientX, y: clientY }));

interface ZoomState {
  /** The factor of the last render. */
  now: RefObject<number>;
  /** Scale of the picture on the page, also while fitted. */
  shown: () => number;
  /** zoomTo() of the last render. */
  live: RefObject<(factor: number, about: Point) => void>;
}

/** Zoom by wheel and pinch; pan by dragging and by the arrow keys. */
function useGestures(view: RefObject<HTMLElement | null>, width: number, { now, shown, live }: ZoomState): void {
  useEffect(() => {
    const box = view.current;
    if (!box) return undefined;
    let pinched: { factor: number; distance: number } | undefined;
    let dragged: (Point & { pointer: number }) | undefined;
    const gestures = new AbortController();
    const on = <K extends keyof HTMLElementEventMap>(name: K, listen: (event: HTMLElementEventMap[K]) => void) =>
      box.addEventListener(name, listen, { passive: false, signal: gestures.signal });
    on('wheel', (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      live.current(shown() * Math.exp(-event.deltaY * WHEEL), { x: event.clientX, y: event.clientY });
    });
    on('touchstart', (event) => {
      pinched = undefined;
      if (event.touches.length === 2) pinched = { factor: shown(), distance: distance(pointsOf(event.touches)) };
    });
    on('touchmove', (event) => {
      if (event.touches.length !== 2 || !pinched?.distance) return;
      event.preventDefault();
      const points = pointsOf(event.touches);
      live.current((pinched.factor * distance(points)) / pinched.distance, middle(points));
    });
    on('pointerdown', (event) => {
      if (event.pointerType !== 'mouse' || event.button !== 0 || now.current === 0) return;
      dragged = { x: event.clientX, y: event.clientY, pointer: event.pointerId };
      box.setPointerCapture(event.pointerId);
    });
    on('pointermove', (event) => {
      if (dragged?.pointer !== event.pointerId) return;
      box.scrollBy(dragged.x - event.clientX, dragged.y - event.clientY);
      dragged = { x: event.clientX, y: event.clientY, pointer: event.pointerId };
    });
    for (const name of ['pointerup', 'pointercancel'] as const) on(name, () => (dragged = undefined));
    on('keydown', (event) => {
      const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!arrow || now.current === 0 || event.shiftKey || event.altKey) return;
      event.preventDefault();
      box.scrollBy((arrow[0] ?? 0) * ARROW_PX, (arrow[1] ?? 0) * ARROW_PX);
    });
    return () => gestures.abort();
  }, [view, width]);
}

/**
 * @param view   scrolls; the picture is its first child
 * @param width  of the picture, in its pixels
 */
export function useZoom(view: RefObject<HTMLElement | null>, stage: RefObject<HTMLElement | null>, width: number): Zoom {
  const [factor, setFactor] = useState(0);
  /* fixed point of the zoom: as shares of the picture, and its position in the view */
  const kept = useRef<{ share: Point; at: Point } | undefined>(undefined);
  const now = useRef(factor);
  now.current = factor;
  const shown = () => (view.current?.firstElementChild?.getBoundingClientRect().width ?? 0) / (width || 1);

  const zoomTo = (wanted: number, about?: Point) => {
    const picture = view.current?.firstElementChild?.getBoundingClientRect();
    const place = view.current?.getBoundingClientRect();
    if (!picture || !place || !width) return;
    const point = about ?? { x: place.x + place.width / 2, y: place.y + place.height / 2 };
    kept.current = {
      share: { x: (point.x - picture.x) / picture.width, y: (point.y - picture.y) / picture.height },
      at: { x: point.x - place.x, y: point.y - place.y },
    };
    const fits = place.width / width;
    setFactor(wanted === 0 || (wanted < fits && now.current !== 0 && wanted < now.current) ? 0 : Math.min(MOST, Math.max(LEAST, wanted)));
  };
  const live = useRef(zoomTo);
  live.current = zoomTo;

  useLayoutEffect(() => {
    const picture = view.current?.firstElementChild?.getBoundingClientRect();
    if (!kept.current || !picture || !view.current) return;
    const { share, at } = kept.current;
    view.current.scrollTo({ left: share.x * picture.width - at.x, top: share.y * picture.height - at.y });
  }, [factor]);

  useGestures(view, width, { now, shown, live });

  return {
    factor,
    set: (wanted) => zoomTo(wanted),
    step: (up) => {
      const from = shown();
      const next = up ? STEPS.find((step) => step > from * 1.01) : STEPS.findLast((step) => step < from / 1.01);
      if (up) zoomTo(next ?? MOST);
      else if (factor !== 0) zoomTo(next ?? 0);
    },
    toggleFullScreen: () => {
      if (document.fullscreenElement) void document.exitFullscreen();
      else void stage.current?.requestFullscreen?.();
    },
  };
}

/** Zoom buttons over the picture, and their keys. */
export function ZoomBar({ zoom }: { zoom: Zoom }) {
  const percent = `${Math.round(100 * zoom.factor)} %`;
  const canFill = document.fullscreenEnabled;
  useKeys({
    '+': () => zoom.step(true),
    '=': () => zoom.step(true),
    '-': () => (zoom.factor ? zoom.step(false) : 'the picture fits already'),
    ...(canFill && { 'shift+Enter': zoom.toggleFullScreen }),
  });
  return (
    <div class={`zoombar ${zoom.factor ? 'used' : ''}`} role="group" aria-label="Size of the picture">
      <button type="button" aria-label="Smaller" title="Smaller (−)" disabled={!zoom.factor} onClick={() => zoom.step(false)}>
        <Icon name="minus" />
      </button>
      <button
        type="button"
        class="factor"
        aria-label={zoom.factor ? `${percent}: fit the picture` : 'fit: show 100 %'}
        title={zoom.factor ? 'Fit the picture' : 'Show 100 %'}
        onClick={() => zoom.set(zoom.factor ? 0 : 1)}
      >
        {zoom.factor ? percent : 'fit'}
      </button>
      <button type="button" aria-label="Larger" title="Larger (+)" onClick={() => zoom.step(true)}>
        <Icon name="plus" />
      </button>
      {canFill && (
        <button type="button" aria-label="Full screen" title="Full screen (⇧Enter), Esc leaves it" onClick={zoom.toggleFullScreen}>
          <Icon name="full" />
        </button>
      )}
    </div>
  );
}
