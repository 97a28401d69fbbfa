// A long list that renders only the rows around the visible part. Row heights are measured; a focused or edited row
// stays rendered at any scroll position.

import type { RefObject } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/* shorter lists are rendered entirely */
const MOST_ROWS = 200;
const ROW_PX = 45;
/* margin above and below the visible part */
const AROUND_PX = 800;
/* scroll distance between updates of the rows */
const STEP_PX = 300;

/** A row by index, or a placeholder for the omitted rows from there on. */
export interface Slot {
  index: number;
  gapPx: number; // 0: a row
}

export interface Windowed {
  slots: Slot[];
  /** Number of rows added on top since the list was scrolled away from there. */
  fresh: number;
  toTop: () => void;
  /** Scroll a row into view. */
  reveal: (id: string) => void;
}

/** The visible part, in px from the first row's top. */
interface View {
  topPx: number;
  bottomPx: number;
}

/** The rows when the list was at its top. */
interface Known {
  ids: readonly string[];
  set?: ReadonlySet<string>;
}

/** The end of each row, in px from the first row's top. */
function endsOf(ids: readonly string[], heights: ReadonlyMap<string, number>): Float64Array {
  const ends = new Float64Array(ids.length);
  let sum = 0;
  ids.forEach((id, i) => {
    sum += heights.get(id) ?? ROW_PX;
    ends[i] = sum;
  });
  return ends;
}

/** The first row that ends below a position. */
function rowAt(ends: Float64Array, px: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] ?? 0) <= px) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Indices of the rows around the visible part, and of the focused and the edited row. */
function shownOf(ids: readonly string[], ends: Float64Array, { topPx, bottomPx }: View, edited: string): Set<number> {
  const shown = new Set<number>();
  const to = rowAt(ends, bottomPx + AROUND_PX) + 1;
  for (let i = rowAt(ends, topPx - AROUND_PX); i < Math.min(to, ids.length); i++) shown.add(i);
  const focused = document.activeElement?.closest<HTMLElement>('[data-act]')?.dataset.act;
  for (const id of [focused, edited]) {
    const index = id ? ids.indexOf(id) : -1;
    if (index >= 0) shown.add(index);
  }
  return shown;
}

/** Number of rows on top of the known ones. */
function freshOf(ids: readonly string[], known: Known): number {
  if (ids[0] === known.ids[0]) return 0;
  const old = (known.set ??= new Set(known.ids));
  return Math.max(0, ids.findIndex((id) => old.has(id)));
}

/** Update the heights of the rendered rows. @return true if one is new */
function measure(root: HTMLElement | null, heights: Map<string, number>): boolean {
  let isNew = false;
  for (const row of root?.querySelectorAll<HTMLElement>('.marks > [data-act]') ?? []) {
    const id = row.dataset.act ?? '';
    const px = row.getBoundingClientRect().height;
    if (Math.abs((heights.get(id) ?? ROW_PX) - px) < 0.5) continue;
    heights.set(id, px);
    isNew = true;
  }
  return isNew;
}

function slotsOf(ends: Float64Array, shown: ReadonlySet<number>): Slot[] {
  const slots: Slot[] = [];
  let next = 0;
  const startOf = (index: number) => (index > 0 ? (ends[index - 1] ?? 0) : 0);
  for (const index of [...shown, ends.length].sort((a, b) => a - b)) {
    if (index > next) slots.push({ index: next, gapPx: Math.max(1, startOf(index) - startOf(next)) });
    if (index < ends.length) slots.push({ index, gapPx: 0 });
    next = index + 1;
  }
  return slots;
}

function placeIn(panel: HTMLElement, row: HTMLElement): number {
  return row.getBoundingClientRect().top - panel.getBoundingClientRect().top + panel.scrollTop;
}

/** Scroll a panel, but not the page, until a row is visible with some neighbours. */
export function scrollInPanel(panel: HTMLElement, row: HTMLElement): void {
  const px = placeIn(panel, row);
  if (px < panel.scrollTop || px + row.offsetHeight > panel.scrollTop + panel.clientHeight)
    panel.scrollTop = px - 0.4 * panel.clientHeight;
}

/** True while printing, which renders all rows. */
function useIsPrinted(): boolean {
  const [isPrinted, setPrinted] = useState(false);
  useEffect(() => {
    const begin = () => setPrinted(true);
    const end = () => setPrinted(false);
    window.addEventListener('beforeprint', begin);
    window.addEventListener('afterprint', end);
    return () => {
      window.removeEventListener('beforeprint', begin);
      window.removeEventListener('afterprint', end);
    };
  }, []);
  return isPrinted;
}

