// A session's row in words: health, lost time, coders.

import { LostTime_Part as Part, type SessionSummary, SessionSummary_Health as Health } from '../../gen/protocol/wire_pb';
import { duration } from '../base/format';
import { lostText } from '../base/gaps';

/* parts of a modality; a gap in everything is a part of its own */
const MODALITIES = new Map<string, readonly Part[]>([
  ['screen', [Part.SCREEN, Part.POINTER]],
  ['input', [Part.INPUT, Part.KEYS, Part.NAMES]],
  ['sound', [Part.SOUND, Part.MACHINE_SOUND]],
]);

/** Sum over all parts, for sorting. */
export function lostNs(session: SessionSummary): bigint {
  return session.lost.reduce((sum, { lostNs: ns }) => sum + ns, 0n);
}

/** "screen 2.1 s, sound 400 ms in 231 gaps, input 0": recorded modalities; "" if none. */
export function lossWords({ lost, recorded }: SessionSummary): string {
  if (lost.length === 0) return recorded.length > 0 ? `none of ${recorded.join(', ')}` : '';
  const whole = recorded.filter((modality) => !lost.some(({ part }) => MODALITIES.get(modality)?.includes(part)));
  return [lostText(lost), ...whole.map((modality) => `${modality} 0`)].join(', ');
}

/** Time excluded by a person: neither lost nor recorded. */
export function takenOutWords(session: SessionSummary): string {
  const words = [];
  if (session.pausedNs > 0n) words.push(`paused ${duration(session.pausedNs)}`);
  if (session.removedNs > 0n) words.push(`removed ${duration(session.removedNs)}`);
  return words.join(', ');
}

/* file system errors in plain words */
const PLAIN: ReadonlyArray<[RegExp, string]> = [
  [/^recording-0001\.mcap: No such file or directory$/, 'its folder has no recording'],
  [/: No such file or directory$/, ' is missing'],
  [/: Permission denied$/, ': the recorder’s user has no permission to read it'],
  [/: Too many levels of symbolic links$/, ': it is a symbolic link, and was not followed'],
  [/: Input\/output error$/, ': the disk reported a read error'],
  [/: Not a directory$/, ': it is not a folder'],
];

/**
 * Reason for an unreadable session, without the library's path: "recording-0001.mcap: …".
 *
 * @param text  from the server, with a path on the recorder's machine
 */
export function plainTrouble(text: string, session: string): string {
  const at = text.indexOf(session);
  const rest = at < 0 ? text : text.slice(at + session.length).replace(/^[/:]\s*/, '');
  return PLAIN.reduce((words, [pattern, plain]) => words.replace(pattern, plain), rest);
}

export interface HealthWords {
  kind: 'recording' | 'whole' | 'warning' | 'bad';
  name: string;
  /** Explanation or reason; "" for the usual values. */
  detail: string;
}

export function healthWords(session: SessionSummary): HealthWords {
  const trouble = plainTrouble(session.trouble, session.session);
  switch (session.health) {
    case Health.RECORDING:
      return { kind: 'recording', name: 'recording', detail: '' };
    case Health.WHOLE:
      return { kind: 'whole', name: 'whole', detail: '' };
    case Health.UNFINISHED:
      return { kind: 'warning', name: 'unfinished', detail: 'the recorder was interrupted; everything before is kept' };
    case Health.DAMAGED:
      return { kind: 'bad', name: 'damaged', detail: trouble };
    case Health.UNREADABLE:
      return { kind: 'bad', name: 'cannot be opened', detail: trouble };
    default:
      return { kind: 'bad', name: 'unknown', detail: 'the recorder has a later version' };
  }
}

export interface Coder {
  name: string;
  /** Coded live during the session. */
  live: boolean;
  tags: number;
  changedNs: bigint;
  finished: boolean;
}

/** One per layer: live, each coder, and the consensus. */
export function codersOf(session: SessionSummary): Coder[] {
  return session.coding.map((coding, i) => {
    const layer = session.layers[i] ?? '';
    return { ...coding, name: layer.replace(/^coder:/, ''), live: !layer.startsWith('coder:') };
  });
}

/** Sort key: finished codings first, then unfinished ones. */
export function codingRank(session: SessionSummary): number {
  const coders = codersOf(session).filter(({ live }) => !live);
  return coders.filter(({ finished }) => finished).length * 1000 + coders.length;
}
