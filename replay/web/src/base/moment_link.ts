// Links to a moment of a session: "#at=12:31.4". They never contain the page's key.

import { clock, parseClock } from './format';

const UNITS = /^(?:(\d+)\s*h)?\s*(?:(\d+)\s*m(?:in)?)?\s*(?:(\d+(?:[.,]\d+)?)\s*s?)?$/i;

/** True if a part of a fragment names a moment. */
export const isMomentPart = (part: string) => /^(at|t)=/i.test(part);

/** Text of the moment in the fragment of an address; undefined if absent. */
export function momentText(hash: string): string | undefined {
  const part = hash.replace(/^#/, '').split('&').find(isMomentPart);
  if (part === undefined) return undefined;
  const text = part.slice(part.indexOf('=') + 1);
  try {
    return decodeURIComponent(text).trim();
  } catch {
    return text.trim();
  }
}

/** "12:31.4", "1:02:03.5", "751.4s", "12m31s": nanoseconds from the session's begin; undefined if invalid. */
export function parseMoment(text: string): bigint | undefined {
  /* durations carry a unit: "3:07 min" */
  if (text.includes(':')) return parseClock(text.replace(/\s*(?:min|h)$/i, ''));
  const match = text ? UNITS.exec(text) : null;
  if (!match) return undefined;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  const [whole = '0', fraction = ''] = seconds.replace(',', '.').split('.');
  return (
    (BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(whole)) * 1_000_000_000n +
    BigInt(fraction.padEnd(9, '0').slice(0, 9))
  );
}

/**
 * Resolve the moment in the fragment of an address.
 *
 * @return a moment, or an error text; undefined if the fragment names none
 */
export function momentOf(hash: string, beginNs: bigint, endNs: bigint): { ns: bigint } | { why: string } | undefined {
  const text = momentText(hash);
  if (text === undefined) return undefined;
  const after = parseMoment(text);
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  if (after === undefined) return { why: `The link has no valid time: “${shown}”. Use a time such as 12:31.4 or 751.4s` };
  const length = endNs - beginNs;
  /* links have tenths of a second, displayed lengths whole ones: both reach the end */
  if (after > length + 1_000_000_000n)
    return { why: `The link leads to ${clock(after, 1)}, and this session is ${clock(length, 1)} long` };
  return { ns: beginNs + (after > length ? length : after) };
}

/** Address of a moment of this page, without its key. */
export function momentLink(afterNs: bigint): string {
  return `${location.origin}${location.pathname}${location.search.replace(/([?&])at=\d*&?/, '$1').replace(/[?&]$/, '')}#at=${clock(afterNs, 1)}`;
}
