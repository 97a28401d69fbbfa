// Gaps in words: the affected parts of a recording, runs of short gaps, lost time by part.
// The commands have the same texts, see protocol/gap.c.

import { GAP_FOLDERS } from '../../gen/protocol/constants';
import { Gap_Reason, type Gap } from '../../gen/protocol/session_pb';
import { type LostTime, LostTime_Part as Part } from '../../gen/protocol/wire_pb';
import { count, duration } from './format';

const PART_NAMES = new Map<Part, string>([
  [Part.ALL, 'everything'],
  [Part.SCREEN, 'screen'],
  [Part.POINTER, 'pointer'],
  [Part.INPUT, 'input'],
  [Part.KEYS, 'keys'],
  [Part.SOUND, 'sound'],
  [Part.MACHINE_SOUND, 'the machine’s sound'],
  [Part.NAMES, 'names of clicked objects'],
  [Part.OTHER, 'other data'],
]);

function partOf(topic: string): Part {
  const [, part] = GAP_FOLDERS.find(([folder]) => topic === folder || topic.startsWith(`${folder}/`)) ?? [];
  return part ? Part[part] : Part.OTHER;
}

/** Parts of the recording affected by a gap, in order; never empty. */
export function gapParts(gap: Gap): Part[] {
  const parts = new Set(gap.topics.map(partOf));
  /* input includes the keys */
  if (parts.has(Part.INPUT)) parts.delete(Part.KEYS);
  return parts.size ? [...parts].sort((a, b) => a - b) : [Part.ALL];
}

const partName = (part: Part) => PART_NAMES.get(part) ?? 'other data';
const partNames = (gap: Gap) => gapParts(gap).map(partName).join(', ');

/* planned: nothing was to be recorded */
const PLANNED = new Map<Gap_Reason, string>([
  [Gap_Reason.PAUSE, 'paused'],
  [Gap_Reason.SUSPEND, 'machine suspended'],
  [Gap_Reason.ERASED, 'erased'],
  [Gap_Reason.AWAY, 'locked, or used by another user'],
  [Gap_Reason.CONSENT, 'not covered by the consent'],
]);

const CAUSES = new Map<Gap_Reason, string>([
  [Gap_Reason.OVERLOAD, 'the machine could not keep up'],
  [Gap_Reason.DEVICE_OVERFLOW, 'the device’s queue overflowed'],
  [Gap_Reason.SOURCE_LOST, 'the source was lost'],
  [Gap_Reason.DISK, 'the disk failed or was full'],
  [Gap_Reason.ENCODER, 'the encoder failed'],
  [Gap_Reason.STALL, 'the recorder stood still'],
]);

const causeText = (gap: Gap) => CAUSES.get(gap.reason) ?? 'for an unknown reason';

function lengthText({ fromNs, toNs }: Gap): string {
  if (toNs === 0n) return ' to the end';
  return toNs > fromNs ? ` for ${duration(toNs - fromNs)}` : '';
}

/** "sound lost for 2 ms: the device’s queue overflowed", "paused for 1:04 min" */
export function gapText(gap: Gap): string {
  const planned = PLANNED.get(gap.reason);
  if (!planned) return `${partNames(gap)} lost${lengthText(gap)}: ${causeText(gap)}`;
  return `${gap.topics.length ? `${partNames(gap)}: ` : ''}${planned}${lengthText(gap)}`;
}

/* ---- runs ---- */

const SHORT_NS = 1_000_000_000n;
/* short gaps with equal parts and reason form a run if at most this far apart */
const APART_NS = 60_000_000_000n;
/* shorter runs have one row per gap */
const RUN_LENGTH = 3;

/** Gaps in one row of a list. */
export interface GapRun {
  fromNs: bigint;
  gaps: Gap[];
  text: string;
}

const isShort = (gap: Gap) => gap.toNs !== 0n && gap.toNs - gap.fromNs < SHORT_NS;
const kindOf = (gap: Gap) => `${gap.reason} ${gapParts(gap).join()}`;

/** Total length of the gaps of a run, without overlaps. Sorted by begin; no open gap. */
function unionNs(gaps: readonly Gap[]): bigint {
  let covered = 0n;
  let untilNs = 0n;
  for (const { fromNs, toNs } of gaps) {
    const beginNs = fromNs > untilNs ? fromNs : untilNs;
    if (toNs <= beginNs) continue;
    covered += toNs - beginNs;
    untilNs = toNs;
  }
  return covered;
}

function runOf(gaps: Gap[]): GapRun {
  const [first] = gaps as [Gap];
  if (gaps.length === 1) return { fromNs: first.fromNs, gaps, text: gapText(first) };
  const together = duration(unionNs(gaps));
  const text = PLANNED.has(first.reason)
    ? `${gapText({ ...first, toNs: first.fromNs } as Gap)}, ${count(gaps.length, 'time', 'times')}, ${together} in total`
    : `${count(gaps.length, 'short gap', 'short gaps')} in ${holeName(first)}, ${together} in total: ${causeText(first)}`;
  return { fromNs: first.fromNs, gaps, text };
}

function holeName(gap: Gap): string {
  return gapParts(gap)
    .map((part) => {
      if (part === Part.ALL) return 'the recording';
      if (part === Part.MACHINE_SOUND || part === Part.OTHER) return partName(part);
      return `the ${partName(part)}`;
    })
    .join(', ');
}

/** Sorted by begin; consecutive short gaps of one kind form a run, regardless of other gaps in between. */
export function gapRuns(gaps: readonly Gap[]): GapRun[] {
  const sorted = [...gaps].sort((a, b) => (a.fromNs < b.fromNs ? -1 : a.fromNs > b.fromNs ? 1 : 0));
  const open = new Map<string, Gap[]>();
  const groups: Gap[][] = [];
  for (const gap of sorted) {
    const kind = kindOf(gap);
    const group = open.get(kind);
    const last = group?.at(-1);
    if (group && last && isShort(gap) && gap.fromNs - last.toNs < APART_NS) {
      group.push(gap);
      continue;
    }
    const begun = [gap];
    groups.push(begun);
    if (isShort(gap)) open.set(kind, begun);
  }
  return groups
    .flatMap((group) => (group.length < RUN_LENGTH ? group.map((gap) => [gap]) : [group]))
    .map(runOf)
    .sort((a, b) => (a.fromNs < b.fromNs ? -1 : a.fromNs > b.fromNs ? 1 : 0));
}

/* ---- lost time ---- */

/** "sound 460 ms in 231 gaps, screen 12.0 s"; empty when nothing was lost. */
export function lostText(lost: ReadonlyArray<Pick<LostTime, 'part' | 'lostNs' | 'gaps'>>): string {
  return lost
    .map(({ part, lostNs, gaps }) => `${partName(part)} ${duration(lostNs)}${gaps > 1 ? ` in ${gaps} gaps` : ''}`)
    .join(', ');
}
