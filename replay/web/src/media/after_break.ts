// Fate of a session across a connection loss.

import type { Status } from '../../gen/protocol/wire_pb';
import { clock } from '../base/format';

/** The recorder's state before the connection loss. */
export interface Before {
  session: string;
  killedToNs: bigint;
  /** Welcome.run */
  run: string;
}

/**
 * Summary of the session's fate during the connection loss, as far as the recorder states it; "" if nothing has
 * changed.
 */
export function afterBreak(before: Before, now: Status, run: string): string {
  const restarted = before.run !== run;
  if (before.session && now.session === before.session)
    return restarted && now.killedToNs > before.killedToNs
      ? `The recorder was killed and restarted. The session continues; ${clock(now.killedToNs - now.killedFromNs)} min of it were not recorded.`
      : '';
  const ended =
    now.lastSession === before.session
      ? `The session ended meanwhile: ${now.lastReason || 'unknown reason'}.`
      : 'The recorder was restarted and does not continue the session. Its recording is in the library.';
  if (before.session && now.session) return `${ended} Another session is running now.`;
  if (before.session) return ended;
  return restarted ? 'The recorder was started again meanwhile.' : '';
}
