// Feed of the participant's input, grouped into readable runs.

import { useMemo, useState } from 'preact/hooks';
import { KeyClass } from '../../gen/protocol/input_pb';
import type { Gap } from '../../gen/protocol/session_pb';
import type { Timeline_Event } from '../../gen/protocol/wire_pb';
import { Timeline_Event_Kind } from '../../gen/protocol/wire_pb';
import { clock, count } from '../base/format';
import { gapRuns, gapText } from '../base/gaps';
import type { InputAction } from '../media/player';
import { keyClassName } from '../parts/stage';

export interface FeedItem {
  atNs: bigint;
  kind: 'click' | 'keys' | 'scroll' | 'shortcut' | 'policy' | 'gap';
  text: string;
  /** Secondary text: the application. */
  detail?: string;
  /** The single gaps of a run, on demand. */
  parts?: Array<{ atNs: bigint; text: string }>;
}

const RUN_NS = 1_000_000_000n;
const BUTTON_NAMES = ['', 'left', 'middle', 'right'];

interface Click {
  button: number;
  x: number;
  y: number;
  role?: string;
  name?: string;
  application?: string;
}

/** "click at 10, 20", or with a known accessible object "clicked push button 'Save'". */
export function clickText({ button, x, y, role, name }: Click): string {
  const which = button > 1 ? `${BUTTON_NAMES[button] ?? `button ${button}`} ` : '';
  if (role) return `${which}clicked ${role}${name ? ` “${name}”` : ''}`;
  return x < 0 ? `${which}click` : `${which}click at ${x}, ${y}`;
}

function clickItem(atNs: bigint, click: Click): FeedItem {
  return { atNs, kind: 'click', text: clickText(click), detail: click.application || undefined };
}

function keysText(byClass: ReadonlyMap<string, number>): string {
  return [...byClass].map(([name, number]) => (number > 1 ? `${name} ×${number}` : name)).join(', ');
}

function gapItems(gaps: readonly Gap[]): FeedItem[] {
  return gapRuns(gaps).map((run) => ({
    atNs: run.fromNs,
    kind: 'gap',
    text: run.text,
    parts: run.gaps.length > 1 ? run.gaps.map((gap) => ({ atNs: gap.fromNs, text: gapText(gap) })) : undefined,
  }));
}

/** Runs of live input events. */
export function feedOfInputActions(inputActions: readonly InputAction[], gaps: readonly Gap[]): FeedItem[] {
  const items = gapItems(gaps);
  let run: { kind: 'keys' | 'scroll'; atNs: bigint; endNs: bigint; byClass: Map<string, number>; count: number } | undefined;
  const end = () => {
    if (run?.kind === 'keys') items.push({ atNs: run.atNs, kind: 'keys', text: keysText(run.byClass) });
    else if (run) items.push({ atNs: run.atNs, kind: 'scroll', text: `scroll, ${count(run.count, 'step', 'steps')}` });
    run = undefined;
  };
  for (const action of inputActions) {
    if (action.kind === 'shortcut' || action.kind === 'policy') {
      items.push({ atNs: action.timeNs, kind: action.kind, text: action.label ?? '' });
      continue;
    }
    const kind = action.kind === 'key' ? 'keys' : action.kind;
    if (run && (run.kind !== kind || action.timeNs - run.endNs > RUN_NS)) end();
    if (kind === 'click') {
      items.push(clickItem(action.timeNs, action));
      continue;
    }
    run ??= { kind, atNs: action.timeNs, endNs: action.timeNs, byClass: new Map(), count: 0 };
    run.endNs = action.timeNs;
    run.count++;
    const name = action.label ?? keyClassName(action.keyClass);
    run.byClass.set(name, (run.byClass.get(name) ?? 0) + 1);
  }
  end();
  return items.sort((a, b) => (a.atNs < b.atNs ? -1 : a.atNs > b.atNs ? 1 : 0));
}

