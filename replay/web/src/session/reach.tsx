// Reachability of the recorder, and the page's state without a connection.

import { type Conducted, Conducted_Deed } from '../../gen/protocol/wire_pb';
import { clock } from '../base/format';
import { useTicks } from '../base/ticks';
import type { Behind, LiveDriver } from '../driver/live';
import type { Connection } from '../net/connection';
import { Notice } from '../parts/parts';

/** State of a connection that is not open, for a badge. */
export function connectionWords({ state, away, revoked }: Connection): string {
  switch (state) {
    case 'waiting':
      return 'no answer';
    case 'connecting':
      return away ? 'no answer' : 'connecting';
    case 'refused':
      return revoked ? 'link revoked' : 'link not valid';
    default:
      return state;
  }
}

/** Reason for a rejected link, and the remedy; user-visible. */
export function refusal(connection: Connection): { title: string; text: string } {
  if (connection.revoked)
    return { title: 'This link was revoked', text: 'It no longer gives access. Ask the moderator for a new link.' };
  if (connection.welcome && !connection.welcome.recorder)
    return {
      title: 'This link is no longer valid',
      text: 'This replay was restarted and has a new link: open the one that uxrec play printed last.',
    };
  return {
    title: 'This link is not valid',
    text: 'The recorder does not know its key. Ask the moderator for a new link. For uxrec play, open the link it printed last.',
  };
}

export function refusalText(connection: Connection): string {
  const { title, text } = refusal(connection);
  return `${title}. ${text}`;
}

/** Time without an answer, by this machine's monotonic clock. */
function silence(connection: Connection): string {
  return clock(BigInt(Math.round(connection.silentMs())) * 1_000_000n);
}

/** Replaces the picture while there is no connection. */
export function NoAnswer({ connection }: { connection: Connection }) {
  useTicks();
  const s = Math.max(1, Math.ceil((connection.retryAtMs - performance.now()) / 1000));
  const waiting = connection.state === 'waiting';
  return (
    <>
      <h2>No answer from the recorder</h2>
      <p>
        No answer for {silence(connection)}. It may still be recording. Tags and notes are kept here and sent
        when it answers.
      </p>
      <p class="row">
        {waiting ? `Next try in ${s} s.` : 'Trying now.'}
        <button type="button" disabled={!waiting} onClick={() => connection.retry()}>
          Try now
        </button>
      </p>
    </>
  );
}

const DEEDS = new Map<Conducted_Deed, string>([
  [Conducted_Deed.START, 'started the session'],
  [Conducted_Deed.STOP, 'ended the session'],
  [Conducted_Deed.PAUSE, 'paused'],
  [Conducted_Deed.RESUME, 'resumed'],
  [Conducted_Deed.TASK_START, 'started a task'],
  [Conducted_Deed.TASK_READY, 'marked the participant as ready'],
  [Conducted_Deed.TASK_END, 'ended the task'],
  [Conducted_Deed.INTERRUPTION_BEGIN, 'began an interruption'],
  [Conducted_Deed.INTERRUPTION_END, 'ended the interruption'],
  [Conducted_Deed.PHASE, 'changed the phase'],
  [Conducted_Deed.MUTE, 'muted the sound for observers'],
  [Conducted_Deed.UNMUTE, 'unmuted the sound for observers'],
]);

/** "Ann paused" */
export function conductedText(driver: LiveDriver, { deed, name, task }: Conducted): string {
  const title = task && driver.model.task(task)?.title;
  const what = title ? `started the task “${title}”` : (DEEDS.get(deed) ?? 'changed something');
  return `${name || 'A command on the recorder’s machine'} ${what}.`;
}

const ANNOUNCED_MS = 15_000;

/** News after an absence, and the last action of another moderator. */
export function News({ driver }: { driver: LiveDriver }) {
  useTicks();
  const { conducted } = driver;
  const announced = conducted && performance.now() - driver.conductedMs < ANNOUNCED_MS;
  return (
    <div class="news">
      {driver.news && (
        <Notice kind="warning">
          {driver.news}{' '}
          <button type="button" class="small" onClick={() => driver.dismissNews()}>
            Dismiss
          </button>
        </Notice>
      )}
      {announced && <Notice kind="info">{conductedText(driver, conducted)}</Notice>}
    </div>
  );
}

/** "behind by 3.2 s (slow connection)", or a stall. */
export function behindText({ ms, stalled, reason }: Behind): string {
  const s = ms < 10_000 ? (ms / 1000).toFixed(1) : (ms / 1000).toFixed(0);
  const why = reason === 'decoder' ? 'this browser decodes too slowly' : stalled ? 'no data' : 'slow connection';
  return stalled ? `NO PICTURE for ${s} s (${why})` : `BEHIND by ${s} s (${why})`;
}
