// Idle spans, which playback can skip: no input, no change of the screen, no speech.

import type { Timeline } from '../../gen/protocol/wire_pb';
import type { Span } from './levels';

const SECOND = 1_000_000_000n;
/* minimum length of an idle span */
const IDLE_NS = 3n * SECOND;
/* margins: kept after the preceding activity, and before the next */
const AFTER_NS = SECOND;
const BEFORE_NS = SECOND / 2n;
/* activities at most this far apart are one span */
const JOIN_NS = SECOND;

/** Merge spans that touch or nearly touch; any order. */
export function joinedActivity(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of [...spans].sort((a, b) => (a.fromNs < b.fromNs ? -1 : a.fromNs > b.fromNs ? 1 : 0))) {
    const last = all.at(-1);
    if (!last || last.toNs + JOIN_NS < span.fromNs) all.push({ ...span });
    else if (span.toNs > last.toNs) last.toNs = span.toNs;
  }
  return all;
}

/** Gaps between ordered spans. */
function complement(spans: readonly Span[], fromNs: bigint, toNs: bigint): Span[] {
  const all: Span[] = [];
  let atNs = fromNs;
  for (const span of spans) {
    if (span.fromNs > atNs) all.push({ fromNs: atNs, toNs: span.fromNs });
    if (span.toNs > atNs) atNs = span.toNs;
  }
  if (toNs > atNs) all.push({ fromNs: atNs, toNs });
  return all;
}

const point = (atNs: bigint): Span => ({ fromNs: atNs, toNs: atNs });

/**
 * All activity of a recording: input of every kind, changes of the screen, speech, and gaps, as possible activity.
 *
 * @param pictures  times of changes of the screen
 * @param motions   spans of pointer and other control motion
 * @param quiet     spans without speech; undefined: no sound
 */
export function activityOf(
  timeline: Pick<Timeline, 'beginNs' | 'endNs' | 'events' | 'gaps'>,
  pictures: ReadonlyArray<{ timeNs: bigint }>,
  motions: readonly Span[],
  quiet: readonly Span[] | undefined,
): Span[] {
  return joinedActivity([
    ...pictures.map(({ timeNs }) => point(timeNs)),
    ...timeline.events.map(({ atNs, endNs }) => ({ fromNs: atNs, toNs: endNs > atNs ? endNs : atNs })),
    ...motions,
    ...timeline.gaps.map(({ fromNs, toNs }) => ({ fromNs, toNs: toNs === 0n ? timeline.endNs : toNs })),
    ...(quiet ? complement(quiet, timeline.beginNs, timeline.endNs) : []),
  ]);
}

/** Index of the first span that ends after a time. */
function firstAfter(spans: readonly Span[], ns: bigint): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.toNs ?? 0n) > ns) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * End of the idle span around a time, a little before the next activity; the time itself outside idle spans.
 *
 * @param activity  from joinedActivity()
 * @param marked    further times not to be skipped: tags, notes, begins and ends of tasks
 */
export function idleUntilNs(activity: readonly Span[], marked: readonly bigint[], now: bigint, endNs: bigint): bigint {
  const index = firstAfter(activity, now);
  const next = activity[index];
  const last = activity[index - 1];
  let untilNs = next ? next.fromNs : endNs;
  let sinceNs = last ? last.toNs : 0n;
  for (const atNs of marked) {
    if (atNs > now && atNs < untilNs) untilNs = atNs;
    if (atNs <= now && atNs > sinceNs) sinceNs = atNs;
  }
  if (untilNs <= now || untilNs - sinceNs <= IDLE_NS || now < sinceNs + AFTER_NS) return now;
  const toNs = untilNs - BEFORE_NS;
  return toNs > now ? toNs : now;
}
