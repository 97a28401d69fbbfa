// Which session do I open next, and what does the study say so far.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Metrics, OutsideTag, ServerMessage, SessionSummary, TaskMetrics } from '../gen/protocol/wire_pb';
import { SessionSummary_Health } from '../gen/protocol/wire_pb';
import { Connection } from './connection';
import { DeleteDialog } from './delete';
import { useEmitter } from './emitter';
import { clock, count, date } from './format';
import { type Axis, countAxis, Interval, Notice, rememberedName, SHARE_AXIS, StateBadge, timeAxis, TopBar } from './parts';
import { refusalText } from './reach';

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

/* of a session that cannot be read: the time in its id, in an unknown time zone */
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
  return { connection, sessions, trouble, list };
}

export function LibraryPage({ token }: { token: string }) {
  const { connection, sessions, trouble, list } = useLibrary(token);
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
            {refusalText(connection)}
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
                    {connection.isModerator && (
                      <th scope="col">
                        <span class="hidden">Delete</span>
                      </th>
                    )}
                  </tr>
                </thead>
                <tbody>
                  {shown.map((session) => (
                    <Row key={session.session} session={session} connection={connection} onDeleted={list} />
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

function Row({
  session,
  connection,
  onDeleted,
}: {
  session: SessionSummary;
  connection: Connection;
  onDeleted: () => void;
}) {
  const [deleting, setDeleting] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
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
        {session.consent && (
          <span class="pill" title={session.consent}>
            {session.withdrawn || !session.keptBack ? session.consent : 'not shown'}
          </span>
        )}
        {session.gaps > 0 && <span class="muted"> {count(session.gaps, 'gap', 'gaps')}</span>}
      </td>
      {connection.isModerator && (
        <td>
          <button
            type="button"
            ref={button}
            class="quiet small"
            disabled={session.health === SessionSummary_Health.RECORDING}
            aria-label={`Delete the session of ${name}`}
            onClick={() => setDeleting(true)}
          >
            Delete…
          </button>
          {deleting && (
            <DeleteDialog
              session={session}
              connection={connection}
              onDone={(deleted) => {
                setDeleting(false);
                if (deleted) onDeleted();
                else requestAnimationFrame(() => button.current?.focus());
              }}
            />
          )}
        </td>
      )}
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
  const times = timeAxis(tasks.map((task) => task.timeS));
  const counts = countAxis([...tasks, all].map((task) => task?.errorsEach));
  return (
    <section class="card study" aria-label={`Study ${study}`}>
      <div class="row wrap">
        <h2>{study}</h2>
        <span class="muted">
          {count(sessions.filter((session) => session.study === study).length, 'session', 'sessions')}
        </span>
        <span class="spring" />
        {metrics && (
          <label>
            Layer
            <select value={layer} onChange={(event) => setLayer(event.currentTarget.value)}>
              <option value="">as for this study: {layer === '' ? metrics.layer : 'the usual one'}</option>
              {metrics.layers.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {metrics && <p class="muted layer-reason">{layerReason(metrics)}</p>}
      {trouble && <Notice kind="error">{trouble}</Notice>}
      {all && (
        <div class="headline">
          <TaskNumbers task={all} counts={counts} />
        </div>
      )}
      <div class="taskgrid">
        {tasks.map((task) => (
          <article key={task.task} aria-label={task.title}>
            <h3>
              {task.title} <span class="muted">{taskSize(task)}</span>
            </h3>
            <TaskNumbers task={task} counts={counts} times={times} />
          </article>
        ))}
      </div>
      {metrics && metrics.outside.length > 0 && (
        <details class="outside">
          <summary>{count(metrics.outside.length, 'tag is', 'tags are')} outside of the numbers, or not where put</summary>
          <ul>
            {metrics.outside.map((tag) => (
              <li key={tag.session + tag.tag}>{outsideText(tag)}</li>
            ))}
          </ul>
        </details>
      )}
      {metrics && metrics.leftOut.length > 0 && (
        <details class="outside">
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

/** Which layer the numbers are of, why, and since when. */
function layerReason({ layer, layerReason: reason, layerAuthor: author, layerSinceNs: since }: Metrics): string {
  return `From the layer ${layer}: ${reason}${author ? ` by ${author}, ${date(since)}` : ''}.`;
}

function taskSize(task: TaskMetrics): string {
  const parts = [`${count(task.attempts, 'attempt', 'attempts')} of ${count(task.participants, 'participant', 'participants')}`];
  if (task.leftOut > 0) parts.push(`${task.leftOut} not counted`);
  if (task.timeLimitS > 0) parts.push(`time limit ${task.timeLimitS} s`);
  return parts.join(', ');
}

function outsideText({ session, atS, code, reason, counted }: OutsideTag): string {
  return `${session} at ${clock(BigInt(Math.round(atS * 1000)) * 1_000_000n, 1)}, ${code}: ${reason}${counted ? '' : '; not counted'}`;
}

/** Notes beside the times: the attempts that are not in them, and those that the limit ended. */
function timeNote(task: TaskMetrics): string {
  const completions = task.timeS?.n ?? 0;
  const notes = [];
  if (task.timeS?.defined && completions < task.attempts)
    notes.push(`completers only, ${completions} of ${task.attempts}: too short`);
  if (task.stopped > 0) {
    const median = task.timeCensoredS;
    notes.push(
      `${count(task.stopped, 'attempt was', 'attempts were')} stopped by the limit` +
        (median ? `, median with them ${median.defined ? `${median.value.toFixed(0)} s` : `not known: ${median.why}`}` : ''),
    );
  }
  return notes.join('; ');
}

function TaskNumbers({ task, counts, times }: { task: TaskMetrics; counts: Axis; times?: Axis }) {
  const others = [`${task.assisted?.x ?? 0} with assist`, `${task.abandoned?.x ?? 0} abandoned`].join(', ');
  const marks = task.errorMarks > task.errors ? `${task.errorMarks} marks of several observers are ${task.errors} errors` : '';
  const suffix = times ? '' : ', all tasks';
  return (
    <>
      <Interval label={`success${suffix}`} estimate={task.success} axis={SHARE_AXIS} of="attempts" note={others} />
      <Interval label="with an error" estimate={task.withError} axis={SHARE_AXIS} of="participants" />
      <Interval label="errors / participant" estimate={task.errorsEach} axis={counts} of="participants" note={marks} />
      <Interval
        label="errors / opportunity"
        estimate={task.errorRate}
        axis={SHARE_AXIS}
        of="opportunities met"
        note={[
          task.unplannedErrors > 0 && `${count(task.unplannedErrors, 'unplanned error', 'unplanned errors')} beside it`,
          task.notJudged > 0 && `${count(task.notJudged, 'error', 'errors')} not judged`,
        ]
          .filter(Boolean)
          .join('; ')}
      />
      {times && <Interval label="time" estimate={task.timeS} axis={times} of="completions" note={timeNote(task)} />}
    </>
  );
}
