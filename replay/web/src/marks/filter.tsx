// Filter of a list's tags and notes, by author and by code.

import type { Act } from '../../gen/protocol/acts_pb';
import { isOwn, type Person } from '../net/identity';
import type { Mark } from './row';
import type { Coder } from './marks';

export interface MarkFilter {
  /** "": all authors; OWN; otherwise a principal, or a name if there is none. */
  author: string;
  /** "": all marks; NOTES; otherwise a code's id. */
  kind: string;
}

export const ALL_MARKS: MarkFilter = { author: '', kind: '' };

/* no name, principal or id begins with a space */
const OWN = ' you';
const NOTES = ' notes';

const authorOf = (act: Act) => act.principal || act.author;

export function fitsFilter({ author, kind }: MarkFilter, act: Act, person: Person): boolean {
  if (author && (author === OWN ? !isOwn(act, person) : authorOf(act) !== author)) return false;
  if (!kind) return true;
  return act.body.case === 'tag' ? act.body.value.code === kind : kind === NOTES;
}

/** The other authors by their newest names. */
function othersOf(marks: readonly Mark[], person: Person): Array<[string, string]> {
  const names = new Map<string, string>();
  for (const { act } of marks) if (!isOwn(act, person)) names.set(authorOf(act), act.author);
  return [...names].sort(([, a], [, b]) => a.localeCompare(b));
}

/** @param found  number of matching marks */
export function MarkFilterBar({
  coder,
  marks,
  filter,
  found,
  onFilter,
}: {
  coder: Coder;
  marks: readonly Mark[];
  filter: MarkFilter;
  found: number;
  onFilter: (filter: MarkFilter) => void;
}) {
  const used = new Set(marks.map(({ act }) => (act.body.case === 'tag' ? act.body.value.code : NOTES)));
  const codes = (coder.model.study?.codes ?? []).filter(({ id }) => used.has(id) || id === filter.kind);
  return (
    <div class="filter" role="search" aria-label="Filter tags and notes">
      <select
        id="filter-author"
        aria-label="Filter by author"
        value={filter.author}
        onChange={(event) => onFilter({ ...filter, author: event.currentTarget.value })}
      >
        <option value="">authors</option>
        <option value={OWN}>you</option>
        {othersOf(marks, coder.connection).map(([author, name]) => (
          <option key={author} value={author}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label="Filter by code"
        value={filter.kind}
        onChange={(event) => onFilter({ ...filter, kind: event.currentTarget.value })}
      >
        <option value="">codes</option>
        {codes.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
        <option value={NOTES}>notes</option>
      </select>
      <output class="found">{found === marks.length ? found : `${found} of ${marks.length}`}</output>
    </div>
  );
}
