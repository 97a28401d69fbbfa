// Playback controls: play and pause, speed, skips.

import type { ComponentChildren } from 'preact';
import { useEmitter } from '../base/emitter';
import { clock } from '../base/format';
import type { RecordedDriver } from '../driver/recorded';
import type { Player } from '../media/player';
import { Icon } from '../parts/parts';

/* display time of a skip message */
const SAID_MS = 3000;

export function Transport({
  driver,
  player,
  onToggle,
  onFaster,
  children,
}: {
  driver: RecordedDriver;
  player: Player;
  onToggle: () => void;
  onFaster: (by: number) => void;
  children?: ComponentChildren;
}) {
  useEmitter(player);
  const button = (label: string, icon: Parameters<typeof Icon>[0]['name'], action: () => void) => (
    <button type="button" class="quiet" aria-label={label} title={label} onClick={action}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="transport" role="group" aria-label="Playback">
      <div class="row">
        <button
          type="button"
          class="play"
          aria-label={driver.playing ? 'Pause (space)' : 'Play (space)'}
          title={driver.playing ? 'Pause (space)' : 'Play (space)'}
          onClick={onToggle}
        >
          <Icon name={driver.playing ? 'pause' : 'play'} />
        </button>
        <span
          class={`figure now ${driver.seekingNs === undefined ? '' : 'pending'}`}
          data-now-ns={String(driver.nowNs())}
          title={driver.seekingNs === undefined ? undefined : 'The picture at this time is not loaded yet'}
        >
          {clock(driver.nowNs() - driver.beginNs, 2)}
        </span>
        <span class="muted figure">/ {clock(driver.endNs - driver.beginNs)}</span>
      </div>
      <div class="row speed">
        {button('Slower ([)', 'minus', () => onFaster(-1))}
        <span class="figure" aria-live="polite">
          {driver.speed}×
        </span>
        {button('Faster (])', 'plus', () => onFaster(1))}
      </div>
      <div class="row">
        {button('Previous picture (,)', 'picture-back', () => driver.step(false))}
        {button('Next picture (.)', 'picture-on', () => driver.step(true))}
        {button('Previous click (shift+←)', 'click-back', () => driver.jump(driver.clickTimes(), false))}
        {button('Next click (shift+→)', 'click-on', () => driver.jump(driver.clickTimes(), true))}
      </div>
      <Skips driver={driver} />
      <div class="row tools">{children}</div>
    </div>
  );
}

/** Skip settings, and a short message after each skip. */
function Skips({ driver }: { driver: RecordedDriver }) {
  const { skipped } = driver;
  const said = driver.playing && skipped && performance.now() - skipped.atMs < SAID_MS;
  const box = (name: string, title: string, checked: boolean, set: (skip: boolean) => void) => (
    <label class="check" title={title}>
      <input
        type="checkbox"
        aria-label={`skip ${name}`}
        checked={checked}
        onChange={(event) => set(event.currentTarget.checked)}
      />
      <span>
        <span class="again">skip </span>
        {name}
      </span>
    </label>
  );
  const both = 'With both, only spans that are idle and silent are skipped.';
  return (
    <div class="row skips">
      {box(
        'idle',
        driver.quiet.length
          ? `Skip spans without input or screen changes. ${both}`
          : 'Skip spans without input or screen changes',
        driver.skipIdle,
        (skip) => driver.setSkipIdle(skip),
      )}
      {(driver.timeline?.soundRms.length ?? 0) > 0 &&
        box(
          'silence',
          `Skip spans without speech, even if they have input. ${both}`,
          driver.skipSilence,
          (skip) => driver.setSkipSilence(skip),
        )}
      {said && <span class="hint skipped">{skipped.text}</span>}
    </div>
  );
}
