// Components common to several pages.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Study_Code } from '../../gen/protocol/study_pb';
import type { Estimate } from '../../gen/protocol/wire_pb';
import { codeStyle } from '../base/colors';
import { useEmitter } from '../base/emitter';
import { percent } from '../base/format';
import { hints, useKeys } from '../base/keys';
import { PICTURE_KEYS, PictureHelp } from './legend';

/* ---- theme ---- */

type Theme = 'system' | 'light' | 'dark';

export function applyTheme(): void {
  const theme = (localStorage.getItem('theme') ?? 'system') as Theme;
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function ThemeButton() {
  const [theme, setTheme] = useState<Theme>((localStorage.getItem('theme') ?? 'system') as Theme);
  const next: Theme = theme === 'system' ? 'light' : theme === 'light' ? 'dark' : 'system';
  const icon = { system: '◐', light: '☀', dark: '☾' }[theme];
  return (
    <button
      class="quiet"
      type="button"
      title={`Theme: ${theme}. Switch to ${next}.`}
      aria-label={`Theme: ${theme}. Switch to ${next}.`}
      onClick={() => {
        localStorage.setItem('theme', next);
        applyTheme();
        setTheme(next);
      }}
    >
      {icon}
    </button>
  );
}

/* ---- icons, as fonts lack half of them ---- */

const ICONS = {
  play: 'M4 2.5v11l9-5.5z',
  pause: 'M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z',
  stop: 'M3 3h10v10H3z',
  'picture-back': 'M11 3v10L4.5 8zM2.5 3H4v10H2.5z',
  'picture-on': 'M5 3v10l6.5-5zM12 3h1.5v10H12z',
  'click-back': 'M8 3v10L1.5 8zM14.5 3v10L8 8z',
  'click-on': 'M8 3v10l6.5-5zM1.5 3v10L8 8z',
  minus: 'M3 7h10v2H3z',
  up: 'M8 4.5l5 5-1.2 1.2L8 6.9l-3.8 3.8L3 9.5z',
  down: 'M8 11.5l5-5-1.2-1.2L8 9.1 4.2 5.3 3 6.5z',
  plus: 'M7 3h2v4h4v2H9v4H7V9H3V7h4z',
  full: 'M2 2h5v1.6H3.6V7H2zM9 2h5v5h-1.6V3.6H9zM2 9h1.6v3.4H7V14H2zM12.4 9H14v5H9v-1.6h3.4z',
  sound: 'M2 6h2.5L8 3v10L4.5 10H2zM9.5 5.2c1.8.9 1.8 4.7 0 5.6zM11 3.2c3.6 1.6 3.6 8 0 9.6v-1.4c2.1-1.3 2.1-5.5 0-6.8z',
  hushed: 'M2 6h2.5L8 3v10L4.5 10H2zM10 6.1l.9-.9L12.2 6.6l1.4-1.4.9.9L13.1 7.5l1.4 1.4-.9.9-1.4-1.4-1.3 1.4-.9-.9 1.3-1.4z',
} as const;

export function Icon({ name }: { name: keyof typeof ICONS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={ICONS[name]} fill="currentColor" />
    </svg>
  );
}

/* ---- common page elements ---- */

export function TopBar({ children, help }: { children?: ComponentChildren; help?: KeyHelp }) {
  return (
    <header class="topbar">
      <a class="brand" href="library" aria-label="uxrec, to the library">
        uxrec
      </a>
      {children}
      <ThemeButton />
      {help && <HelpButton help={help} />}
      <KeyHint />
    </header>
  );
}

/** Keys available on the page, and their meanings. */
export type KeyHelp = ReadonlyArray<readonly [string, string]>;

function HelpButton({ help }: { help: KeyHelp }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = () => {
    dialog.current?.showModal();
    /* the dialog focuses its only button, at the end, and scrolls to it */
    dialog.current?.scrollTo(0, 0);
  };
  useKeys({ '?': open });
  return (
    <>
      <button class="quiet" type="button" title="Keys (?)" aria-label="Keys" onClick={open}>
        ?
      </button>
      <dialog ref={dialog} aria-labelledby="help-title" class="help">
        <h2 id="help-title">Keys</h2>
        <dl>
          {[...help, ...(help.length > 0 ? PICTURE_KEYS : []), ['?', 'show these keys'] as const].map(([keys, meaning]) => (
            <div key={keys}>
              <dt>
                {keys.split(' ').map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
        {help.length > 0 && <PictureHelp />}
        {help.length > 0 && <p>In a text field, press alt + letter for a code.</p>}
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </>
  );
}

/**
 * Effect of a key, or the reason for having none.
 *
 * @param fullScreen  inside the element that may be full screen, which hides the page's own hint
 */
export function KeyHint({ fullScreen = false }: { fullScreen?: boolean }) {
  const { text, number } = useEmitter(hints);
  const isHere = Boolean(document.fullscreenElement) === fullScreen;
  return (
    <p class="keyhint" role="status">
      {text && isHere && <span key={number}>{text}</span>}
    </p>
  );
}

/** One sentence on a problem and its remedy. */
export function Notice({ kind, children }: { kind: 'error' | 'warning' | 'info'; children: ComponentChildren }) {
  return (
    <p class={`notice ${kind}`} role={kind === 'error' ? 'alert' : 'status'}>
      {children}
    </p>
  );
}

/** Breadcrumbs of a replay: study, participant, begin. */
export function Crumbs({ study, who, when = '' }: { study: string; who: string; when?: string }) {
  return (
    <h1 class="crumbs" title={[study, who, when].filter(Boolean).join(' › ')}>
      <a href="library">{study || 'Library'}</a>
      <span aria-hidden="true">›</span>
      <span class="who">{who}</span>
      {when && <span class="muted figure">{when}</span>}
    </h1>
  );
}

/**
 * Badge with a dot and a word for a state.
 *
 * @param spoken  announced on changes; for a label with a running clock, the state only
 */
export function StateBadge({ state, label, spoken = label }: { state: string; label: string; spoken?: string }) {
  return (
    <span class={`badge ${state}`} title={label}>
      <span class="dot" aria-hidden="true" />
      <span class="label">{label}</span>
      <span class="hidden" role="status">
        {spoken}
      </span>
    </span>
  );
}

/** For forms with an irreversible effect: Enter in a field does not submit. */
export function onlyByButton(event: KeyboardEvent): void {
  if (event.key !== 'Enter' || !(event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement)) return;
  event.preventDefault();
  const button = event.target.form?.querySelector('button[type=submit]')?.textContent?.trim();
  hints.show(`Enter does not press “${button}”: press Tab to reach it`);
}

/* ---- codes ---- */

/** Shows the key beside the name: colour alone carries no meaning. */
export function CodeChip({ code, fallback }: { code: Study_Code | undefined; fallback: string }) {
  return (
    <span class="chip" title={code?.name} style={codeStyle(code?.color)}>
      <span class="cap" aria-hidden="true">
        {(code?.key ?? '?').toUpperCase()}
      </span>
      <span class="codename">{code?.name ?? fallback}</span>
    </span>
  );
}

/** True while an element can be scrolled further down. */
function useMoreBelow(isThere: boolean) {
  const element = useRef<HTMLDivElement>(null);
  const [more, setMore] = useState(false);
  const look = () => {
    const { current } = element;
    if (current) setMore(current.scrollTop + current.clientHeight < current.scrollHeight - 1);
  };
  useEffect(() => {
    if (!element.current) return undefined;
    const sizes = new ResizeObserver(look);
    sizes.observe(element.current);
    return () => sizes.disconnect();
  }, [isThere]);
  return { element, more, look };
}

export function Palette({
  codes,
  disabled,
  onTag,
}: {
  codes: Study_Code[];
  disabled: boolean;
  /** @return the reason why no tag was set, or "" */
  onTag: (code: string) => string;
}) {
  const { element, more, look } = useMoreBelow(codes.length > 0);
  if (codes.length === 0) return null;
  return (
    /* scrollable on a phone; focusable itself if no button can take the focus */
    <div ref={element} class={`palette ${more ? 'scrolls' : ''}`} onScroll={look} role="group" aria-label="Tags" tabIndex={disabled ? 0 : undefined}>
      {codes.map((code) => (
        <button
          key={code.id}
          type="button"
          disabled={disabled}
          title={`${code.name} (${code.key.toUpperCase()})`}
          style={codeStyle(code.color)}
          onClick={() => {
            const why = onTag(code.id);
            if (why) hints.show(why);
          }}
        >
          <kbd>{code.key.toUpperCase()}</kbd>
          <span class="codename">{code.name}</span>
        </button>
      ))}
    </div>
  );
}

/* ---- names ---- */

const NAME = /^[\p{L}\p{N}][^/\\<>"`$|;*?\p{Cc}]*$/u;

const NAME_RULE = 'A name begins with a letter or a digit, and has at most 80 bytes';

export function validName(name: string): boolean {
  return NAME.test(name) && new TextEncoder().encode(name).length <= 80;
}

export function rememberedName(usual: string): string {
  const name = localStorage.getItem('name') ?? '';
  return validName(name) ? name : usual;
}

/** Who speaks: stands beside every tag. Enter takes the name, Escape the one before; both leave the field. */
export function NameField({ label, value, onChange }: { label: string; value: string; onChange: (name: string) => void }) {
  const [text, setText] = useState(value);
  const valid = validName(text);
  return (
    <label class="name">
      {label}
      <input
        value={text}
        size={10}
        autocomplete="off"
        aria-invalid={!valid}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          const { currentTarget, key } = event;
          if (key === 'Escape') {
            /* in the field, too: a field that is left as it was has no change event */
            currentTarget.value = value;
            setText(value);
          } else if (key !== 'Enter' || event.isComposing) return;
          else if (!valid) hints.show(NAME_RULE);
          event.preventDefault();
          if (key === 'Escape' || valid) currentTarget.blur();
        }}
        onChange={() => {
          if (!valid || text === value) return;
          localStorage.setItem('name', text);
          onChange(text);
        }}
      />
    </label>
  );
}

/* ---- numbers ---- */

/** Where an axis begins and ends, and whether its steps are factors. */
export interface Axis {
  low: number;
  high: number;
  log?: boolean;
  format: (value: number) => string;
}

export const SHARE_AXIS: Axis = { low: 0, high: 1, format: percent };

/** The next number of 1, 2, 5, 10, … that is not below @p value; with `down` not above. */
export function roundStep(value: number, down = false): number {
  if (!(value > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 2, 5, 10].map((step) => step * power);
  const fits = down ? steps.filter((step) => step <= value * (1 + 1e-9)).at(-1) : steps.find((step) => step >= value * (1 - 1e-9));
  return fits ?? value;
}

/** An axis of factors for times in seconds: one slow task does not push the others together. */
export function timeAxis(estimates: ReadonlyArray<Estimate | undefined>): Axis {
  const values = estimates.flatMap((one) =>
    one?.defined ? [one.value, ...one.values, ...(one.hasInterval ? [one.low, one.high] : [])] : [],
  );
  const low = roundStep(Math.min(...values, 1e9), true);
  const high = roundStep(Math.max(...values, 0));
  return values.length > 0
    ? { low, high: Math.max(high, low * 10), log: true, format: seconds }
    : { low: 1, high: 100, log: true, format: seconds };
}

/** An axis from 0 on for numbers of events. */
export function countAxis(estimates: ReadonlyArray<Estimate | undefined>): Axis {
  const most = Math.max(0, ...estimates.flatMap((one) => (one?.defined ? [one.value, one.high, ...one.values] : [])));
  return { low: 0, high: roundStep(most) || 1, format: (value) => String(Number(value.toFixed(2))) };
}

const AXIS_PX = 200;
const EDGE_PX = 4;

function placeOn({ low, high, log }: Axis, value: number): number {
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return EDGE_PX + (AXIS_PX - 2 * EDGE_PX) * Math.min(1, Math.max(0, share));
}

/** Limits with so many digits that they are seen to differ. */
function limitsOf(estimate: Estimate, format: (value: number) => string): string {
  const [low, high] = [format(estimate.low), format(estimate.high)];
  return low !== high ? `${low} – ${high}` : `${estimate.low.toPrecision(6)} – ${estimate.high.toPrecision(6)}`;
}

/** "4 of 5 attempts", "14 of 20 attempts by 5 participants", "n = 12 completions" */
function sizeOf(estimate: Estimate, of: string, isRate: boolean): string {
  const size = isRate ? `${roundShort(estimate.x)} of ${roundShort(estimate.n)} ${of}` : `n = ${roundShort(estimate.n)} ${of}`;
  return estimate.nEffective > 0
    ? `${size} by ${estimate.participants} participants, effective n = ${roundShort(estimate.nEffective)}`
    : size;
}

/**
 * An estimate as a point with its interval on an axis with printed ends, never a bar; below it of how many, and what
 * there is instead of an interval.
 *
 * @param of    of which things, in the plural
 * @param note  more that has to be known with it
 */
export function Interval({
  label,
  estimate,
  axis,
  of,
  note = '',
}: {
  label: string;
  estimate: Estimate | undefined;
  axis: Axis;
  of: string;
  note?: string;
}) {
  if (!estimate?.defined)
    return (
      <div class="interval">
        <span class="what">{label}</span>
        <span class="none">{[estimate?.why ?? 'unknown', note].filter(Boolean).join('; ')}</span>
      </div>
    );
  const isRate = axis === SHARE_AXIS;
  const points = estimate.values.length > 0 ? estimate.values : [estimate.value];
  const value = isRate && !estimate.hasInterval ? `${roundShort(estimate.x)}/${roundShort(estimate.n)}` : axis.format(estimate.value);
  const limits = estimate.hasInterval ? `95 %: ${limitsOf(estimate, axis.format)}` : `no interval: ${estimate.why}`;
  const list = estimate.values.length > 0 ? `values ${estimate.values.map(axis.format).join(', ')}` : '';
  const spread = estimate.hasInterval ? estimate.why : '';
  const details = [limits, spread, sizeOf(estimate, of, isRate), list, note].filter(Boolean).join('; ');
  return (
    <div class="interval" title={estimate.method}>
      <span class="what">{label}</span>
      <span class="value">{value}</span>
      <span class="chart" role="img" aria-label={`${label}: ${value}; ${details}`}>
        <span class="end" aria-hidden="true">
          {axis.format(axis.low)}
        </span>
        <svg viewBox={`0 0 ${AXIS_PX} 16`} preserveAspectRatio="none" aria-hidden="true">
          <line class="axis" x1={EDGE_PX} x2={AXIS_PX - EDGE_PX} y1="8" y2="8" />
          {[axis.low, axis.high].map((end) => (
            <line key={end} class="axis" x1={placeOn(axis, end)} x2={placeOn(axis, end)} y1="4" y2="12" />
          ))}
          {estimate.hasInterval && (
            <line class="range" x1={placeOn(axis, estimate.low)} x2={placeOn(axis, estimate.high)} y1="8" y2="8" />
          )}
          {points.map((point, i) => (
            <line key={i} class="point" x1={placeOn(axis, point)} x2={placeOn(axis, point)} y1="8" y2="8" />
          ))}
        </svg>
        <span class="end" aria-hidden="true">
          {axis.format(axis.high)}
        </span>
      </span>
      <span class="details" aria-hidden="true">
        {details}
      </span>
    </div>
  );
}

function seconds(value: number): string {
  return `${value < 10 ? Number(value.toFixed(1)) : value.toFixed(0)} s`;
}

function roundShort(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
