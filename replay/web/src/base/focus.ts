// Focus rules of all pages: a text field keeps the focus, a control used by pointer returns it to the page's keys.

import { useEffect, useReducer, useRef } from 'preact/hooks';

type Control = HTMLButtonElement | HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const NOT_TEXT = new Set(['checkbox', 'radio', 'range', 'button', 'submit', 'reset', 'file', 'color', 'image']);
/* keys that end typing in a field */
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

/* ---- a focused control is not disabled ---- */

/**
 * From focus to blur, `disabled` of this control sets only aria-disabled: a disabled control would lose the focus, and
 * the user's next keys would be commands of the page.
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

/** Reason for a control without effect: its data-why, or that of the form it submits. */
function whyOf(control: Element): string {
  return control.getAttribute('data-why') || 'not possible now';
}

/* ---- a field that disappears while being typed in ---- */

/* last field typed in, until typing ends or another control is chosen */
let typed: HTMLElement | undefined;

/** True if the last field typed in lost the focus other than by the user: keys are still meant for it. */
export function isFieldLost(): boolean {
  const focused = document.activeElement;
  if (!typed || focused === typed) return false;
  return focused === null || focused === document.body || !typed.isConnected || typed.getClientRects().length === 0;
}

/** Make keys commands again. */
export function forgetField(): void {
  typed = undefined;
}

/**
 * A value that determines the fields of a form, frozen while the user types in one of them.
 *
 * @param value  the current value
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

/* ---- pointer ---- */

let byPointer = false;
/* control whose focus was returned: Escape still closes the panel around it */
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
 * Install the focus rules.
 *
 * @param why      called with the reason when a press has no effect
 * @param hasKeys  true if the page has keys to return the focus to
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
    /* a window that loses the focus keeps its active element */
    if (isControl(target) && isHeld(target) && document.activeElement !== target) release(target);
  });
  on('pointerdown', ({ target }) => {
    byPointer = true;
    /* moving the caret continues typing */
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
    /* a checkbox changes after its click: a render between the two would revert the change */
    if (target instanceof HTMLInputElement) setTimeout(() => giveBack(target));
    else giveBack(target);
  }, false);
  on('change', ({ target }) => {
    const wasChosen = target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type === 'range');
    if (byPointer && wasChosen && hasKeys()) giveBack(target);
  }, false);
}
