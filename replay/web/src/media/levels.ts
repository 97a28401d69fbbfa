// How loud it was: what is quiet, and the waveform. Levels are bytes a fifth of a second each, half decibels
// below full scale; 255 is nothing at all.

export interface Span {
  fromNs: bigint;
  toNs: bigint;
}

export const LEVEL_NS = 200_000_000n;
const NOTHING = 255;

export function decibels(level: number): number {
  return level === NOTHING ? Number.NEGATIVE_INFINITY : -level / 2;
}

/* quiet is what is not much louder than the room, which a tenth of the time is there alone; but a room
   is never louder than a low voice, nor does it matter below what can be heard of it */
const ROOM_SHARE = 0.1;
const OVER_ROOM_DB = 6;
const QUIETEST_DB = -50;
const LOUDEST_DB = -36;
/* a pause to breathe and think belongs to what is said, and so does a moment before and after it */
const QUIET_STEPS = 8;
const KEPT_NS = 300_000_000n;

/** What is quieter than this is silence. */
export function quietBelowDb(rms: Uint8Array): number {
  const heard = rms.filter((level) => level !== NOTHING).sort();
  const room = heard[Math.floor((1 - ROOM_SHARE) * heard.length)];
  return room === undefined
    ? QUIETEST_DB
    : Math.min(LOUDEST_DB, Math.max(QUIETEST_DB, -room / 2 + OVER_ROOM_DB));
}

/** Spans that can be passed over without missing anything that was said. */
export function quietSpans(rms: Uint8Array, beginNs: bigint): Span[] {
  const limit = -2 * quietBelowDb(rms);
  const spans: Span[] = [];
  let from = 0;
  for (let i = 0; i <= rms.length; i++) {
    if (i < rms.length && (rms[i] ?? NOTHING) > limit) continue;
    if (i - from >= QUIET_STEPS)
      spans.push({
        fromNs: beginNs + BigInt(from) * LEVEL_NS + KEPT_NS,
        toNs: beginNs + BigInt(i) * LEVEL_NS - KEPT_NS,
      });
    from = i + 1;
  }
  return spans;
}

/** Spans that touch become one; they come by their begin. */
export function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (!last || last.toNs < span.fromNs) all.push({ ...span });
    else if (span.toNs > last.toNs) last.toNs = span.toNs;
  }
  return all;
}

/* the waveform shows this much below full scale, and is drawn in as many columns at most */
const SHOWN_DB = 60;
const COLUMNS = 1200;
/* half of the line where there is sound, however low */
const LEAST = 0.03;

/**
 * A waveform as one SVG path, the same above and below the middle.
 *
 * @param combine  makes one column of several heights from 0 to 1
 */
export function waveform(
  levels: Uint8Array,
  width: number,
  height: number,
  combine: (heights: number[]) => number,
): string {
  const columns = Math.min(COLUMNS, levels.length);
  let above = '';
  let below = '';
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * levels.length) / columns);
    const to = Math.floor(((column + 1) * levels.length) / columns);
    const heights = Array.from(levels.subarray(from, to), (level) =>
      level === NOTHING ? 0 : Math.max(LEAST, 1 - level / 2 / SHOWN_DB),
    );
    const half = (combine(heights) * height) / 2;
    const right = (((column + 1) * width) / columns).toFixed(1);
    const left = ((column * width) / columns).toFixed(1);
    above += `L${left} ${(height / 2 - half).toFixed(1)}H${right}`;
    below = `L${right} ${(height / 2 + half).toFixed(1)}H${left}${below}`;
  }
  return columns ? `M0 ${height / 2}${above}${below}Z` : '';
}

export const loudest = (heights: number[]): number => Math.max(...heights);
export const mean = (heights: number[]): number =>
  heights.reduce((sum, one) => sum + one, 0) / heights.length;
