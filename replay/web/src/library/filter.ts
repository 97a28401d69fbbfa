// Filter and sort order of the library's sessions: kept in the address, for reloads and links.

import { type SessionSummary, SessionSummary_Health as Health } from '../../gen/protocol/wire_pb';
import { date } from '../base/format';
import { codersOf, codingRank, healthWords, lossWords, lostNs } from './session_words';

export type Column =
  | 'participant'
  | 'segment'
  | 'study'
  | 'date'
  | 'length'
  | 'tasks'
  | 'tags'
  | 'coding'
  | 'lost'
  | 'health';

export const COLUMNS: ReadonlyArray<[Column, string]> = [
  ['participant', 'Participant'],
  ['segment', 'Segment'],
  ['study', 'Study'],
  ['date', 'Date'],
  ['length', 'Length'],
  ['tasks', 'Tasks done'],
  ['tags', 'Tags'],
  ['coding', 'Coding'],
  ['lost', 'Lost time'],
  ['health', 'Health'],
];

/* columns sorted ascending on the first click */
const TEXTS = new Set<Column>(['participant', 'segment', 'study']);

/* for an unreadable session: the time in its id, in an unknown time zone */
function timeOfId(id: string): bigint {
  const [year, month, day, hour, minute, second] = (/^(....)(..)(..)-(..)(..)(..)/.exec(id) ?? []).slice(1).map(Number);
  return BigInt(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) || 0) * 1_000_000n;
}

const SORTS: Record<Column, (session: SessionSummary) => string | number | bigint> = {
  participant: (session) => session.participants.join(),
  segment: (session) => session.segment,
  study: (session) => session.study,
  date: (session) => session.beginNs || timeOfId(session.session),
  length: (session) => session.endNs - session.beginNs,
  tasks: (session) => session.completed * 1000 + session.attempts,
  tags: (session) => session.tags,
  coding: codingRank,
  lost: lostNs,
  health: (session) => session.health,
};

/* natural order: P2 before P10 */
const collator = new Intl.Collator(undefined, { numeric: true });

