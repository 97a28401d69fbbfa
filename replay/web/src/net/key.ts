// The key of a link: out of the address at once, then in the tab alone.
//
// It is in sessionStorage, which a reload and the links between pages keep and other tabs and other origins do not
// have; where that is blocked, in memory until the next page. A tab that was opened from inside (ctrl-click, middle
// click, the menu of a link) has a storage of its own: it asks the other tabs of this origin, and the one in which
// the link was used answers once. A tab that was opened in any other way gets nothing.

import { isMomentPart } from '../base/moment_link';

/** A proxy may serve several recorders below paths of one origin. */
const name = () => `uxrec-key ${location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1)}`;
/** How long a tab that may have been opened from inside waits for the one that it came from. */
const ANSWER_MS = 1500;
/** How long after its menu was opened a link may be chosen in it. */
const GRANT_MS = 60_000;

type Message = { ask: string; place: string } | { answer: string; key: string };

declare global {
  interface Window {
    /** The key while there is no storage; taken out at the first use. */
    uxrecKey?: string;
  }
}

/** The key of this page. */
let current = '';

export const isKey = (text: string) => /^[0-9a-f]{32}$/.test(text);

/** Move a key from the address into the tab. Gives whether there was one. */
export function takeFromAddress(): boolean {
  const parts = location.hash.slice(1).split('&').filter(Boolean);
  const moments = parts.filter(isMomentPart);
  const [key = '', ...more] = parts.filter((part) => !isMomentPart(part)).map((part) => part.replace(/^key=/, ''));
  if (!key) return false;
  /* also what only looks like a key: half of one is not for the screen either */
  const rest = moments[0] ? `#${moments[0]}` : '';
  history.replaceState(history.state, '', location.pathname + location.search + rest);
  if (!isKey(key) || more.length) return false;
  keepKey(key);
  return true;
}

/** Whether the fragment of the address has more than a moment: a key, or a part of one. */
export function hasKeyInAddress(): boolean {
  return location.hash.slice(1).split('&').some((part) => part !== '' && !isMomentPart(part));
}

/** Keep a key in this tab: from the address, from another tab, or for a ticket. */
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

/** The recorder does not know the key any more. */
export function forgetKey(): void {
  try {
    sessionStorage.removeItem(name());
  } catch {
    // it was never kept
  }
}

const placeOf = (url: { pathname: string; search: string }) => url.pathname + url.search;

/** The key of this tab, or of the tab whose link has opened this one; empty: there is none. */
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

/** Let links of this page be opened in new tabs. */
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
