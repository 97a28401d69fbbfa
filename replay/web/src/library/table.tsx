// Table of sessions: one row each, or cards where columns do not fit.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type SessionSummary, SessionSummary_Health as Health } from '../../gen/protocol/wire_pb';
import { clock, date } from '../base/format';
import type { Connection } from '../net/connection';
import { type Column, COLUMNS, type Filter } from './filter';
import { RowMenu, type Tell } from './row_menu';
import { codersOf, healthWords, lossWords, takenOutWords } from './session_words';

/* number of initial rows, and of rows added near the end */
const ROWS = 100;
const MORE_ROWS = 200;

/** Number of rendered rows: grows while scrolling, unlimited for printing. */
function useRows(filter: Filter) {
  const [rows, setRows] = useState(ROWS);
  useLayoutEffect(() => setRows(ROWS), [filter]);
  useEffect(() => {
    const all = () => setRows(Number.POSITIVE_INFINITY);
    window.addEventListener('beforeprint', all);
    return () => window.removeEventListener('beforeprint', all);
  }, []);
  return { rows, more: () => setRows((now) => now + MORE_ROWS) };
}

/** End of the rows; asks for more when it comes near. */
function RowsEnd({ rows, of, onNear }: { rows: number; of: number; onNear: () => void }) {
  const end = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) onNear();
      },
      { rootMargin: '1200px' },
    );
    if (end.current) observer.observe(end.current);
    return () => observer.disconnect();
  }, []);
  return (
    <p ref={end} class="muted rowsend">
      {rows} of {of} shown; scroll for more.
    </p>
  );
}

/* right-aligned columns of figures, with their titles above */
const NUMBERS: readonly Column[] = ['length', 'tasks', 'tags'];

const directionOf = ({ sort, down }: Filter, column: Column) => (sort !== column ? '' : down ? '↓' : '↑');

/** Column title with its sort direction, which does not move the title. */
function Title({ column, title, filter }: { column: Column; title: string; filter: Filter }) {
  const direction = directionOf(filter, column);
  if (!direction) return <>{title}</>;
  const isBefore = NUMBERS.includes(column);
  return (
    <>
      {isBefore && <span aria-hidden="true">{direction}&nbsp;</span>}
      {title}
      {!isBefore && <span aria-hidden="true">&nbsp;{direction}</span>}
    </>
  );
}

export function SessionTable({
  sessions,
  all,
  filter,
  connection,
  onSort,
  onDone,
}: {
  sessions: SessionSummary[];
  all: SessionSummary[];
  filter: Filter;
  connection: Connection;
  onSort: (column: Column) => void;
  onDone: Tell;
}) {
  const { rows, more } = useRows(filter);
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of sessions">
        <table role="table">
          <colgroup>
            {COLUMNS.map(([column]) => (
              <col key={column} class={`wide-${column}`} />
            ))}
            <col class="wide-actions" />
          </colgroup>
          <thead role="rowgroup">
            <tr role="row">
              {COLUMNS.map(([column, title]) => (
                <th
                  key={column}
                  role="columnheader"
                  scope="col"
                  class={`col-${column}`}
                  aria-sort={filter.sort === column ? (filter.down ? 'descending' : 'ascending') : 'none'}
                >
                  <button type="button" class="link" onClick={() => onSort(column)}>
                    <span>
                      <Title column={column} title={title} filter={filter} />
                    </span>
                  </button>
                  {/* Chromium repeats no table head that contains a control */}
                  <span class="onpaper" aria-hidden="true">
                    <Title column={column} title={title} filter={filter} />
                  </span>
                </th>
              ))}
              <th role="columnheader" scope="col" class="col-actions">
                <span class="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {sessions.slice(0, rows).map((session) => (
              <Row key={session.session} session={session} all={all} connection={connection} onDone={onDone} />
            ))}
          </tbody>
        </table>
      </div>
      {sessions.length > rows && <RowsEnd key={rows} rows={rows} of={sessions.length} onNear={more} />}
    </>
  );
}

function Row({
  session,
  all,
  connection,
  onDone,
}: {
  session: SessionSummary;
  all: SessionSummary[];
  connection: Connection;
  onDone: Tell;
}) {
  const readable = session.health !== Health.UNREADABLE;
  const name = session.participants.join(', ') || session.session;
  const length = session.beginNs ? clock(session.endNs - session.beginNs) : '';
  const health = healthWords(session);
  return (
    <tr role="row">
      <th role="rowheader" scope="row" class="col-participant">
        {readable ? (
          <a href={`replay?session=${session.session}`} data-session={session.session} title={name.length > LONG ? name : undefined}>
            {name}
          </a>
        ) : (
          name
        )}
        {session.pilot && <span class="pill">pilot</span>}
        {session.excluded && (
          <span class="pill">excluded{session.excludedReason && `: ${session.excludedReason}`}</span>
        )}
      </th>
      <Cell column="segment" isLong={session.segment.length > LONG}>
        {session.segment}
      </Cell>
      <Cell column="study" isLong={session.study.length > LONG}>
        {session.study}
      </Cell>
      <Cell column="date">{session.beginNs ? dateWithTime(session.beginNs) : ''}</Cell>
      <Cell column="length">{length}</Cell>
      <Cell column="tasks">{session.attempts ? `${session.completed}/${session.attempts}` : ''}</Cell>
      <Cell column="tags">{session.tags ? String(session.tags) : ''}</Cell>
      <td role="cell" class="col-coding" data-label="Coding">
        <Coders session={session} />
      </td>
      <td role="cell" class="col-lost" data-label="Lost time">
        {lossWords(session) || '–'}
        {takenOutWords(session) && <span class="muted line">{takenOutWords(session)}</span>}
      </td>
      <td role="cell" class="col-health" data-label="Health">
        <span class={`health ${health.kind}`}>{health.name}</span>{' '}
        {session.consent && (
          <span class="pill">{session.withdrawn || !session.keptBack ? session.consent : 'not shown'}</span>
        )}
        {health.detail && <span class="muted line">{health.detail}</span>}
        {session.keptBack && !session.withdrawn && <span class="muted line">{session.consent}</span>}
      </td>
      <td role="cell" class="col-actions">
        <RowMenu session={session} sessions={all} connection={connection} onDone={onDone} />
      </td>
    </tr>
  );
}

/* in a narrow column the line breaks before the UTC offset */
const dateWithTime = (ns: bigint) => date(ns).replace(' ', '\u00a0');

/* minimum length in characters of a text that may exceed three lines: the title attribute has the full text */
const LONG = 40;

/* an empty cell has a dash, which a card omits */
function Cell({ column, isLong = false, children }: { column: Column; isLong?: boolean; children: string }) {
  const label = COLUMNS.find(([one]) => one === column)?.[1];
  return (
    <td role="cell" class={`col-${column}${children ? '' : ' none'}`} data-label={label}>
      {isLong ? (
        <span class="long" title={children}>
          {children}
        </span>
      ) : (
        children || '–'
      )}
    </td>
  );
}

/** Coders with their number of marks and state: finished or, if not stated, time of the last act. */
function Coders({ session }: { session: SessionSummary }) {
  const coders = codersOf(session);
  if (coders.length === 0) return <>–</>;
  return (
    <ul>
      {coders.map(({ name, live, tags, finished, changedNs }) => (
        <li key={name}>
          <span class="coder">{name}</span> {tags}
          {!live && (
            <span class={finished ? 'health whole' : 'muted'}>
              {finished ? ' finished' : changedNs ? ` not finished, last ${date(changedNs).slice(5, 16)}` : ' not finished'}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