function compareKeys(a: string | number | bigint, b: string | number | bigint): number {
  if (typeof a === 'string' || typeof b === 'string') return collator.compare(String(a), String(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/* ---- chips ---- */

export type Group = 'study' | 'segment' | 'state';

const isCoder = ({ live }: { live: boolean }) => !live;

/** Session states for filtering; several are combined with "or". */
export const STATES: ReadonlyArray<[string, string, (session: SessionSummary) => boolean]> = [
  ['whole', 'whole', ({ health }) => health === Health.WHOLE],
  ['broken', 'not whole', ({ health }) => health > Health.WHOLE],
  ['lost', 'with lost time', (session) => lostNs(session) > 0n],
  ['uncoded', 'not coded', (session) => !session.keptBack && !codersOf(session).some(isCoder)],
  ['coding', 'coding under way', (session) => codersOf(session).some((coder) => isCoder(coder) && !coder.finished)],
  ['coded', 'coding finished', (session) => codersOf(session).some((coder) => isCoder(coder) && coder.finished)],
  ['pilot', 'pilot', ({ pilot }) => pilot],
  ['excluded', 'excluded', ({ excluded }) => excluded],
  ['consent', 'consent limited', ({ consent }) => consent !== ''],
];

const MATCHES: Record<Group, (session: SessionSummary, value: string) => boolean> = {
  study: (session, value) => session.study === value,
  segment: (session, value) => session.segment === value,
  state: (session, value) => STATES.find(([id]) => id === value)?.[2](session) ?? true,
};

/* ---- the filter ---- */

export interface Filter {
  text: string;
  sort: Column;
  down: boolean;
  chips: Record<Group, string[]>;
}

const SORT_KEY = 'uxrec.library.sort';
const GROUPS: readonly Group[] = ['study', 'segment', 'state'];

function rememberedSort(): string {
  try {
    return localStorage.getItem(SORT_KEY) ?? '';
  } catch {
    return '';
  }
}

/** Filter from the address; the order also from the last visit. */
export function loadFilter(): Filter {
  const address = new URLSearchParams(location.search);
  const [name, order] = (address.get('sort') ?? rememberedSort()).split('.');
  const sort = COLUMNS.find(([column]) => column === name)?.[0];
  return {
    text: address.get('q') ?? '',
    sort: sort ?? 'date',
    down: sort ? order !== 'up' : true,
    chips: Object.fromEntries(GROUPS.map((group) => [group, address.getAll(group)])) as Filter['chips'],
  };
}

export function saveFilter({ text, sort, down, chips }: Filter): void {
  const address = new URLSearchParams();
  const order = `${sort}.${down ? 'down' : 'up'}`;
  if (text) address.set('q', text);
  if (order !== 'date.down') address.set('sort', order);
  for (const group of GROUPS) for (const value of chips[group]) address.append(group, value);
  const search = address.toString();
  history.replaceState(history.state, '', location.pathname + (search && `?${search}`));
  try {
    localStorage.setItem(SORT_KEY, order);
  } catch {
    /* still in the address */
  }
}

/** Sort by a column; a repeated call reverses the order. */
export function sortedBy(filter: Filter, column: Column): Filter {
  return { ...filter, sort: column, down: filter.sort === column ? !filter.down : !TEXTS.has(column) };
}

export function toggled(filter: Filter, group: Group, value: string): Filter {
  const before = filter.chips[group];
  const after = before.includes(value) ? before.filter((one) => one !== value) : [...before, value];
  return { ...filter, chips: { ...filter.chips, [group]: after } };
}

export function isFiltered({ text, chips }: Filter): boolean {
  return text.trim() !== '' || GROUPS.some((group) => chips[group].length > 0);
}

export function cleared(filter: Filter): Filter {
  return { ...filter, text: '', chips: { study: [], segment: [], state: [] } };
}

/** The filter in words: "“P07”, segment novice, pilot". */
export function filterWords({ text, chips }: Filter): string {
  const words = chips.state.map((value) => STATES.find(([id]) => id === value)?.[1] ?? value);
  return [
    text.trim() && `“${text.trim()}”`,
    chips.study.length > 0 && `study ${chips.study.join(' or ')}`,
    chips.segment.length > 0 && `segment ${chips.segment.map((one) => one || 'none').join(' or ')}`,
    words.length > 0 && words.join(' or '),
  ]
    .filter(Boolean)
    .join(', ');
}

const texts = new WeakMap<SessionSummary, string>();

/* the text of all columns, for searching */
function textOf(session: SessionSummary): string {
  const known = texts.get(session);
  if (known !== undefined) return known;
  const text = [
    session.session,
    session.study,
    session.segment,
    ...session.participants,
    session.beginNs ? date(session.beginNs) : '',
    ...session.layers,
    lossWords(session),
    healthWords(session).name,
    session.consent,
    session.excludedReason,
  ]
    .join('\n')
    .toLowerCase();
  texts.set(session, text);
  return text;
}

/** The sessions that match a filter, in its order. */
export function filtered(sessions: readonly SessionSummary[], filter: Filter): SessionSummary[] {
  const words = filter.text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const value = SORTS[filter.sort];
  const kept = sessions.filter(
    (session) =>
      GROUPS.every((group) => {
        const wanted = filter.chips[group];
        return wanted.length === 0 || wanted.some((one) => MATCHES[group](session, one));
      }) &&
      (words.length === 0 || words.every((word) => textOf(session).includes(word))),
  );
  const keyed = kept.map((session) => ({ session, key: value(session) }));
  keyed.sort((a, b) => (filter.down ? -1 : 1) * (compareKeys(a.key, b.key) || (a.session.session < b.session.session ? -1 : 1)));
  return keyed.map(({ session }) => session);
}

export interface Chip {
  group: Group;
  value: string;
  name: string;
  count: number;
}

/* upper limit; the rest is found by typing */
const CHIPS_LIMIT = 12;

/** Chips that divide the sessions: a study or segment common to all has no chip. */
export function chipsOf(sessions: readonly SessionSummary[], filter: Filter): Chip[] {
  const chips: Chip[] = [];
  for (const group of ['study', 'segment'] as const) {
    const counts = new Map<string, number>();
    for (const session of sessions) counts.set(session[group], (counts.get(session[group]) ?? 0) + 1);
    if (counts.size < 2 && filter.chips[group].length === 0) continue;
    const names = [...new Set([...filter.chips[group], ...[...counts.keys()].sort(collator.compare)])];
    for (const value of names.slice(0, CHIPS_LIMIT))
      chips.push({ group, value, name: value || `no ${group}`, count: counts.get(value) ?? 0 });
  }
  for (const [value, name, matches] of STATES) {
    const count = sessions.filter(matches).length;
    if ((count > 0 && count < sessions.length) || filter.chips.state.includes(value))
      chips.push({ group: 'state', value, name, count });
  }
  return chips;
}
