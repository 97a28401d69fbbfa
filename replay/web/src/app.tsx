// One document for all pages: the path says which. The key of its link is in the tab, see key.ts.

import { render } from 'preact';
import './app.css';
import './stage.css';
import './marks.css';
import './transcript.css';
import './moderate.css';
import './watchers.css';
import './replay.css';
import './library.css';
import './corrections.css';
import './observer.css';
import './adapt.css';
import { findKey, forgetKey, hasKeyInAddress, shareKey, takeFromAddress } from './key';
import { watchKeys } from './keys';
import { LibraryPage } from './page_library';
import { LivePage } from './page_live';
import { ModeratePage } from './page_moderate';
import { ReplayPage } from './page_replay';
import { applyTheme, Notice, TopBar } from './parts';
import type { Stats } from './player';
import { pageName, setTitle } from './title';

declare global {
  interface Window {
    /** What the page knows about itself, for tests and for the curious. */
    uxrec: { stats: Stats };
  }
}

function App({ token }: { token: string }) {
  if (!token)
    return (
      <div class="page">
        <TopBar>
          <h1 class="hidden">uxrec</h1>
          <span class="spring" />
        </TopBar>
        <main class="sheet">
          <Notice kind="error">
            This tab has no valid key. Open the whole link that uxrecd printed, with everything behind the “#”: the key then
            leaves the address and stays in that tab. Open further tabs from the links of a page that has one.
          </Notice>
        </main>
      </div>
    );
  switch (pageName) {
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

async function begin(): Promise<void> {
  applyTheme();
  setTitle();
  watchKeys();
  const token = await findKey();
  if (token) shareKey();
  const root = document.getElementById('app');
  if (root) render(<App token={token} />, root);
}

/* another link was pasted into the address of this tab */
window.addEventListener('hashchange', () => {
  /* a moment of the session is for its page, which stays */
  if (!hasKeyInAddress()) return;
  if (!takeFromAddress()) forgetKey();
  location.reload();
});
void begin();
