// One place that listens to the keyboard, so that no key means two things.

import { useEffect } from 'preact/hooks';

export interface KeyMap {
  /** By KeyboardEvent.key, letters in lower case, "shift+ArrowLeft" and "shift+i" with a modifier. */
  [key: string]: () => void;
}

/* what a held key may do again and again; a tag is set once */
const MOVES = /^(shift\+)?Arrow|^[,.]$/;
const DIGIT = /^Digit([0-9])$/;

function isTextField(target: EventTarget | null): target is HTMLElement {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target instanceof HTMLTextAreaElement ||
      target instanceof HTMLSelectElement ||
      (target instanceof HTMLInputElement && !['checkbox', 'radio', 'range'].includes(target.type)))
  );
}

/** A slider keeps what moves it. */
function movesSlider(event: KeyboardEvent): boolean {
  return (
    event.target instanceof HTMLInputElement &&
    event.target.type === 'range' &&
    /^(Arrow|Home|End|Page)/.test(event.key)
  );
}

/**
 * The names of a key press, the more particular one first: "shift+i", then "i", as a letter is typed with Caps Lock
 * or Shift alike. Digits go by their place, for layouts that want Shift for them.
 */
function namesOf(event: KeyboardEvent): string[] {
  const digit = DIGIT.exec(event.code)?.[1];
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!event.shiftKey) return [digit ?? key];
  return event.key.length > 1 ? [`shift+${key}`] : [`shift+${digit ?? key}`, key];
}

/**
 * While the component is there, do what the map says. In a text field a letter is text: there only
 * `alt` + letter reaches the map. A focused control keeps space and Enter.
 */
export function useKeys(map: KeyMap): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
      if (document.querySelector('dialog[open]')) return;
      const inText = isTextField(event.target);
      if (inText !== event.altKey || movesSlider(event)) return;
      if (
        event.target instanceof HTMLElement &&
        event.target.closest('button, a, input:not([type=range]), summary, [role=tab], [role=slider]') &&
        (event.key === ' ' || event.key === 'Enter' || event.key.startsWith('Arrow')) &&
        !(event.key.startsWith('Arrow') && event.target.closest('button, a'))
      )
        return;
      const name = namesOf(event).find((one) => map[one]) ?? '';
      const action = map[name];
      if (!action) return;
      event.preventDefault();
      if (!event.repeat || MOVES.test(name)) action();
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  });
}