/** Call `look` when the panel around the list is scrolled or resized. */
function usePanelChanges(root: RefObject<HTMLElement | null>, look: () => void): void {
  useEffect(() => {
    const panel = root.current?.closest<HTMLElement>('.panel');
    if (!panel) return undefined;
    panel.addEventListener('scroll', look, { passive: true });
    const sizes = new ResizeObserver(look);
    sizes.observe(panel);
    return () => {
      panel.removeEventListener('scroll', look);
      sizes.disconnect();
    };
  }, [root, look]);
}

/**
 * @param root    around the list; its rows have their ids as data-act. It scrolls in the next `.panel`
 * @param ids     of all rows
 * @param edited  id of the row that stays rendered
 */
export function useWindowed(root: RefObject<HTMLElement | null>, ids: readonly string[], edited: string): Windowed {
  const [, render] = useState(0);
  const heights = useRef(new Map<string, number>());
  const view = useRef({ topPx: 0, bottomPx: 1500 });
  const known = useRef<Known>({ ids });
  /* scroll anchor: the first visible row and its position, kept when rows are added */
  const anchor = useRef<{ id: string; px: number } | undefined>(undefined);
  const all = useRef(ids);
  all.current = ids;

  const isPrinted = useIsPrinted();
  const ends = endsOf(ids, heights.current);
  const isWindowed = ids.length > MOST_ROWS && !isPrinted;
  const shown = isWindowed ? shownOf(ids, ends, view.current, edited) : new Set(ids.keys());
  if (known.current.ids.length === 0) known.current = { ids };
  const fresh = freshOf(ids, known.current);

  const look = useCallback(() => {
    const panel = root.current?.closest<HTMLElement>('.panel');
    const rows = root.current?.querySelector('.marks');
    if (!panel || !rows) return;
    const place = panel.getBoundingClientRect();
    const beginPx = rows.getBoundingClientRect().top;
    const seen = { topPx: place.top - beginPx, bottomPx: Math.min(place.bottom, window.innerHeight) - beginPx };
    const isMoved = Math.abs(seen.topPx - view.current.topPx) + Math.abs(seen.bottomPx - view.current.bottomPx) > STEP_PX;
    const isTop = panel.scrollTop < 8;
    const first = [...rows.querySelectorAll<HTMLElement>(':scope > [data-act]')].find(
      (row) => row.getBoundingClientRect().bottom > place.top,
    );
    anchor.current = first && { id: first.dataset.act ?? '', px: placeIn(panel, first) };
    const wasTop = known.current.ids[0] === all.current[0];
    if (isTop && !wasTop) known.current = { ids: all.current };
    if (isMoved) view.current = seen;
    if (isMoved || (isTop && !wasTop)) render((renders) => renders + 1);
  }, [root]);

  usePanelChanges(root, look);

  useLayoutEffect(() => {
    const panel = root.current?.closest<HTMLElement>('.panel');
    const row = anchor.current && root.current?.querySelector<HTMLElement>(`[data-act="${anchor.current.id}"]`);
    if (panel && row && anchor.current && panel.scrollTop >= 8)
      panel.scrollTop += placeIn(panel, row) - anchor.current.px;
    look();
    if (isWindowed && measure(root.current, heights.current)) render((renders) => renders + 1);
  });

  const toTop = useCallback(() => {
    root.current?.closest('.panel')?.scrollTo({ top: 0 });
    look();
  }, [root, look]);
  const reveal = useCallback(
    (id: string) => {
      const row = () => root.current?.querySelector<HTMLElement>(`[data-act="${id}"]`);
      const panel = root.current?.closest<HTMLElement>('.panel');
      const rows = root.current?.querySelector<HTMLElement>('.marks');
      const index = all.current.indexOf(id);
      if (!panel || !rows || index < 0) return;
      const show = () => {
        const element = row();
        if (element) scrollInPanel(panel, element);
      };
      if (row()) return show();
      let px = placeIn(panel, rows);
      for (const before of all.current.slice(0, index)) px += heights.current.get(before) ?? ROW_PX;
      panel.scrollTop = px - panel.clientHeight / 2;
      look();
      requestAnimationFrame(show);
    },
    [root, look],
  );
  return { slots: slotsOf(ends, shown), fresh, toTop, reveal };
}
