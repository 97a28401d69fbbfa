// The title of a page: it is also the title of its window, by which a recorder knows that window.

const NAMES: Record<string, string> = {
  live: 'Live',
  moderate: 'Moderate',
  replay: 'Replay',
};

/** A proxy may serve the pages below a path of its own: the last part alone names the page. */
export const pageName = location.pathname.slice(location.pathname.lastIndexOf('/') + 1);

/** @param marker  the recorder's, for the moderator: it hides windows that have it in their title */
export function setTitle(marker = ''): void {
  document.title = `uxrec · ${NAMES[pageName] ?? 'Library'}${marker && ` · ${marker}`}`;
}
