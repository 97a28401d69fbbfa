// Which session do I open next, and what does the study say so far.

import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Metrics, ServerMessage, SessionSummary, TaskMetrics } from '../gen/protocol/wire_pb';
import { SessionSummary_Health } from '../gen/protocol/wire_pb';
import { Connection } from './connection';
import { useEmitter } from './emitter';
import { clock, count, date } from './format';
import { Interval, Notice, rememberedName, StateBadge, TopBar } from './parts';

type Column = 'participant' | 'study' | 'date' | 'length' | 'tasks' | 'tags' | 'health';

const COLUMNS: ReadonlyArray<[Column, string]> = [
  ['participant', 'Participant'],
  ['study', 'Study'],
  ['date', 'Date'],
  ['length', 'Length'],
  ['tasks', 'Tasks'],
  ['tags', 'Tags'],
  ['health', 'Health'],
];

const HEALTH = new Map<SessionSummary_Health, [string, string]>([
  [SessionSummary_Health.RECORDING, ['recording', 'recording']],
  [SessionSummary_Health.WHOLE, ['whole', 'whole']],
  [SessionSummary_Health.UNFINISHED, ['warning', 'unfinished']],
  [SessionSummary_Health.DAMAGED, ['bad', 'damaged']],
  [SessionSummary_Health.UNREADABLE, ['bad', 'unreadable']],
]);

/* of a session that cannot be read: the time in its id, of whatever zone */
function timeOfId(id: string): bigint {
  const [year, month, day, hour, minute, second] = (/^(....)(..)(..)-(..)(..)(..)/.exec(id) ?? []).slice(1).map(Number);
  return BigInt(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) || 0) * 1_000_000n;
}

const SORTS: Record<Column, (session: SessionSummary) => string | number | bigint> = {
  participant: (session) => session.participants.join(),
  study: (session) => session.study,
  date: (session) => session.beginNs || timeOfId(session.session),
  length: (session) => Number(session.endNs - session.beginNs),
  tasks: (session) => session.attempts,
  tags: (session) => session.tags,
  health: (session) => session.health,
};

const LIST_AGAIN_MS = 15000;

function useLibrary(token: string) {
  const [sessions, setSessions] = useState<SessionSummary[]>();
  const [trouble, setTrouble] = useState('');
  const [connection, list] = useMemo(() => {
    let asking = false;
    const fetchList = () => {
      if (asking) return;
      asking = true;
      const listed: SessionSummary[] = [];
      const addPart = ({ body }: ServerMessage) => {
        if (body.case !== 'sessionList') return false;
        for (const session of body.value.sessions) listed.push(session);
        return body.value.more;
      };
      void created
        .request({ case: 'listSessions', value: { parts: true } }, addPart)
        .then(
          () => {
            setSessions(listed);
            setTrouble('');
          },
          (error: Error) => setTrouble(error.message),
        )
        .finally(() => {
          asking = false;
        });
    };
    const created: Connection = new Connection(token, rememberedName('reviewer'), {
      opened: fetchList,
      message: () => undefined,
      server: () => undefined,
    });
    return [created, fetchList] as const;
  }, [token]);
  useEffect(() => {
    /* a session that begins or ends meanwhile shows up, while somebody looks */
    const again = () => {
      if (!document.hidden && connection.state === 'open') list();
    };
    const timer = setInterval(again, LIST_AGAIN_MS);
    window.addEventListener('focus', again);
    return () => {
      clearInterval(timer);
      window.removeEventListener('focus', again);
      connection.close();
    };
  }, [connection, list]);
  return { connection, sessions, trouble };
}

