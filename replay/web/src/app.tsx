// One document for all pages, selected by the path. The tab holds the key of its link, see key.ts.

import { render } from 'preact';
import './base/app.css';
import './base/layout.css';
import './parts/stage.css';
import './marks/marks.css';
import './driver/transcript.css';
import './live/moderate.css';
import './live/adapt.css';
import './session/watchers.css';
import './replay/replay.css';
import './replay/overlays.css';
import './replay/adapt.css';
import './library/library.css';
import './library/adapt.css';
import './marks/corrections.css';
import './live/observer.css';
import './base/adapt.css';
import { PAGE_LIBRARY, PAGE_LIVE, PAGE_MODERATE, PAGE_REPLAY } from '../gen/protocol/constants';
import { findKey, forgetKey, hasKeyInAddress, shareKey, takeFromAddress } from './net/key';
import { watchKeys } from './base/keys';
import { LibraryPage } from './library/page_library';
import { LivePage } from './live/page_live';
import { ModeratePage } from './live/page_moderate';
import { ReplayPage } from './replay/page_replay';
import { applyTheme, Notice, TopBar } from './parts/parts';
import type { Stats } from './media/player';
import { pageName, setTitle } from './net/title';

declare global {
  interface Window {
    /** Statistics for tests and debugging. */
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
            This tab has no valid key. Open the whole link that uxrecd printed, including the part after “#”: the key is
            then kept by that tab alone. Open more tabs from links on its pages.
          </Notice>
        </main>
      </div>
    );
  switch (pageName) {
    case PAGE_LIVE:
      return <LivePage token={token} />;
    case PAGE_MODERATE:
      return <ModeratePage token={token} />;
    case PAGE_REPLAY:
      return <ReplayPage token={token} session={new URLSearchParams(location.search).get('session') ?? ''} />;
    case PAGE_LIBRARY:
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

/* a new link was pasted into the address bar of this tab */
window.addEventListener('hashchange', () => {
  /* a moment of the session is handled by its page, without a reload */
  if (!hasKeyInAddress()) return;
  if (!takeFromAddress()) forgetKey();
  location.reload();
});
void begin();
