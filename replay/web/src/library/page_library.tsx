// The library: list of sessions, and the metrics of each study.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  type ServerMessage,
  type SessionSummary,
  type Status,
  Status_State as State,
  type StudyEntry,
} from '../../gen/protocol/wire_pb';
import { useEmitter } from '../base/emitter';
import { clock, count } from '../base/format';
import { useKeys } from '../base/keys';
import { Connection } from '../net/connection';
import { Notice, rememberedName, StateBadge, TopBar } from '../parts/parts';
import { PrintHead } from '../parts/print_head';
import { connectionWords, refusalText } from '../session/reach';
import {
  chipsOf,
  cleared,
  COLUMNS,
  type Column,
  type Filter,
  filtered,
  filterWords,
  isFiltered,
  loadFilter,
  saveFilter,
  sortedBy,
  toggled,
} from './filter';
import { SessionTable } from './table';
import type { Tell } from './row_menu';
import type { Outcome } from './session_actions';
import { OtherStudies, StudyPanel } from './study_panel';

const LIST_AGAIN_MS = 15000;

/** Keeps the list current: newest sessions appear while the rest of the first list is still loading. */
class Lister {
  #asking = false;
  #again = false;
  #first = true;

  constructor(
    private connection: () => Connection,
    private show: (sessions: SessionSummary[], whole: boolean) => void,
    private fail: (reason: string) => void,
  ) {}

