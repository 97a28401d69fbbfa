// A session's row in words: its health, its lost time, who has coded it.

import { LostTime_Part as Part, type SessionSummary, SessionSummary_Health as Health } from '../../gen/protocol/wire_pb';
import { duration } from '../base/format';
import { lostText } from '../base/gaps';

/* the parts of a modality; a gap of everything is a part of its own */
const MODALITIES = new Map<string, readonly Part[]>([
  ['screen', [Part.SCREEN, Part.POINTER]],
  ['input', [Part.INPUT, Part.KEYS, Part.NAMES]],
  ['sound', [Part.SOUND, Part.MACHINE_SOUND]],
]);

/** All parts together, to sort by. */
export function lostNs(session: SessionSummary): bigint {
  return session.lost.reduce((sum, { lostNs: ns }) => sum + ns, 0n);
}

/** "screen 2.1 s, sound 400 ms in 231 holes, input 0": modalities that were recorded; "" when none was. */
export function lossWords({ lost, recorded }: SessionSummary): string {
  if (lost.length === 0) return recorded.length > 0 ? `none of ${recorded.join(', ')}` : '';
  const whole = recorded.filter((modality) => !lost.some(({ part }) => MODALITIES.get(modality)?.includes(part)));
  return [lostText(lost), ...whole.map((modality) => `${modality} 0`)].join(', ');
}

/** Time that a person took out: no loss, and no recording either. */
export function takenOutWords(session: SessionSummary): string {
  const words = [];
  if (session.pausedNs > 0n) words.push(`paused ${duration(session.pausedNs)}`);
  if (session.removedNs > 0n) words.push(`removed ${duration(session.removedNs)}`);
  return words.join(', ');
}

/* errors of the file system, in the words of people */
const PLAIN: ReadonlyArray<[RegExp, string]> = [
  [/^recording-0001\.mcap: No such file or directory$/, 'its folder has no recording'],
  [/: No such file or directory$/, ' is missing'],
  [/: Permission denied$/, ': the recorder’s user may not read it'],
  [/: Too many levels of symbolic links$/, ': it is a symbolic link, and was not followed'],
  [/: Input\/output error$/, ': the disk cannot read it'],
  [/: Not a directory$/, ': it is no folder'],
];

/**
 * Why a session cannot be read, without the path of its library: "recording-0001.mcap: …".
 *
 * @param text  of the server, with a path of the recorder's machine
 */
export function plainTrouble(text: string, session: string): string {
  const at = text.indexOf(session);
  const rest = at < 0 ? text : text.slice(at + session.length).replace(/^[/:]\s*/, '');
  return PLAIN.reduce((words, [pattern, plain]) => words.replace(pattern, plain), rest);
}

export interface HealthWords {
  kind: 'recording' | 'whole' | 'warning' | 'bad';
  name: string;
  /** Its meaning, or the reason; "" for the usual ones. */
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
      return { kind: 'warning', name: 'no end', detail: 'the recorder was interrupted; what was recorded before is there' };
    case Health.DAMAGED:
      return { kind: 'bad', name: 'damaged', detail: trouble };
    case Health.UNREADABLE:
      return { kind: 'bad', name: 'cannot be opened', detail: trouble };
    default:
      return { kind: 'bad', name: 'not known', detail: 'the recorder is of a later version' };
  }
}

export interface Coder {
  name: string;
  /** Of the session itself, while it ran. */
  live: boolean;
  tags: number;
  changedNs: bigint;
  finished: boolean;
}

/** By layer: those of the running session, of each coder, and the consensus. */
export function codersOf(session: SessionSummary): Coder[] {
  return session.coding.map((coding, i) => {
    const layer = session.layers[i] ?? '';
    return { ...coding, name: layer.replace(/^coder:/, ''), live: !layer.startsWith('coder:') };
  });
}

/** For sorting: finished codings first, then those under way. */
export function codingRank(session: SessionSummary): number {
  const coders = codersOf(session).filter(({ live }) => !live);
  return coders.filter(({ finished }) => finished).length * 1000 + coders.length;
}
