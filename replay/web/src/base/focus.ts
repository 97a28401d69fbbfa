// The rules of focus, one for all pages: who types keeps the focus, and who points gives it back to the page's keys.

import { useEffect, useReducer, useRef } from 'preact/hooks';

type Control = HTMLButtonElement | HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const NOT_TEXT = new Set(['checkbox', 'radio', 'range', 'button', 'submit', 'reset', 'file', 'color', 'image']);
/* keys that end the typing in a field */
const ENDS = new Set(['Enter', 'Escape', 'Tab']);
const POINTED = 'button, a[href], summary, input, select';
const OPENED = 'dialog, [popover]';

export function isTextField(target: EventTarget | null): target is HTMLElement {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target instanceof HTMLTextAreaElement ||
      target instanceof HTMLSelectElement ||
      (target instanceof HTMLInputElement && !NOT_TEXT.has(target.type)))
  );
}

function isControl(target: EventTarget | null): target is Control {
  return (
    target instanceof HTMLButtonElement ||
    target instanceof HTMLInputElement ||
    target instanceof HTMLSelectElement ||
    target instanceof HTMLTextAreaElement
  );
}

/* ---- a control that has the focus is not disabled ---- */

/**
 * From focus to blur, `disabled` of this control sets aria-disabled alone: a control that is really disabled would drop
 * the focus, and the next keys of its user would be commands of the page.
 */
function hold(control: Control): void {
  let disabled = control.disabled;
  Object.defineProperty(control, 'disabled', {
    configurable: true,
    get: () => disabled,
    set: (value: unknown) => {
      disabled = Boolean(value);
      if (disabled) control.setAttribute('aria-disabled', 'true');
      else control.removeAttribute('aria-disabled');
    },
  });
}

function isHeld(control: Control): boolean {
  return Object.hasOwn(control, 'disabled');
}

function release(control: Control): void {
  const { disabled } = control;
  Reflect.deleteProperty(control, 'disabled');
  if (!disabled) return;
  control.removeAttribute('aria-disabled');
  control.disabled = true;
}

/** Why a control does nothing now: its data-why, or that of the form it submits. */
function whyOf(control: Element): string {
  return control.getAttribute('data-why') || 'not possible now';
}

/* ---- a field that goes while it is typed in ---- */

/* the field that was typed in last, until its typing ends or something else is chosen */
let typed: HTMLElement | undefined;

/** Whether a field was typed in and has lost the focus without its user's doing: keys are still meant for it. */
export function isFieldLost(): boolean {
  const focused = document.activeElement;
  if (!typed || focused === typed) return false;
  return focused === null || focused === document.body || !typed.isConnected || typed.getClientRects().length === 0;
}

/** Keys are commands again. */
export function forgetField(): void {
  typed = undefined;
}

/**
 * A value that decides which fields there are, as it was while somebody writes in one of them.
 *
 * @param value  the present one
 */
export function useUnlessTyping<T>(value: T): T {
  const steady = useRef(value);
  const [, render] = useReducer((count: number) => count + 1, 0);
  const isTyping = typed !== undefined && document.activeElement === typed;
  if (!isTyping) steady.current = value;
  useEffect(() => {
    if (!isTyping) return undefined;
    const left = () => render(undefined);
    window.addEventListener('focusout', left);
    return () => window.removeEventListener('focusout', left);
  }, [isTyping]);
  return steady.current;
}

/* ---- who points ---- */

let byPointer = false;
/* the control whose focus was given back: Escape still closes the panel around it */
let pointed: Element | undefined;

function giveBack(target: EventTarget | null): void {
  const control = target instanceof Element ? target.closest<HTMLElement>(POINTED) : null;
  if (!control || isTextFieldOfLetters(control) || control.closest(OPENED)) return;
  if (document.activeElement !== control) return;
  pointed = control;
  control.blur();
}

function isTextFieldOfLetters(target: EventTarget | null): boolean {
  return isTextField(target) && !(target instanceof HTMLSelectElement);
}

/**
 * Begin to watch.
 *
 * @param why      given the reason when a press has no effect
 * @param hasKeys  whether the page has keys to give the focus back to
 */
export function watchFocus(why: (text: string) => void, hasKeys: () => boolean): void {
  const on = <Name extends keyof WindowEventMap>(name: Name, listen: (event: WindowEventMap[Name]) => void, capture = true) =>
    window.addEventListener(name, listen, capture);
  on('focusin', ({ target }) => {
    if (target !== typed && isTextField(target)) forgetField();
    pointed = undefined;
    if (isControl(target) && !isHeld(target)) hold(target);
  });
  on('focusout', ({ target }) => {
    /* when the whole window loses the focus, its control keeps it */
    if (isControl(target) && isHeld(target) && document.activeElement !== target) release(target);
  });
  on('pointerdown', ({ target }) => {
    byPointer = true;
    /* who puts the caret elsewhere goes on typing */
    if (target !== typed) forgetField();
  });
  on('input', ({ target }) => {
    if (target instanceof HTMLElement && isTextFieldOfLetters(target)) typed = target;
  });
  on('keydown', (event) => {
    byPointer = false;
    if (isTextField(event.target)) typed = ENDS.has(event.key) ? undefined : event.target;
    else if (event.key === 'Tab') forgetField();
    const off = isControl(event.target) && event.target.getAttribute('aria-disabled') === 'true';
    if (off && event.target instanceof HTMLSelectElement && !ENDS.has(event.key)) event.preventDefault();
    if (event.key === 'Escape' && event.target === document.body && pointed?.isConnected && event.isTrusted) {
      const { key, code } = event;
      const passedOn = !pointed.dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true, cancelable: true }));
      if (passedOn) event.preventDefault();
      pointed = undefined;
    }
  });
  on('click', (event) => {
    const control = event.target instanceof Element ? event.target.closest('[aria-disabled="true"]') : null;
    if (!control || isTextField(control)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    why(whyOf(control));
  });
  on('click', ({ target }) => {
    if (!byPointer || !hasKeys()) return;
    /* a box changes after its click: a page that is drawn again between the two would take the change back */
    if (target instanceof HTMLInputElement) setTimeout(() => giveBack(target));
    else giveBack(target);
  }, false);
  on('change', ({ target }) => {
    const wasChosen = target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type === 'range');
    if (byPointer && wasChosen && hasKeys()) giveBack(target);
  }, false);
}
