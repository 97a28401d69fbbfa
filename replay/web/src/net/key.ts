// The key of a link: removed from the address at once, then kept only in the tab.
//
// Stored in sessionStorage, which survives reloads and links between pages but is not shared with other tabs and
// origins; in memory until the next page where storage is blocked. A tab opened from a page (ctrl-click, middle click,
// context menu of a link) has its own storage: it asks the other tabs of this origin, and the one with the used link
// answers once. A tab opened in any other way gets no answer.

import { isMomentPart } from '../base/moment_link';

/** A proxy may serve several recorders below paths of one origin. */
const name = () => `uxrec-key ${location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1)}`;
/** Time limit of the answer from the opening tab. */
const ANSWER_MS = 1500;
/** Validity of a grant for the context menu of a link. */
const GRANT_MS = 60_000;

type Message = { ask: string; place: string } | { answer: string; key: string };

declare global {
  interface Window {
    /** The key without storage; removed on first use. */
    uxrecKey?: string;
  }
}

/** Key of this page. */
let current = '';

export const isKey = (text: string) => /^[0-9a-f]{32}$/.test(text);

/** Move a key from the address into the tab. Returns true if there was one. */
export function takeFromAddress(): boolean {
  const parts = location.hash.slice(1).split('&').filter(Boolean);
  const moments = parts.filter(isMomentPart);
  const [key = '', ...more] = parts.filter((part) => !isMomentPart(part)).map((part) => part.replace(/^key=/, ''));
  if (!key) return false;
  /* also removes a malformed key: part of one must not be visible either */
  const rest = moments[0] ? `#${moments[0]}` : '';
  history.replaceState(history.state, '', location.pathname + location.search + rest);
  if (!isKey(key) || more.length) return false;
  keepKey(key);
  return true;
}

/** True if the fragment of the address has more than a moment: a key, or part of one. */
export function hasKeyInAddress(): boolean {
  return location.hash.slice(1).split('&').some((part) => part !== '' && !isMomentPart(part));
}

/** Store a key in this tab: from the address, from another tab, or for a ticket. */
export function keepKey(key: string): void {
  current = key;
  try {
    sessionStorage.setItem(name(), key);
  } catch {
    window.uxrecKey = key;
  }
}

function stored(): string {
  const passed = window.uxrecKey ?? '';
  delete window.uxrecKey;
  try {
    return sessionStorage.getItem(name()) ?? passed;
  } catch {
    return passed;
  }
}

/** Drop a key unknown to the recorder. */
export function forgetKey(): void {
  try {
    sessionStorage.removeItem(name());
  } catch {
    // never stored
  }
}

const placeOf = (url: { pathname: string; search: string }) => url.pathname + url.search;

/** Key of this tab, or of the tab that opened it; empty if there is none. */
export async function findKey(): Promise<string> {
  const key = stored();
  if (isKey(key)) {
    current = key;
    return key;
  }
  const given = await askOthers();
  if (!isKey(given)) return '';
  keepKey(given);
  return given;
}

function askOthers(): Promise<string> {
  const channel = new BroadcastChannel(name());
  const ask = crypto.randomUUID();
  return new Promise<string>((resolve) => {
    const timer = setTimeout(() => resolve(''), ANSWER_MS);
    channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (!('answer' in data) || data.answer !== ask) return;
      clearTimeout(timer);
      resolve(data.key);
    };
    channel.postMessage({ ask, place: placeOf(location) } satisfies Message);
  }).finally(() => channel.close());
}

/** Allow links of this page to open in new tabs. */
export function shareKey(): void {
  let grant = { place: '', until: 0 };
  const allow = (event: MouseEvent) => {
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.origin !== location.origin) return;
    const opensTab =
      event.type === 'contextmenu' || event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey;
    if (opensTab) grant = { place: placeOf(link), until: performance.now() + GRANT_MS };
  };
  for (const type of ['click', 'auxclick', 'contextmenu'] as const) document.addEventListener(type, allow, true);
  const channel = new BroadcastChannel(name());
  channel.onmessage = ({ data }: MessageEvent<Message>) => {
    if (!('ask' in data) || data.place !== grant.place || performance.now() > grant.until) return;
    grant = { place: '', until: 0 };
    channel.postMessage({ answer: data.ask, key: current } satisfies Message);
  };
}
