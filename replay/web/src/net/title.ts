// The title of a page, and thus of its window; the recorder identifies the window by it.

import { PAGE_LIBRARY, PAGE_LIVE, PAGE_MODERATE, PAGE_REPLAY } from '../../gen/protocol/constants';

const NAMES: Record<string, string> = {
  [PAGE_LIBRARY]: 'Library',
  [PAGE_LIVE]: 'Live',
  [PAGE_MODERATE]: 'Moderate',
  [PAGE_REPLAY]: 'Replay',
};

/** A proxy may serve the pages below a path: only the last part names the page. */
export const pageName = location.pathname.slice(location.pathname.lastIndexOf('/') + 1);

const PAUSED_ICON =
  'data:image/svg+xml,' +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#f2bb5c"/>' +
      '<path d="M4 3h3v10H4zM9 3h3v10H9z" fill="#33270d"/></svg>',
  );

let marker = '';
let paused = false;

function show(): void {
  const name = `uxrec · ${NAMES[pageName] ?? NAMES[PAGE_LIBRARY]}${marker && ` · ${marker}`}`;
  document.title = paused ? `❚❚ Paused · ${name}` : name;
}

/** @param own  the recorder's marker, for the moderator: windows with it in their title are redacted */
export function setTitle(own = ''): void {
  marker = own;
  show();
}

/** A background tab shows only its title and icon. */
export function setPaused(now: boolean): void {
  if (now === paused) return;
  paused = now;
  show();
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  if (icon) icon.href = paused ? PAUSED_ICON : 'icon.svg';
}