  list = async (): Promise<void> => {
    this.#again = this.#asking;
    if (this.#asking) return;
    this.#asking = true;
    const listed: SessionSummary[] = [];
    const addPart = ({ body }: ServerMessage) => {
      if (body.case !== 'sessionList') return false;
      for (const session of body.value.sessions) listed.push(session);
      if (this.#first && body.value.more) this.show([...listed], false);
      return body.value.more;
    };
    try {
      await this.connection().request({ case: 'listSessions', value: { parts: true } }, { isPart: addPart });
      this.#first = false;
      this.show(listed, true);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
    this.#asking = false;
    if (this.#again) void this.list();
  };
}

function useLibrary(token: string) {
  const [{ sessions, whole }, setListed] = useState<{ sessions?: SessionSummary[]; whole: boolean }>({ whole: false });
  const [trouble, setTrouble] = useState('');
  const [status, setStatus] = useState<Status>();
  const [entries, setEntries] = useState<StudyEntry[]>();
  const [connection, list] = useMemo(() => {
    const lister = new Lister(
      () => created,
      (listed, all) => {
        setListed({ sessions: listed, whole: all });
        setTrouble('');
      },
      setTrouble,
    );
    const opened = () => {
      void lister.list();
      void created.request({ case: 'getStatus', value: {} }).then(take, () => undefined);
      if (created.isModerator) void created.request({ case: 'listStudies', value: {} }).then(take, () => undefined);
    };
    let session = '';
    const take = ({ body }: ServerMessage) => {
      if (body.case === 'studyList') setEntries(body.value.studies);
      if (body.case !== 'status') return;
      setStatus(body.value);
      /* a session began or ended */
      if (body.value.session !== session) void lister.list();
      session = body.value.session;
    };
    const created: Connection = new Connection(token, rememberedName('reviewer'), {
      opened,
      message: () => undefined,
      server: take,
    });
    return [created, lister.list] as const;
  }, [token]);
  useEffect(() => {
    const again = () => {
      if (!document.hidden && connection.state === 'open') void list();
    };
    const timer = setInterval(again, LIST_AGAIN_MS);
    window.addEventListener('focus', again);
    return () => {
      clearInterval(timer);
      window.removeEventListener('focus', again);
      connection.close();
    };
  }, [connection, list]);
  return { connection, sessions, whole, trouble, list, status, entries };
}

export function LibraryPage({ token }: { token: string }) {
  const { connection, sessions, whole, trouble, list, status, entries } = useLibrary(token);
  useEmitter(connection);
  const [filter, setFilter] = useFilter();
  const [done, setDone] = useState<Outcome | { trouble: string }>();
  const shown = useMemo(() => filtered(sessions ?? [], filter), [sessions, filter]);
  const studies = useMemo(() => byStudy(sessions ?? []), [sessions]);
  const tell: Tell = (outcome) => {
    setDone(outcome);
    void list();
  };
  const mayStart = connection.isModerator && connection.welcome?.recorder === true;
  return (
    <div class="page library">
      <TopBar>
        <h1>Library</h1>
        <span class="spring" />
        {connection.state !== 'open' && <StateBadge state={connection.state} label={connectionWords(connection)} />}
      </TopBar>
      <main class="sheet">
        {connection.state === 'refused' && (
          <Notice kind="error">{refusalText(connection)}</Notice>
        )}
        {trouble && <Notice kind="error">{trouble}</Notice>}
        <Running status={status} connection={connection} sessions={sessions} />
        {!sessions && connection.state === 'open' && !trouble && (
          <p class="muted" role="status">
            Loading sessions…
          </p>
        )}
        {sessions?.length === 0 && whole && <NoSession mayStart={mayStart} />}
        {sessions && sessions.length > 0 && (
          <Sessions
            sessions={sessions}
            shown={shown}
            whole={whole}
            connection={connection}
            mayStart={mayStart && !status?.session}
            filter={filter}
            onFilter={setFilter}
            onDone={tell}
          />
        )}
        {sessions && sessions.length > 0 && (
          <section class="studies" aria-label="Studies">
            {studies.size === 0 && <p class="card empty">No metrics: no session belongs to a study.</p>}
            {[...studies].map(([study, ofStudy]) => (
              <StudyPanel
                key={study}
                study={study}
                connection={connection}
                sessions={ofStudy}
                studies={studies.size}
              />
            ))}
          </section>
        )}
        {connection.isModerator && whole && entries && <OtherStudies entries={entries} used={studies} />}
      </main>
      <Done done={done} onDone={tell} onClose={() => setDone(undefined)} />
    </div>
  );
}

/** Sessions by study, that of the newest session first. */
function byStudy(sessions: SessionSummary[]): Map<string, SessionSummary[]> {
  const studies = new Map<string, SessionSummary[]>();
  for (const session of sessions) {
    const known = studies.get(session.study);
    if (known) known.push(session);
    else if (session.study) studies.set(session.study, [session]);
  }
  return studies;
}

function useFilter() {
  const [filter, setFilter] = useState(loadFilter);
  const set = (next: Filter) => {
    setFilter(next);
    saveFilter(next);
  };
  return [filter, set] as const;
}

/* ---- the running session ---- */

const STATES = new Map([
  [State.RECORDING, ['live', 'Recording']],
  [State.PAUSED, ['paused', 'Paused']],
  [State.ENDING, ['waiting', 'Ended, waiting for disk space']],
]);

/** The session running on this recorder, on top, with its state while known. */
function Running({
  status,
  connection,
  sessions,
}: {
  status: Status | undefined;
  connection: Connection;
  sessions: SessionSummary[] | undefined;
}) {
  const [, tick] = useState(0);
  const running = status?.session ? status : undefined;
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [running?.session]);
  if (!running) return null;
  const known = connection.state === 'open';
  const [state, label] = (known && STATES.get(running.state)) || ['waiting', 'Unknown: no connection'];
  const now = connection.sessionNowNs() || running.nowNs;
  const segment = sessions?.find(({ session }) => session === running.session)?.segment;
  const task = running.study?.tasks.find(({ id }) => id === running.task);
  return (
    <section class="card running" aria-label="Running session">
      <StateBadge state={state ?? 'waiting'} label={label ?? ''} />
      <b class="who">{[running.participant, segment].filter(Boolean).join(', ')}</b>
      <span class="muted">{running.studyName}</span>
      {known && now > running.startedNs && <span class="figure">{clock(now - running.startedNs)}</span>}
      {task && <span class="muted">{task.title}</span>}
      <span class="spring" />
      {connection.isModerator ? (
        <>
          <a class="button primary" href="moderate">
            Moderate
          </a>
          <a class="button" href="live">
            Watch
          </a>
        </>
      ) : (
        <a class="button" href={`replay?session=${running.session}`}>
          Open the recording so far
        </a>
      )}
    </section>
  );
}

/* ---- the sessions ---- */

function NoSession({ mayStart }: { mayStart: boolean }) {
  return (
    <section class="card first">
      <h2>No session yet</h2>
      <p>
        Start one on the moderator’s page, or with <code>uxrec start</code>; it appears here
        as soon as it begins.
      </p>
      {mayStart && (
        <a class="button primary" href="moderate">
          New session
        </a>
      )}
    </section>
  );
}

function Sessions({
  sessions,
  shown,
  whole,
  connection,
  mayStart,
  filter,
  onFilter,
  onDone,
}: {
  sessions: SessionSummary[];
  /** Those that match the filter. */
  shown: SessionSummary[];
  /** False while more are being read. */
  whole: boolean;
  connection: Connection;
  mayStart: boolean;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  onDone: Tell;
}) {
  return (
    <section class="sessions" aria-labelledby="sessions-title">
      <PrintHead title="sessions" lines={[printLine(shown.length, sessions.length, filter)]} />
      <div class="row wrap">
        <h2 id="sessions-title">Sessions</h2>
        <span class="muted" role="status">
          {isFiltered(filter) ? `${shown.length} of ${count(sessions.length, 'session', 'sessions')}` : count(sessions.length, 'session', 'sessions')}
          {!whole && ', loading more…'}
        </span>
        <span class="spring" />
        {mayStart && (
          <a class="button primary" href="moderate">
            New session
          </a>
        )}
        <FilterField filter={filter} onFilter={onFilter} />
      </div>
      <Chips sessions={sessions} filter={filter} onFilter={onFilter} />
      {shown.length > 0 ? (
        <SessionTable
          sessions={shown}
          all={sessions}
          filter={filter}
          connection={connection}
          onSort={(column) => onFilter(sortedBy(filter, column))}
          onDone={onDone}
        />
      ) : (
        <p class="card empty" role="status">
          No session matches {filterWords(filter)}.{' '}
          <button type="button" class="link" onClick={() => onFilter(cleared(filter))}>
            Clear the filter
          </button>
        </p>
      )}
    </section>
  );
}

/* ---- filter ---- */

function FilterField({ filter, onFilter }: { filter: Filter; onFilter: (filter: Filter) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => field.current?.focus() });
  return (
    <>
      <label class="sortby">
        Sort
        <select
          value={`${filter.sort}.${filter.down}`}
          onChange={(event) => {
            const [sort, down] = event.currentTarget.value.split('.');
            onFilter({ ...filter, sort: sort as Column, down: down === 'true' });
          }}
        >
          {COLUMNS.flatMap(([column, title]) =>
            [false, true].map((down) => (
              <option key={`${column}.${down}`} value={`${column}.${down}`}>
                {title} {down ? '↓' : '↑'}
              </option>
            )),
          )}
        </select>
      </label>
      <input
        type="search"
        ref={field}
        placeholder="Filter ( / )"
        aria-label="Filter the sessions"
        aria-keyshortcuts="/"
        value={filter.text}
        onInput={(event) => onFilter({ ...filter, text: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || !filter.text) return;
          event.preventDefault();
          onFilter({ ...filter, text: '' });
        }}
      />
    </>
  );
}

function Chips({
  sessions,
  filter,
  onFilter,
}: {
  sessions: SessionSummary[];
  filter: Filter;
  onFilter: (filter: Filter) => void;
}) {
  const chips = useMemo(() => chipsOf(sessions, filter), [sessions, filter.chips]); // not for each key
  if (chips.length === 0) return null;
  return (
    <div class="filters" role="group" aria-label="Show only">
      {chips.map(({ group, value, name, count: n }) => (
        <button
          key={`${group} ${value}`}
          type="button"
          class="small filter"
          aria-pressed={filter.chips[group].includes(value)}
          onClick={() => onFilter(toggled(filter, group, value))}
        >
          <span class="name">{name}</span> <span class="muted">{n}</span>
          <span class="hidden"> {n === 1 ? 'session' : 'sessions'}</span>
        </button>
      ))}
      {isFiltered(filter) && (
        <button type="button" class="link small" onClick={() => onFilter(cleared(filter))}>
          Clear
        </button>
      )}
    </div>
  );
}

/* ---- the last action ---- */

/** Result of the last action, with undo; stays until closed. */
function Done({ done, onDone, onClose }: { done: Outcome | { trouble: string } | undefined; onDone: Tell; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const undo = done && 'undo' in done ? done.undo : undefined;
  return (
    <div class="done" role="status">
      {done && (
        <div class={'trouble' in done ? 'notice error' : 'notice'}>
          <span>{'trouble' in done ? `Not done: ${done.trouble}` : done.text}</span>
          {undo && (
            <button
              type="button"
              class="small"
              disabled={busy}
              onClick={() => {
                setBusy(true);
                void undo()
                  .then(onDone, (error: Error) => onDone({ trouble: error.message }))
                  .finally(() => setBusy(false));
              }}
            >
              Undo
            </button>
          )}
          <button type="button" class="quiet small" aria-label="Close this message" onClick={onClose}>
            <span aria-hidden="true">✕</span>
          </button>
        </div>
      )}
    </div>
  );
}

/* ---- print ---- */

const printLine = (shown: number, all: number, filter: Filter) =>
  [
    shown === all ? count(all, 'session', 'sessions') : `${shown} of ${count(all, 'session', 'sessions')}: ${filterWords(filter)}`,
    `by ${COLUMNS.find(([column]) => column === filter.sort)?.[1].toLowerCase() ?? ''}, ${filter.down ? 'descending' : 'ascending'}`,
    'tags and tasks of all layers; metrics of a study from the layer named beside them',
  ].join('; ');
