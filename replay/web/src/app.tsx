// One document for all pages: the path says which, the fragment holds the token.

import { render } from 'preact';
import './app.css';
import { LibraryPage } from './page_library';
import { LivePage } from './page_live';
import { ModeratePage } from './page_moderate';
import { ReplayPage } from './page_replay';
import { applyTheme, Notice, TopBar } from './parts';
import type { Stats } from './player';

declare global {
  interface Window {
    /** What the page knows about itself, for tests and for the curious. */
    uxrec: { stats: Stats };
  }
}

const TITLES: Record<string, string> = {
  live: 'Live',
  moderate: 'Moderate',
  replay: 'Replay',
};

/* a proxy may serve the pages below a path of its own: the last part alone names the page */
const page = location.pathname.slice(location.pathname.lastIndexOf('/') + 1);

function App() {
  const token = location.hash.slice(1);
  if (!/^[0-9a-f]{32}$/.test(token))
    return (
      <div class="page">
        <TopBar>
          <h1>uxrec</h1>
          <span class="spring" />
        </TopBar>
        <main class="sheet">
          <Notice kind="error">
            This address has no valid key. Use the whole link that uxrecd printed, with everything
            behind the “#”.
          </Notice>
        </main>
      </div>
    );
  switch (page) {
    case 'live':
      return <LivePage token={token} />;
    case 'moderate':
      return <ModeratePage token={token} />;
    case 'replay':
      return <ReplayPage token={token} session={new URLSearchParams(location.search).get('session') ?? ''} />;
    default:
      return <LibraryPage token={token} />;
  }
}

applyTheme();
document.title = `uxrec · ${TITLES[page] ?? 'Library'}`;
const root = document.getElementById('app');
if (root) render(<App />, root);
window.addEventListener('hashchange', () => location.reload());
