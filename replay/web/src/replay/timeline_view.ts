// View of the timeline: the visible part of a session, its zoom, and the positions of times in it.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type View, zoomed } from '../base/axis';
import { hints, useKeys } from '../base/keys';
import type { RecordedDriver } from '../driver/recorded';
import type { Player } from '../media/player';

const ZOOM = 2;

/** Current view of a session, and the positions of times in it as shares of the width. */
export interface Scale extends View {
  beginNs: bigint;
  endNs: bigint;
  share: (ns: bigint) => number;
  isIn: (fromNs: bigint, toNs: bigint) => boolean;
}

function scaleOf(view: View, beginNs: bigint, endNs: bigint): Scale {
  return {
    ...view,
    beginNs,
    endNs,
    share: (ns) => Number(ns - view.fromNs) / Number(view.lengthNs),
    isIn: (fromNs, toNs) => toNs >= view.fromNs && fromNs <= view.fromNs + view.lengthNs,
  };
}

export function place(left: number, width?: number) {
  if (width === undefined) return { left: `${left * 100}%` };
  /* a task that begins before the view is drawn from the left edge, to keep its name visible */
  const from = Math.max(0, left);
  return { left: `${from * 100}%`, width: `${Math.max(0, Math.min(1, left + width) - from) * 100}%` };
}

/** Width of an element, updated on resize. */
export function useWidth() {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1000);
  useLayoutEffect(() => {
    if (!element.current) return undefined;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width || 1));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return { element, width };
}

/** View of a session, and its zoom. @param track  the element that has the view's width */
export function useTimelineView(driver: RecordedDriver, player: Player, track: { current: HTMLElement | null }) {
  const [chosen, setChosen] = useState<View>();
  const { beginNs, endNs } = driver;
  const lengthNs = endNs > beginNs ? endNs - beginNs : 1n;
  const whole: View = { fromNs: beginNs, lengthNs };
  const view = chosen ?? whole;
  const momentAt = (clientX: number) => {
    const box = track.current?.getBoundingClientRect();
    if (!box) return beginNs;
    const part = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    return view.fromNs + BigInt(Math.round(part * Number(view.lengthNs)));
  };
  const zoom = (factor: number, aroundNs = driver.nowNs()) => {
    const next = zoomed(view, whole, factor, aroundNs);
    setChosen(next.lengthNs === lengthNs ? undefined : next);
    if (next.lengthNs === view.lengthNs) hints.show(factor > 1 ? 'Maximum zoom is reached' : 'The whole session is shown');
  };
  const zoomIn = () => zoom(ZOOM);
  const zoomOut = () => zoom(1 / ZOOM);
  useKeys({ 'shift+ArrowUp': zoomIn, 'shift+ArrowDown': zoomOut });
  useFollowedView(driver, player, chosen, setChosen);
  useWheel(track, (event) => {
    if (!event.ctrlKey && !event.metaKey) return false;
    zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, momentAt(event.clientX));
    return true;
  });
  return { scale: scaleOf(view, beginNs, endNs), isZoomed: chosen !== undefined, zoomIn, zoomOut, momentAt };
}

/** Scroll the view with the playhead while playing, and to the target of a seek. */
function useFollowedView(
  driver: RecordedDriver,
  player: Player,
  view: View | undefined,
  setView: (view: View) => void,
): void {
  useEffect(() => {
    if (!view) return undefined;
    return player.subscribe(() => {
      const now = driver.nowNs();
      if (now >= view.fromNs && now <= view.fromNs + view.lengthNs) return;
      const last = driver.endNs - view.lengthNs;
      const fromNs = now - view.lengthNs / 10n;
      setView({ ...view, fromNs: fromNs < driver.beginNs ? driver.beginNs : fromNs > last ? last : fromNs });
    });
  }, [driver, player, view]);
}

/** Wheel handler of an element; events rejected by `take` scroll as usual. */
function useWheel(element: { current: HTMLElement | null }, take: (event: WheelEvent) => boolean): void {
  const newest = useRef(take);
  newest.current = take;
  useEffect(() => {
    const listen = (event: WheelEvent) => {
      if (newest.current(event)) event.preventDefault(); // prevents browser zoom
    };
    const { current } = element;
    current?.addEventListener('wheel', listen, { passive: false });
    return () => current?.removeEventListener('wheel', listen);
  }, []);
}