function timelineText(event: Timeline_Event): FeedItem {
  switch (event.kind) {
    case Timeline_Event_Kind.CLICK:
      return clickItem(event.atNs, { ...event, x: event.xPx, y: event.yPx });
    case Timeline_Event_Kind.KEYS: {
      const byClass = new Map<string, number>();
      event.byClass.forEach((number, index) => {
        if (number) byClass.set(keyClassName(index as KeyClass), number);
      });
      return { atNs: event.atNs, kind: 'keys', text: event.text.trim() || keysText(byClass) };
    }
    case Timeline_Event_Kind.SHORTCUT:
      return { atNs: event.atNs, kind: 'shortcut', text: event.text };
    case Timeline_Event_Kind.POLICY:
      return { atNs: event.atNs, kind: 'policy', text: event.text };
    default:
      return { atNs: event.atNs, kind: 'scroll', text: `scroll, ${count(event.count, 'step', 'steps')}` };
  }
}

/** Runs of a whole session, precomputed by the server. */
export function feedOfTimeline(events: readonly Timeline_Event[], gaps: readonly Gap[]): FeedItem[] {
  return [...events.map(timelineText), ...gapItems(gaps)].sort((a, b) =>
    a.atNs < b.atNs ? -1 : a.atNs > b.atNs ? 1 : 0,
  );
}

const ICONS = { click: '◉', keys: '⌨', scroll: '↕', shortcut: '⌘', policy: '◌', gap: '╳' };

/** @param currentNs  time of the highlighted item; without it the newest is on top */
export function EventList({
  items,
  beginNs,
  onGo,
  currentNs,
  empty = 'No events yet. Clicks, keys by class and scrolling appear here.',
}: {
  items: FeedItem[];
  beginNs: bigint;
  onGo?: (ns: bigint) => void;
  currentNs?: bigint;
  empty?: string;
}) {
  const shown = useMemo(() => {
    /* render a window around the current item: thousands of rows would slow the page down */
    if (items.length <= 400) return items;
    const at = currentNs === undefined ? items.length : items.findIndex((item) => item.atNs > currentNs);
    const middle = at < 0 ? items.length : at;
    const from = Math.max(0, Math.min(middle - 200, items.length - 400));
    return items.slice(from, from + 400);
  }, [items, currentNs === undefined ? 0 : Number(currentNs / 1_000_000_000n)]);
  if (!shown.length) return <p class="empty">{empty}</p>;
  let current = -1;
  if (currentNs !== undefined)
    shown.forEach((item, i) => {
      if (item.atNs <= currentNs) current = i;
    });
  const listed = onGo ? shown : [...shown].reverse();
  return (
    <ol class="events">
      {listed.map((item, i) => (
        <li key={`${item.atNs}${item.kind}${item.text}`} class={`event ${item.kind}`} aria-current={onGo && i === current ? 'true' : undefined}>
          {onGo ? (
            <button type="button" class="time link" onClick={() => onGo(item.atNs)}>
              {clock(item.atNs - beginNs, 2)}
            </button>
          ) : (
            <span class="time">{clock(item.atNs - beginNs)}</span>
          )}
          <span class="icon" aria-hidden="true">
            {ICONS[item.kind]}
          </span>
          <span>
            {item.text}
            {item.detail && <small class="detail"> {item.detail}</small>}
            {item.parts && <GapParts parts={item.parts} beginNs={beginNs} onGo={onGo} />}
          </span>
        </li>
      ))}
    </ol>
  );
}

/* nobody reads more rows of one run */
const PARTS_SHOWN = 500;

/** The single gaps of a run, on demand. */
function GapParts({
  parts,
  beginNs,
  onGo,
}: {
  parts: NonNullable<FeedItem['parts']>;
  beginNs: bigint;
  onGo?: (ns: bigint) => void;
}) {
  const [open, setOpen] = useState(false);
  const more = parts.length - PARTS_SHOWN;
  return (
    <details class="parts" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>list all</summary>
      {open && (
        <ol>
          {parts.slice(0, PARTS_SHOWN).map(({ atNs, text }, i) => (
            <li key={`${atNs}${i}`}>
              {onGo ? (
                <button type="button" class="time link" onClick={() => onGo(atNs)}>
                  {clock(atNs - beginNs, 3)}
                </button>
              ) : (
                <span class="time">{clock(atNs - beginNs, 3)}</span>
              )}{' '}
              {text}
            </li>
          ))}
          {more > 0 && <li>and {more} more</li>}
        </ol>
      )}
    </details>
  );
}
