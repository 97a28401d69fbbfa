// Sound levels: detection of silence, and the waveform. One byte per fifth of a second, in half decibels below full
// scale; 255 is no signal.

export interface Span {
  fromNs: bigint;
  toNs: bigint;
}

export const LEVEL_NS = 200_000_000n;
const NOTHING = 255;

export function decibels(level: number): number {
  return level === NOTHING ? Number.NEGATIVE_INFINITY : -level / 2;
}

/* Silence is at most slightly louder than the room, whose level is the quietest tenth of the time. The threshold
   never exceeds a low voice, and stays above inaudible levels. */
const ROOM_SHARE = 0.1;
const OVER_ROOM_DB = 6;
const QUIETEST_DB = -50;
const LOUDEST_DB = -36;
/* pauses for breath and thought belong to speech, and so does a margin before and after it */
const QUIET_STEPS = 8;
const KEPT_NS = 300_000_000n;

/** Silence threshold in decibels. */
export function quietBelowDb(rms: Uint8Array): number {
  const heard = rms.filter((level) => level !== NOTHING).sort();
  const room = heard[Math.floor((1 - ROOM_SHARE) * heard.length)];
  return room === undefined
    ? QUIETEST_DB
    : Math.min(LOUDEST_DB, Math.max(QUIETEST_DB, -room / 2 + OVER_ROOM_DB));
}

/** Spans that can be skipped without missing speech. */
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

/** Merge touching spans; sorted by begin. */
export function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (!last || last.toNs < span.fromNs) all.push({ ...span });
    else if (span.toNs > last.toNs) last.toNs = span.toNs;
  }
  return all;
}

/* range of the waveform in decibels below full scale, and its maximum number of columns */
const SHOWN_DB = 60;
const COLUMNS = 1200;
/* minimum height, as a share of half the lane, of a column with sound */
const LEAST = 0.03;

/**
 * Waveform as one SVG path, symmetric around the middle.
 *
 * @param combine  merges several heights, from 0 to 1, into one column
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
