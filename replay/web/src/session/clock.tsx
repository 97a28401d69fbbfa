// Clock of the running task as in the metrics: excludes pauses and clock-stopping interruptions.

import { Interruption_Kind } from '../../gen/protocol/acts_pb';
import { type Status, Status_State } from '../../gen/protocol/wire_pb';
import { clock } from '../base/format';
import { useTicks } from '../base/ticks';
import type { LiveDriver } from '../driver/live';

const NS_PER_S = 1_000_000_000n;

/** Current time on task: the status value plus the time since. */
export function taskTimeNs(status: Status, nowNs: bigint): bigint {
  const since = status.attemptClockStopped ? 0n : (nowNs || status.nowNs) - status.nowNs;
  return status.attemptTimeNs + (since > 0n ? since : 0n);
}

export const INTERRUPTIONS = new Map([
  [Interruption_Kind.TECHNICAL, 'technical'],
  [Interruption_Kind.MODERATOR, 'by the moderator'],
  [Interruption_Kind.EXTERNAL, 'external'],
]);

/** Reason for a stopped clock, in one word; "" while it runs. */
export function stopReason(status: Status): string {
  if (!status.attemptClockStopped) return '';
  return status.state === Status_State.PAUSED ? 'paused' : 'interrupted';
}

/** 3:10 / 5:00; and in words when the limit is passed or the clock stands still. */
export function TaskClock({ driver, short = false }: { driver: LiveDriver; short?: boolean }) {
  useTicks();
  const status = driver.status;
  if (!status?.attempt) return null;
  const limitNs = BigInt(driver.model.task(status.task)?.timeLimitS ?? 0) * NS_PER_S;
  const timeNs = taskTimeNs(status, driver.connection.sessionNowNs());
  const over = limitNs > 0n && timeNs > limitNs;
  const stopped = stopReason(status);
  return (
    <span class={`taskclock ${over ? 'over' : ''} ${stopped ? 'stopped' : ''}`}>
      <span class="figure" title={limitNs ? 'time on task and time limit' : 'time on task'}>
        {clock(timeNs)}
        {limitNs > 0n && ` / ${clock(limitNs)}`}
      </span>
      {stopped && !short && <span class="pill">{stopped}: clock stopped</span>}
      {over && (
        <span class="pill bad">over the limit{!short && ` by ${clock(timeNs - limitNs)}`}</span>
      )}
      {/* announced once, not every second */}
      {short && (
        <span class="hidden" role="status">
          {over ? 'The time limit of the task has passed.' : ''}
        </span>
      )}
    </span>
  );
}
