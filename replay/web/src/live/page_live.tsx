// The observer page.

import { useEffect, useState } from 'preact/hooks';
import { count } from '../base/format';
import { NameField, rememberedName, TopBar } from '../parts/parts';
import { News } from '../session/reach';
import { LiveSound, LiveState, ObserveBody, observerKeys, TaskState, useWatching } from './observe';

/* share of the window's height below which an on-screen keyboard is assumed */
const KEYBOARD_SHARE = 0.75;

/** Fit the page to the height left by an on-screen keyboard. */
function useVisibleHeight(): void {
  useEffect(() => {
    const seen = window.visualViewport;
    if (!seen) return undefined;
    const root = document.documentElement;
    const fit = () => {
      /* pinch zoom does not shrink the page */
      const height = seen.height * seen.scale;
      root.style.setProperty('--seen-height', `${height}px`);
      root.classList.toggle('keyboard', height < KEYBOARD_SHARE * window.innerHeight);
      if (seen.scale === 1) window.scrollTo(0, 0);
    };
    fit();
    seen.addEventListener('resize', fit);
    return () => {
      seen.removeEventListener('resize', fit);
      root.style.removeProperty('--seen-height');
      root.classList.remove('keyboard');
    };
  }, []);
}

export function LivePage({ token }: { token: string }) {
  const [name, setName] = useState(rememberedName('observer'));
  const watching = useWatching(token, name);
  useVisibleHeight();
  const observers = watching.driver.status?.observers ?? 0;
  return (
    <div class="page observer">
      <TopBar help={observerKeys(watching)}>
        <h1 class="hidden">Live session</h1>
        <LiveState driver={watching.driver} player={watching.player} />
        <TaskState driver={watching.driver} />
        <LiveSound driver={watching.driver} />
        <span class="spring" />
        {watching.driver.connection.state !== 'refused' && (
          <>
            <span class="watchers">{observers > 0 && count(observers, 'watching', 'watching')}</span>
            <NameField
              label="You"
              value={name}
              onChange={(value) => {
                setName(value);
                watching.driver.connection.rename(value);
              }}
            />
          </>
        )}
      </TopBar>
      <News driver={watching.driver} />
      <ObserveBody watching={watching} />
    </div>
  );
}
