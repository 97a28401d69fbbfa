// One place that listens to the keyboard, so that no key means two things.

import { useLayoutEffect, useRef } from 'preact/hooks';
import { Emitter } from './emitter';
import { forgetField, isFieldLost, isTextField, watchFocus } from './focus';

/** The effect of a key. @return why it has none now; nothing, or no text, when it has one */
export type Command = () => unknown;

export interface KeyMap {
  /** By KeyboardEvent.key, letters in lower case, "shift+ArrowLeft" and "shift+i" with a modifier. */
  [key: string]: Command;
}

/* ---- hints: one line of the page ---- */

const HINT_MS = 6000;

class Hints extends Emitter {
  text = '';
  /** Differs for each hint, so that the same one is read out again. */
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

/** Why a key had no effect, or the effect of one that is seen nowhere else. */
export const hints = new Hints();

/* ---- names of key presses ---- */

/* what a held key may do again and again; a tag is set once */
const MOVES = /^(shift\+)?Arrow|^[,.]$/;
const DIGIT = /^Digit([0-9])$/;
const LATIN = /^\p{Script=Latin}$/u;
/* keys at their places on a keyboard of the United States, plain and with Shift */
const PLACES = new Map([
  ['Comma', ',<'],
  ['Period', '.>'],
  ['Slash', '/?'],
  ['BracketLeft', '[{'],
  ['BracketRight', ']}'],
]);

/* the layout in use has no Latin letters, as the last letter showed: there a sign may be where a letter is */
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
 * The names of a key press in the order in which a map is asked for them: by meaning, as a letter is typed with Caps
 * Lock or Shift alike, digits also by their place, for layouts that want Shift for them. A key that types no Latin
 * letter goes by its place after that.
 */
export function namesOf(press: Press): string[] {
  const { key, code, shiftKey, altKey } = press;
  const digit = DIGIT.exec(code)?.[1];
  if (digit && shiftKey) return [`shift+${digit}`, ...byMeaning(press)];
  const isLetter = /^\p{L}$/u.test(key);
  const isLetterKey = /^Key[A-Z]$/.test(code);
  if (isLetter && isLetterKey && !altKey) isForeign = !LATIN.test(key);
  const isAscii = /^[\x20-\x7e]+$/.test(key);
  /* Dead, Process and Unidentified type nothing by themselves; Enter and the like are known by their own names */
  const typesNothing = /^(Dead|Process|Unidentified|Compose)$/.test(key);
  /* with Alt a letter's key may type any sign */
  const typesOther = key.length <= 2 && !isAscii && (altKey || !(isLetter && LATIN.test(key)));
  const goesByPlace = typesNothing || typesOther || (isForeign && isAscii && !isLetter && isLetterKey);
  return [...byMeaning(press), ...(digit ? [digit] : []), ...(goesByPlace ? byPlace(press) : [])];
}

/* ---- the one listener ---- */

/** A control that has the focus keeps the keys that operate it. */
function isOperated({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('input[type=range]')) return /^(Arrow|Home|End|Page)/.test(key);
  if (target.closest('button, summary, [role=tab], [role=button]')) return key === ' ' || key === 'Enter';
  if (target.closest('a[href]')) return key === 'Enter';
  if (target.closest('input[type=radio]')) return key === ' ' || key.startsWith('Arrow');
  return target.closest('input') !== null && (key === ' ' || key === 'Enter');
}

/* of the components that are on the page: the newest is asked first */
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
  const alternative = event.getModifierState('AltGraph'); // types a character, with Control and Alt on some systems
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
        : 'The field you were typing in is closed. Esc, and keys are commands again',
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

/** Begin to listen, once for the page. */
export function watchKeys(): void {
  watchFocus(
    (text) => hints.show(text),
    () => maps.length > 0,
  );
  window.addEventListener('keydown', listen);
}

/**
 * While the component is there, its keys have the effects of the map. In a text field a letter is text: there only
 * `alt` + letter reaches the map. A focused control keeps space and Enter. The map of a later component goes first.
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
