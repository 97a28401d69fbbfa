// Parts that several pages are made of.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Study_Code } from '../gen/protocol/study_pb';
import type { Estimate } from '../gen/protocol/wire_pb';
import { percent } from './format';

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

/* ---- icons: fonts lack half of them ---- */

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

/* ---- the frame of every page ---- */

export function TopBar({ children, help }: { children?: ComponentChildren; help?: KeyHelp }) {
  return (
    <header class="topbar">
      <a class="brand" href="library" aria-label="uxrec, to the library">
        uxrec
      </a>
      {children}
      <ThemeButton />
      {help && <HelpButton help={help} />}
    </header>
  );
}

export type KeyHelp = ReadonlyArray<readonly [string, string]>;

function HelpButton({ help }: { help: KeyHelp }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement | null;
      if (event.key !== '?' || target?.matches('input, textarea, select')) return;
      dialog.current?.showModal();
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, []);
  return (
    <>
      <button
        class="quiet"
        type="button"
        title="Keys (?)"
        aria-label="Keys"
        onClick={() => dialog.current?.showModal()}
      >
        ?
      </button>
      <dialog ref={dialog} aria-labelledby="help-title" class="help">
        <h2 id="help-title">Keys</h2>
        <dl>
          {help.map(([keys, meaning]) => (
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
        <p>In a text field, letters are text: there every code works as alt + letter.</p>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </>
  );
}

/** The one sentence when something is wrong, and what to do. */
export function Notice({ kind, children }: { kind: 'error' | 'warning' | 'info'; children: ComponentChildren }) {
  return (
    <p class={`notice ${kind}`} role={kind === 'error' ? 'alert' : 'status'}>
      {children}
    </p>
  );
}

/** A dot and a word for a state. */
export function StateBadge({ state, label }: { state: string; label: string }) {
  return (
    <span class={`badge ${state}`}>
      <span class="dot" aria-hidden="true" />
      {label}
      {/* the label has a running clock: what is said aloud is the state alone */}
      <span class="unseen" role="status">
        {state}
      </span>
    </span>
  );
}

/* ---- codes ---- */

export const NO_COLOR = '#64748b';

/** Colours of the code book on a background of either theme; the key cap beside it says it again. */
export function CodeChip({ code, fallback }: { code: Study_Code | undefined; fallback: string }) {
  return (
    <span class="chip" style={{ '--code': code?.color || NO_COLOR }}>
      <span class="cap" aria-hidden="true">
        {(code?.key ?? '?').toUpperCase()}
      </span>
      {code?.name ?? fallback}
    </span>
  );
}

export function Palette({
  codes,
  disabled,
  onTag,
}: {
  codes: Study_Code[];
  disabled: boolean;
  onTag: (code: string) => void;
}) {
  return (
    <div class="palette" role="group" aria-label="Tags">
      {codes.map((code) => (
        <button
          key={code.id}
          type="button"
          disabled={disabled}
          title={`${code.name} (${code.key.toUpperCase()})`}
          style={{ '--code': code.color || NO_COLOR }}
          onClick={(event) => {
            onTag(code.id);
            event.currentTarget.blur(); // so that space never tags again
          }}
        >
          <kbd>{code.key.toUpperCase()}</kbd>
          {code.name}
        </button>
      ))}
    </div>
  );
}

/* ---- names ---- */

const NAME = /^[\p{L}\p{N}][^/\\<>"`$|;*?\p{Cc}]*$/u;

export function validName(name: string): boolean {
  return NAME.test(name) && new TextEncoder().encode(name).length <= 80;
}

export function rememberedName(usual: string): string {
  const name = localStorage.getItem('name') ?? '';
  return validName(name) ? name : usual;
}

/** Who speaks: stands beside every tag. */
export function NameField({ label, value, onChange }: { label: string; value: string; onChange: (name: string) => void }) {
  const [text, setText] = useState(value);
  const valid = validName(text);
  return (
    <label class="name">
      {label}
      <input
        value={text}
        size={10}
        aria-invalid={!valid}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={() => {
          if (!valid) return;
          localStorage.setItem('name', text);
          onChange(text);
        }}
      />
    </label>
  );
}

/* ---- numbers ---- */

/**
 * An estimate as a point with its interval on a scale, never a bar; n beside it, and in words for
 * those who do not see it.
 */
export function Interval({
  label,
  estimate,
  scale,
  format = percent,
}: {
  label: string;
  estimate: Estimate | undefined;
  scale: [number, number];
  format?: (value: number) => string;
}) {
  if (!estimate?.defined)
    return (
      <div class="interval">
        <span class="what">{label}</span>
        <span class="none">{estimate?.why ?? 'not known'}</span>
      </div>
    );
  const [low, high] = scale;
  const place = (value: number) => 4 + 192 * Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  const words = estimate.hasInterval
    ? `${format(estimate.value)}, 95 % interval ${format(estimate.low)} to ${format(estimate.high)}`
    : format(estimate.value);
  return (
    <div class="interval" title={estimate.method}>
      <span class="what">{label}</span>
      <span class="value">{format(estimate.value)}</span>
      <svg viewBox="0 0 200 16" role="img" aria-label={`${label}: ${words}, n = ${round(estimate.n)}`}>
        <line class="axis" x1="4" x2="196" y1="8" y2="8" />
        <line class="axis" x1="4" x2="4" y1="5" y2="11" />
        <line class="axis" x1="196" x2="196" y1="5" y2="11" />
        {estimate.hasInterval && (
          <line class="range" x1={place(estimate.low)} x2={place(estimate.high)} y1="8" y2="8" />
        )}
        <circle cx={place(estimate.value)} cy="8" r="4" />
      </svg>
      <span class="limits">
        {estimate.hasInterval ? `${format(estimate.low)} – ${format(estimate.high)}` : 'no interval'}
      </span>
      <span class="n">n = {round(estimate.n)}</span>
    </div>
  );
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