export function LibraryPage({ token }: { token: string }) {
  const { connection, sessions, trouble } = useLibrary(token);
  useEmitter(connection);
  const [sort, setSort] = useState<Column>('date');
  const [down, setDown] = useState(true);
  const [filter, setFilter] = useState('');
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    const value = SORTS[sort];
    return (sessions ?? [])
      .filter((session) =>
        [session.session, session.study, ...session.participants].some((text) =>
          text.toLowerCase().includes(wanted),
        ),
      )
      .sort((a, b) => {
        const x = value(a);
        const y = value(b);
        const order = x < y ? -1 : x > y ? 1 : a.session < b.session ? -1 : 1;
        return down ? -order : order;
      });
  }, [sessions, sort, down, filter]);
  const studies = useMemo(() => [...new Set((sessions ?? []).map((session) => session.study))].filter(Boolean), [sessions]);
  return (
    <div class="page library">
      <TopBar>
        <h1>Library</h1>
        <span class="spring" />
        {connection.state !== 'open' && <StateBadge state={connection.state} label={connection.state} />}
      </TopBar>
      <main class="sheet">
        {connection.state === 'refused' && (
          <Notice kind="error">
            This link is not valid any more: the program that served it was started again. Take the
            link it prints now.
          </Notice>
        )}
        {trouble && <Notice kind="error">{trouble}</Notice>}
        {sessions?.length === 0 && (
          <section class="card first">
            <h2>No session yet</h2>
            <p>
              Start one on the moderator’s page, or with <code>uxrec start</code>; it appears here
              as soon as it begins.
            </p>
            {connection.isModerator && (
              <a class="button primary" href="moderate">
                To the moderator’s page
              </a>
            )}
          </section>
        )}
        {studies.map((study) => (
          <StudyPanel key={study} study={study} connection={connection} sessions={sessions ?? []} />
        ))}
        {sessions && sessions.length > 0 && (
          <section aria-labelledby="sessions-title">
            <div class="row">
              <h2 id="sessions-title">Sessions</h2>
              <span class="muted">{count(shown.length, 'session', 'sessions')}</span>
              <span class="spring" />
              <input
                type="search"
                placeholder="Filter"
                aria-label="Filter the sessions"
                value={filter}
                onInput={(event) => setFilter(event.currentTarget.value)}
              />
            </div>
            <div class="scroll" tabIndex={0} role="region" aria-label="Table of sessions">
              <table>
                <thead>
                  <tr>
                    {COLUMNS.map(([column, title]) => (
                      <th
                        key={column}
                        scope="col"
                        class={`col-${column}`}
                        aria-sort={sort === column ? (down ? 'descending' : 'ascending') : 'none'}
                      >
                        <button
                          type="button"
                          class="link"
                          onClick={() => {
                            setDown(sort === column ? !down : column !== 'participant' && column !== 'study');
                            setSort(column);
                          }}
                        >
                          {title}
                          <span aria-hidden="true">{sort === column ? (down ? ' ↓' : ' ↑') : ''}</span>
                        </button>
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {shown.map((session) => (
                    <Row key={session.session} session={session} />
                  ))}
                </tbody>
              </table>
            </div>
          </section>
        )}
      </main>
    </div>
  );
}

function Row({ session }: { session: SessionSummary }) {
  const [health, healthName] = HEALTH.get(session.health) ?? ['bad', 'unknown'];
  const readable = session.health !== SessionSummary_Health.UNREADABLE;
  const name = session.participants.join(', ') || session.session;
  return (
    <tr>
      <th scope="row">
        {readable ? (
          <a href={`replay?session=${session.session}`} data-session={session.session}>
            {name}
          </a>
        ) : (
          name
        )}
        {session.pilot && <span class="pill">pilot</span>}
        {session.excluded && <span class="pill">excluded</span>}
      </th>
      <td>{session.study || '–'}</td>
      <td class="figure">{session.beginNs ? date(session.beginNs) : '–'}</td>
      <td class="figure col-length">{session.beginNs ? clock(session.endNs - session.beginNs) : '–'}</td>
      <td class="figure col-tasks">
        {session.attempts ? `${session.completed}/${session.attempts} done` : '–'}
      </td>
      <td class="figure col-tags" title={session.layers.join(', ')}>
        {session.tags || '–'}
      </td>
      <td>
        <span class={`health ${health}`} title={session.trouble}>
          {healthName}
        </span>
        {session.gaps > 0 && <span class="muted"> {count(session.gaps, 'gap', 'gaps')}</span>}
      </td>
    </tr>
  );
}

/* ---- a study over its sessions ---- */

function StudyPanel({
  study,
  connection,
  sessions,
}: {
  study: string;
  connection: Connection;
  sessions: SessionSummary[];
}) {
  const [metrics, setMetrics] = useState<Metrics>();
  const [layer, setLayer] = useState('');
  const [trouble, setTrouble] = useState('');
  const open = connection.state === 'open';
  /* numbers change with what was said, not with every second of a running session */
  const said = sessions.map((one) => [one.session, one.tags, one.attempts, one.health].join()).join();
  useEffect(() => {
    if (!open) return;
    connection.request({ case: 'getMetrics', value: { study, layer } }).then(
      (answer) => {
        if (answer.body.case === 'metrics') setMetrics(answer.body.value);
        setTrouble('');
      },
      (error: Error) => setTrouble(error.message),
    );
  }, [study, layer, open, said]);
  const tasks = metrics?.tasks.filter((task) => task.task !== '') ?? [];
  const all = metrics?.tasks.find((task) => task.task === '');
  const longest = Math.max(1, ...tasks.map((task) => task.timeS?.high || task.timeS?.value || 0));
  return (
    <section class="card study" aria-label={`Study ${study}`}>
      <div class="row">
        <h2>{study}</h2>
        <span class="muted">
          {count(sessions.filter((session) => session.study === study).length, 'session', 'sessions')}
        </span>
        <span class="spring" />
        {metrics && (
          <label>
            Layer
            <select value={layer} onChange={(event) => setLayer(event.currentTarget.value)}>
              <option value="">chosen: {metrics.layer}</option>
              {metrics.layers.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {trouble && <Notice kind="error">{trouble}</Notice>}
      {all && <AllTasks task={all} />}
      <div class="taskgrid">
        {tasks.map((task) => (
          <article key={task.task} aria-label={task.title}>
            <h3>
              {task.title} <span class="muted">{count(task.attempts, 'attempt', 'attempts')}</span>
              {task.leftOut > 0 && <span class="muted">, {task.leftOut} not counted</span>}
            </h3>
            <Interval label="success" estimate={task.success} scale={[0, 1]} />
            <Interval label="with an error" estimate={task.withError} scale={[0, 1]} />
            <Interval label="errors / opportunity" estimate={task.errorRate} scale={[0, 1]} />
            <Interval
              label="time"
              estimate={task.timeS}
              scale={[0, longest]}
              format={(value) => `${value.toFixed(value < 10 ? 1 : 0)} s`}
            />
          </article>
        ))}
      </div>
      {metrics && metrics.leftOut.length > 0 && (
        <details>
          <summary>{count(metrics.leftOut.length, 'session is', 'sessions are')} not counted</summary>
          <ul>
            {metrics.leftOut.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function AllTasks({ task }: { task: TaskMetrics }) {
  return (
    <div class="headline">
      <Interval label="success, all tasks" estimate={task.success} scale={[0, 1]} />
      <Interval label="errors / opportunity" estimate={task.errorRate} scale={[0, 1]} />
      <Interval
        label="errors / participant"
        estimate={task.errorsEach}
        scale={[0, Math.max(1, task.errorsEach?.high ?? 1, task.errorsEach?.value ?? 1)]}
        format={(value) => value.toFixed(1)}
      />
    </div>
  );
}
