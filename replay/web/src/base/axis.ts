// Time axis of the timeline: visible part of a session, and tick positions.

import { clock } from './format';

/** A part of a session. */
export interface View {
  fromNs: bigint;
  lengthNs: bigint;
}

const MS = 1_000_000n;
const SECOND = 1000n * MS;
const DAY = 86_400n * SECOND;
/* round numbers in time units */
const STEPS = [
  10n * MS, 20n * MS, 50n * MS, 100n * MS, 200n * MS, 500n * MS,
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400].map((s) => BigInt(s) * SECOND),
];
/* label width: per digit, and spacing */
const DIGIT_PX = 8;
const ROOM_PX = 28;
/* the shortest useful view */
const LEAST_NS = SECOND;

/** Fraction digits that distinguish two ticks. */
const digitsOf = (stepNs: bigint) => (stepNs % SECOND === 0n ? 0 : stepNs % (100n * MS) === 0n ? 1 : 2);

/**
 * Ticks whose labels have room, for any length and width.
 *
 * @param fromNs  start of the view, since the session's begin
 */
export function ticks(fromNs: bigint, lengthNs: bigint, widthPx: number): Array<{ share: number; text: string }> {
  const fits = (stepNs: bigint) => {
    const label = clock(fromNs + lengthNs, digitsOf(stepNs)).length * DIGIT_PX + ROOM_PX;
    return (Number(stepNs) / Number(lengthNs)) * widthPx >= label;
  };
  let step = STEPS.find(fits) ?? 2n * DAY;
  while (!fits(step)) step *= 2n;
  const all: Array<{ share: number; text: string }> = [];
  for (let at = ((fromNs + step - 1n) / step) * step; at <= fromNs + lengthNs; at += step)
    all.push({ share: Number(at - fromNs) / Number(lengthNs), text: clock(at, digitsOf(step)) });
  return all;
}

/** Scale the view by a factor around a moment, which keeps its position where possible. */
export function zoomed(view: View, whole: View, factor: number, aroundNs: bigint): View {
  const wanted = BigInt(Math.round(Number(view.lengthNs) / factor));
  const least = whole.lengthNs < LEAST_NS ? whole.lengthNs : LEAST_NS;
  const lengthNs = wanted < least ? least : wanted > whole.lengthNs ? whole.lengthNs : wanted;
  const end = view.fromNs + view.lengthNs;
  const around = aroundNs < view.fromNs || aroundNs > end ? view.fromNs + view.lengthNs / 2n : aroundNs;
  const share = Number(around - view.fromNs) / Number(view.lengthNs);
  const from = around - BigInt(Math.round(share * Number(lengthNs)));
  const last = whole.fromNs + whole.lengthNs - lengthNs;
  return { fromNs: from < whole.fromNs ? whole.fromNs : from > last ? last : from, lengthNs };
}
