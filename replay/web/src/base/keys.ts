// The single keyboard listener, so that no key has two meanings.

import { useLayoutEffect, useRef } from 'preact/hooks';
import type { RESERVED_KEYS } from '../../gen/protocol/constants';
import { Emitter } from './emitter';
import { forgetField, isFieldLost, isTextField, watchFocus } from './focus';

/** A key command. @return the reason for having no effect; nothing or an empty text on success */
export type Command = () => unknown;

type LettersOf<Text extends string> = Text extends `${infer First}${infer Rest}` ? First | LettersOf<Rest> : never;
/* left to the codes of studies */
type FreeLetter = Exclude<LettersOf<'abcdefghijklmnopqrstuvwxyz'>, LettersOf<typeof RESERVED_KEYS>>;

/** By KeyboardEvent.key, letters in lower case, "shift+ArrowLeft" and "shift+i" with a modifier. */
export type KeyMap = { [key: string]: Command | undefined } & { [letter in FreeLetter]?: never };

/* ---- hints: one line on the page ---- */

const HINT_MS = 6000;

class Hints extends Emitter {
  text = '';
  /** Changes with each hint, so that a repeated one is announced again. */
  number = 0;
  #timer = 0;

  show(text: string): void {
    this.text = text;
    this.number++;
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      this.text = '';
      this.changed();
    }, HINT_MS);
    this.changed();
  }
}

/** Reason for a key without effect, or an effect visible nowhere else. */
export const hints = new Hints();

/* ---- names of key presses ---- */

/* keys that auto-repeat; tag keys do not */
const MOVES = /^(shift\+)?Arrow|^[,.]$/;
const DIGIT = /^Digit([0-9])$/;
const LATIN = /^\p{Script=Latin}$/u;
/* US keyboard layout: characters by key code, plain and with Shift */
const PLACES = new Map([
  ['Comma', ',<'],
  ['Period', '.>'],
  ['Slash', '/?'],
  ['BracketLeft', '[{'],
  ['BracketRight', ']}'],
]);

/* true if the layout in use has no Latin letters, judging by the last letter typed: its letter keys may type
   punctuation */
let isForeign = false;

type Press = Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey'> & Partial<Pick<KeyboardEvent, 'altKey'>>;

function byMeaning({ key, shiftKey }: Press): string[] {
  const name = key.length === 1 ? key.toLowerCase() : key;
  if (!shiftKey) return [name];
  return key.length > 1 ? [`shift+${name}`] : [`shift+${name}`, name];
}

function byPlace({ code, shiftKey }: Press): string[] {
  const letter = /^Key([A-Z])$/.exec(code)?.[1]?.toLowerCase() ?? PLACES.get(code)?.[0];
  if (!letter) return [];
  const shifted = PLACES.get(code)?.[1];
  return shiftKey ? [`shift+${letter}`, ...(shifted ? [shifted] : [letter])] : [letter];
}

/**
 * Names of a key press in lookup order: by meaning, ignoring Caps Lock and Shift for letters; digits also by key code,
 * for layouts with shifted digits. Last, a key without a Latin letter goes by its key code.
 */
export function namesOf(press: Press): string[] {
  const { key, code, shiftKey, altKey } = press;
  const digit = DIGIT.exec(code)?.[1];
  if (digit && shiftKey) return [`shift+${digit}`, ...byMeaning(press)];
  const isLetter = /^\p{L}$/u.test(key);
  const isLetterKey = /^Key[A-Z]$/.test(code);
  if (isLetter && isLetterKey && !altKey) isForeign = !LATIN.test(key);
  const isAscii = /^[\x20-\x7e]+$/.test(key);
  /* Dead, Process and Unidentified type nothing by themselves; Enter etc. have their own names */
  const typesNothing = /^(Dead|Process|Unidentified|Compose)$/.test(key);
  /* with Alt a letter key may type any character */
  const typesOther = key.length <= 2 && !isAscii && (altKey || !(isLetter && LATIN.test(key)));
  const goesByPlace = typesNothing || typesOther || (isForeign && isAscii && !isLetter && isLetterKey);
  return [...byMeaning(press), ...(digit ? [digit] : []), ...(goesByPlace ? byPlace(press) : [])];
}

/* ---- keyboard listener ---- */

/** True for keys that operate the focused control. */
function isOperated({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('input[type=range]')) return /^(Arrow|Home|End|Page)/.test(key);
  if (target.closest('button, summary, [role=tab], [role=button]')) return key === ' ' || key === 'Enter';
  if (target.closest('a[href]')) return key === 'Enter';
  if (target.closest('input[type=radio]')) return key === ' ' || key.startsWith('Arrow');
  return target.closest('input') !== null && (key === ' ' || key === 'Enter');
}

/* maps of the mounted components: the newest takes precedence */
const maps: Array<{ current: KeyMap }> = [];

function commandOf(event: KeyboardEvent): [string, Command] | undefined {
  const names = namesOf(event);
  for (const map of [...maps].reverse())
    for (const name of names) {
      const command = map.current[name];
      if (command) return [name, command];
    }
  return undefined;
}

function listen(event: KeyboardEvent): void {
  const alternative = event.getModifierState('AltGraph'); // types a character, on some systems with Control and Alt
  const [control, alt] = alternative ? [false, false] : [event.ctrlKey, event.altKey];
  if (control || event.metaKey || event.isComposing || event.defaultPrevented) return;
  if (document.querySelector('dialog[open]')) return;
  const inText = isTextField(event.target);
  if (inText !== alt || isOperated(event)) return;
  if (!inText && isFieldLost()) {
    if (event.key === 'Escape') forgetField();
    else if (event.key.length === 1) event.preventDefault();
    hints.show(
      event.key === 'Escape'
        ? 'Keys are commands again'
        : 'The text field was closed. Press Esc to use keys as commands again',
    );
    return;
  }
  const found = commandOf(event);
  if (!found) return;
  const [name, command] = found;
  event.preventDefault();
  if (event.repeat && !MOVES.test(name)) return;
  const why = command();
  if (typeof why === 'string' && why) hints.show(why);
}

/** Install the listener, once per page. */
export function watchKeys(): void {
  watchFocus(
    (text) => hints.show(text),
    () => maps.length > 0,
  );
  window.addEventListener('keydown', listen);
}

/**
 * Install a key map while the component is mounted. In a text field letters are text: only `alt` + letter reaches the
 * map. A focused control keeps space and Enter. The map of a later component takes precedence.
 */
export function useKeys(map: KeyMap): void {
  const entry = useRef(map);
  entry.current = map;
  useLayoutEffect(() => {
    maps.push(entry);
    return () => {
      maps.splice(maps.indexOf(entry), 1);
    };
  }, []);
}
