// Times and numbers for display.

/** 3:07, 1:02:03; with `fraction` 3:07.42 */
export function clock(ns: bigint, fraction = 0): string {
  const negative = ns < 0n;
  const ms = Number((negative ? -ns : ns) / 1_000_000n);
  const seconds = Math.floor(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const two = (value: number) => String(value).padStart(2, '0');
  let text = hours
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
  if (fraction > 0) text += `.${String(ms % 1000).padStart(3, '0').slice(0, fraction)}`;
  return negative ? `−${text}` : text;
}

/** A duration: "2 ms", "1.2 s", "3:07 min", "1:02:03 h". */
export function duration(ns: bigint): string {
  const us = Number((ns < 0n ? 0n : ns) / 1000n);
  const ms = Math.round(us / 1000);
  if (ns > 0n && ms === 0) return 'less than 1 ms';
  if (ms < 1000) return `${ms} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const text = clock(BigInt(Math.round(ms / 1000)) * 1_000_000_000n);
  return `${text} ${ms < 3_599_500 ? 'min' : 'h'}`;
}

/** Parse a time as typed by a person; undefined if invalid. */
export function parseClock(text: string): bigint | undefined {
  const match = /^\s*(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)\s*$/.exec(text);
  if (!match) return undefined;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  const ms = Math.round(Number(seconds.replace(',', '.')) * 1000);
  return (BigInt(hours) * 3600n + BigInt(minutes) * 60n) * 1_000_000_000n + BigInt(ms) * 1_000_000n;
}

/** Local date and time of a session time, with the UTC offset. */
export function date(ns: bigint): string {
  const value = new Date(Number(ns / 1_000_000n));
  const two = (number: number) => String(number).padStart(2, '0');
  const east = -value.getTimezoneOffset();
  const minutes = Math.abs(east);
  const offset = `${east < 0 ? '−' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${value.getFullYear()}-${two(value.getMonth() + 1)}-${two(value.getDate())} ${two(value.getHours())}:${two(value.getMinutes())} ${offset}`;
}

export function bytes(count: bigint | number): string {
  const value = Number(count);
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(0)} kB`;
  if (value < 1e9) return `${(value / 1e6).toFixed(1)} MB`;
  return `${(value / 1e9).toFixed(1)} GB`;
}

/** Milliseconds below 10 s, seconds above. */
export function lag(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(0)} s`;
}

export function percent(value: number): string {
  return `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
}

export function count(value: number, one: string, many: string): string {
  return `${value} ${value === 1 ? one : many}`;
}
