// Sound button of the live pages and of a replay.

import type { Sound } from '../media/sound';
import { Icon } from './parts';

/** Sound switch with volume: browsers block sound without a user action. */
export function HearButton({ sound }: { sound: Sound }) {
  if (sound.unable) return <span class="hint">{sound.unable}</span>;
  const volume = Math.round(100 * sound.volume);
  return (
    <span class="row">
      <button
        type="button"
        aria-pressed={sound.hearing}
        title={sound.hearing ? 'You hear the participant; this affects only you' : 'Hear the participant'}
        onClick={() => void (sound.hearing ? sound.hush() : sound.hear())}
      >
        <Icon name={sound.hearing ? 'sound' : 'hushed'} /> {sound.hearing ? 'Hearing' : 'Hear'}
      </button>
      {sound.hearing && (
        <input
          type="range"
          class="volume"
          min="0"
          max="100"
          step="5"
          value={volume}
          aria-label="Volume"
          aria-valuetext={`${volume} %`}
          title={`Volume: ${volume} %`}
          onInput={(event) => sound.setVolume(Number(event.currentTarget.value) / 100)}
        />
      )}
    </span>
  );
}
