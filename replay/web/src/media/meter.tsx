// Live level meter, and a one-word diagnosis of the sound.

import { fromBinary } from '@bufbuild/protobuf';
import { TOPIC_SOUND_INFO } from '../../gen/protocol/constants';
import { SoundLevelsSchema, SoundSchema } from '../../gen/protocol/sound_pb';
import type { SoundMeter } from '../../gen/protocol/wire_pb';
import { Emitter, useEmitter } from '../base/emitter';
import { useTicks } from '../base/ticks';
import type { ChannelMessage } from '../net/wire';
import { decibels } from './levels';

/* lower end of the meter in decibels; speech is at -30 to -15, an empty room at -60 */
const FLOOR_DB = -60;
const QUIET_DB = -55;
/* silence beyond a pause for thought */
const QUIET_MS = 20_000;
const CLIPPED_MS = 2_000;
/* levels arrive five times a second */
const ABSENT_MS = 1_500;

/** The recorder's report on a sound channel. Times are of performance.now(). */
export class Levels extends Emitter {
  device = '';
  muted = false;
  peakDb = Number.NEGATIVE_INFINITY;
  rmsDb = Number.NEGATIVE_INFINITY;
  #takenMs = 0;
  #loudMs = performance.now();
  #clippedMs = Number.NEGATIVE_INFINITY;

  take(message: ChannelMessage): void {
    const now = performance.now();
    if (message.topic === TOPIC_SOUND_INFO) {
      const sound = fromBinary(SoundSchema, message.data);
      this.device = sound.device;
      this.muted = sound.muted;
      this.#loudMs = now;
    } else {
      const levels = fromBinary(SoundLevelsSchema, message.data);
      this.peakDb = decibels(Math.min(255, ...levels.peak));
      this.rmsDb = decibels(Math.min(255, ...levels.rms));
      this.#takenMs = now;
      if (this.peakDb > QUIET_DB) this.#loudMs = now;
      if (levels.clipped > 2) this.#clippedMs = now;
    }
    this.changed();
  }

  reset(): void {
    this.#takenMs = 0;
    this.#loudMs = performance.now();
    this.peakDb = this.rmsDb = Number.NEGATIVE_INFINITY;
    this.changed();
  }

  /** Diagnosis of the sound; "" if fine. */
  trouble(): string {
    const now = performance.now();
    if (this.muted) return 'microphone muted';
    if (now - this.#takenMs > ABSENT_MS) return 'no sound';
    if (now - this.#clippedMs < CLIPPED_MS) return 'too loud';
    if (now - this.#loudMs > QUIET_MS) return 'silence';
    return '';
  }
}

function share(db: number): number {
  return Math.max(0, Math.min(1, 1 - db / FLOOR_DB));
}

export function Meter({ peakDb, rmsDb, label }: { peakDb: number; rmsDb: number; label: string }) {
  return (
    <span
      class="meter"
      role="meter"
      aria-label={label}
      aria-valuemin={FLOOR_DB}
      aria-valuemax={0}
      aria-valuenow={Math.round(Math.max(FLOOR_DB, peakDb))}
      aria-valuetext={peakDb <= FLOOR_DB ? 'silence' : `${Math.round(peakDb)} decibels`}
    >
      <i class="peak" style={{ width: `${100 * share(peakDb)}%` }} />
      <i class={peakDb > -1 ? 'rms clips' : 'rms'} style={{ width: `${100 * share(rmsDb)}%` }} />
    </span>
  );
}

/** Meter of a running session. */
export function LiveMeter({ levels }: { levels: Levels }) {
  useEmitter(levels);
  useTicks(500); // no message arrives to signal silence
  const trouble = levels.trouble();
  return (
    <span class="levels" title={levels.device}>
      <Meter peakDb={levels.peakDb} rmsDb={levels.rmsDb} label="Sound level" />
      <span role="status" class="soundtrouble">
        {trouble}
      </span>
    </span>
  );
}

/** Meter of a check before a session. */
export function CheckedMeter({ meter }: { meter: SoundMeter }) {
  return (
    <span class="levels">
      <Meter peakDb={meter.peakDb} rmsDb={meter.rmsDb} label="Microphone level" />
      <span class="figure muted">{meter.peakDb <= -127 ? 'silence' : `${Math.round(meter.peakDb)} dB`}</span>
    </span>
  );
}
