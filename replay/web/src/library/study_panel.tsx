// Metrics of a study over its sessions: three headline figures with their intervals, then task by task.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Metrics, OutsideTag, SessionSummary, StudyEntry, TaskMetrics } from '../../gen/protocol/wire_pb';
import { clock, count, date } from '../base/format';
import type { Connection } from '../net/connection';
import { type Axis, countAxis, Interval, Notice, SHARE_AXIS, timeAxis } from '../parts/parts';
import { PrintHead } from '../parts/print_head';

/* above these, the metrics take the recorder seconds: requested only when the panel is opened */
const OPEN_SESSIONS = 100;
const OPEN_STUDIES = 3;

const openKey = (study: string) => `uxrec.study.open.${study}`;

function rememberedOpen(study: string): boolean | undefined {
  try {
    const text = localStorage.getItem(openKey(study));
    return text === null ? undefined : text === 'yes';
  } catch {
    return undefined;
  }
}

function rememberOpen(study: string, open: boolean): void {
  try {
    localStorage.setItem(openKey(study), open ? 'yes' : 'no');
  } catch {
    /* opens by default the next time */
  }
}

const numbersOf = (one: SessionSummary) =>
  [one.session, one.tags, one.attempts, one.completed, one.health, one.pilot, one.excluded, one.participants].join();

/** Metrics of a study in one layer; requested again after changes of its acts. */
function useMetrics(connection: Connection, study: string, layer: string, wanted: boolean, sessions: SessionSummary[]) {
  const [metrics, setMetrics] = useState<Metrics>();
  const [trouble, setTrouble] = useState('');
  /* of a computation in progress, 0 to 1 */
  const [share, setShare] = useState(0);
  /* not every second of a running session */
  const version = useMemo(() => sessions.map(numbersOf).join(), [sessions]);
  useEffect(() => {
    if (!wanted) return undefined;
    let isNewest = true;
    const newer = new AbortController();
    setShare(0);
    connection.request({ case: 'getMetrics', value: { study, layer } }, { progress: setShare, signal: newer.signal }).then(
      (answer) => {
        if (!isNewest) return;
        if (answer.body.case === 'metrics') setMetrics(answer.body.value);
        setTrouble('');
      },
      (error: Error) => isNewest && setTrouble(error.message),
    );
    return () => {
      isNewest = false;
      newer.abort();
    };
  }, [study, layer, wanted, version]);
  return { metrics, trouble, share };
}

export function StudyPanel({
  study,
  connection,
  sessions,
  studies,
}: {
  study: string;
  connection: Connection;
  /** Sessions of this study. */
  sessions: SessionSummary[];
  /** Number of studies in the library. */
  studies: number;
}) {
  const [open, setOpen] = useState(
    () => rememberedOpen(study) ?? (sessions.length <= OPEN_SESSIONS && studies <= OPEN_STUDIES),
  );
  const details = useRef<HTMLDetailsElement>(null);
  const [layer, setLayer] = useState('');
  const { metrics, trouble, share } = useMetrics(connection, study, layer, open && connection.state === 'open', sessions);
  /* print a single study: the rest of the page is left out */
  const print = () => {
    const { dataset } = document.documentElement;
    const panel = details.current?.dataset;
    if (!panel) return;
    dataset.print = panel.printed = 'study';
    window.addEventListener(
      'afterprint',
      () => {
        delete dataset.print;
        delete panel.printed;
      },
      { once: true },
    );
    window.print();
  };
  return (
    <details
      ref={details}
      class="card study"
      open={open}
      onToggle={(event) => {
        const now = event.currentTarget.open;
        if (now === open) return;
        setOpen(now);
        rememberOpen(study, now);
      }}
    >
      <summary>
        <h2>{study}</h2>
        <span class="muted">{count(sessions.length, 'session', 'sessions')}</span>
      </summary>
      <PrintHead title={`study ${study}`} />
      {open && (
        <div class="row wrap controls">
          {metrics && (
            <label>
              Layer
              <select value={layer} onChange={(event) => setLayer(event.currentTarget.value)}>
                <option value="">study default{layer === '' && `: ${metrics.layer}`}</option>
                {metrics.layers.map((name) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
          <span class="spring" />
          <button type="button" class="small" onClick={print}>
            Print this study…
          </button>
        </div>
      )}
      {open && !metrics && !trouble && <p class="muted">Computing metrics…{share > 0 && ` ${Math.floor(100 * share)} %`}</p>}
      {trouble && <Notice kind="error">No metrics: {trouble}</Notice>}
      {metrics && <Numbers metrics={metrics} />}
    </details>
  );
}

function Numbers({ metrics }: { metrics: Metrics }) {
  const tasks = metrics.tasks.filter((task) => task.task !== '');
  const all = metrics.tasks.find((task) => task.task === '');
  const times = timeAxis(tasks.map((task) => task.timeS));
  const counts = countAxis([...tasks, all].map((task) => task?.errorsEach));
  return (
    <>
      <p class="muted layer-reason">{layerReason(metrics)}</p>
      {metrics.attempts.length === 0 && <p class="empty">No metrics yet: no counted session has an attempt.</p>}
      {all && metrics.attempts.length > 0 && (
        <div class="headline">
          <Headline task={all} counts={counts} times={times} />
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
      {metrics.outside.length > 0 && (
        <details class="outside">
          <summary>{count(metrics.outside.length, 'tag', 'tags')} not counted, or counted as unplanned errors</summary>
          <ul>
            {metrics.outside.map((tag) => (
              <li key={tag.session + tag.tag}>{outsideText(tag)}</li>
            ))}
          </ul>
        </details>
      )}
      {metrics.leftOut.length > 0 && (
        <details class="outside">
          <summary>{count(metrics.leftOut.length, 'session is', 'sessions are')} not counted</summary>
          <ul>
            {metrics.leftOut.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

/** The metrics' layer, the reason for its choice, and since when. */
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

/** Notes on the times: attempts left out of them, and those ended by the limit. */
function timeNote(task: TaskMetrics): string {
  const completions = task.timeS?.n ?? 0;
  const notes = [];
  if (task.timeS?.defined && completions < task.attempts)
    notes.push(`completers only, ${completions} of ${task.attempts}: biased low`);
  if (task.stopped > 0) {
    const median = task.timeCensoredS;
    notes.push(
      `${count(task.stopped, 'attempt', 'attempts')} stopped at the time limit` +
        (median ? `, median including them ${median.defined ? `${median.value.toFixed(0)} s` : `unknown: ${median.why}`}` : ''),
    );
  }
  return notes.join('; ');
}

const othersOf = (task: TaskMetrics) => `${task.assisted?.x ?? 0} with assist, ${task.abandoned?.x ?? 0} abandoned`;

const marksOf = (task: TaskMetrics) =>
  task.errorMarks > task.errors ? `${task.errorMarks} tags by several observers count as ${task.errors} errors` : '';

function ErrorRate({ task }: { task: TaskMetrics }) {
  const note = [
    task.unplannedErrors > 0 && `${count(task.unplannedErrors, 'unplanned error', 'unplanned errors')} not included`,
    task.notJudged > 0 && `${count(task.notJudged, 'error', 'errors')} not judged`,
  ]
    .filter(Boolean)
    .join('; ');
  return <Interval label="errors / opportunity" estimate={task.errorRate} axis={SHARE_AXIS} of="opportunities met" note={note} />;
}

/** Summary of all tasks: success, errors, time. */
function Headline({ task, counts, times }: { task: TaskMetrics; counts: Axis; times: Axis }) {
  return (
    <>
      <Interval label="success, all tasks" estimate={task.success} axis={SHARE_AXIS} of="attempts" note={othersOf(task)} />
      <Interval label="errors / participant" estimate={task.errorsEach} axis={counts} of="participants" note={marksOf(task)} />
      <Interval label="time" estimate={task.timeS} axis={times} of="completions" note={timeNote(task)} />
      <Interval label="with an error" estimate={task.withError} axis={SHARE_AXIS} of="participants" />
      <ErrorRate task={task} />
    </>
  );
}

function TaskNumbers({ task, counts, times }: { task: TaskMetrics; counts: Axis; times: Axis }) {
  return (
    <>
      <Interval label="success" estimate={task.success} axis={SHARE_AXIS} of="attempts" note={othersOf(task)} />
      <Interval label="with an error" estimate={task.withError} axis={SHARE_AXIS} of="participants" />
      <Interval label="errors / participant" estimate={task.errorsEach} axis={counts} of="participants" note={marksOf(task)} />
      <ErrorRate task={task} />
      <Interval label="time" estimate={task.timeS} axis={times} of="completions" note={timeNote(task)} />
    </>
  );
}

/* ---- studies without sessions ---- */

/** Unusable study files, by line and remedy; and studies without sessions. */
export function OtherStudies({ entries, used }: { entries: StudyEntry[]; used: ReadonlyMap<string, SessionSummary[]> }) {
  const broken = entries.filter(({ trouble }) => trouble !== '');
  const own = entries.filter(({ example }) => !example);
  const unused = own.filter(({ trouble, name, study }) => !trouble && !used.has(study?.name || name));
  return (
    <>
      {broken.map(({ name, trouble }) => (
        <section key={name} class="card study" aria-label={`Study ${name}`}>
          <h2>{name}</h2>
          <div class="notice error" role="alert">
            <p>This study file cannot be used:</p>
            <ul>
              {trouble.split('\n').map((line) => (
                <li key={line}>{problemWords(line)}</li>
              ))}
            </ul>
            <p>
              Correct it, then reload this page. <code>uxrec study check {name}.yaml</code> lists all errors.
            </p>
          </div>
        </section>
      ))}
      {own.length === 0 && used.size === 0 && (
        <section class="card first" aria-labelledby="nostudy-title">
          <h2 id="nostudy-title">No study yet</h2>
          <p>
            A study is a file with its tasks and codes, in the recorder’s folder of studies; <code>man uxrec-study</code> has
            an example.
          </p>
        </section>
      )}
      {unused.length > 0 && (
        <section class="card first" aria-labelledby="unused-title">
          <h2 id="unused-title">Studies without sessions</h2>
          <p>
            {unused.map(({ name, study }) => study?.name || name).join(', ')}: metrics appear here after the first
            session. Start it on the <a href="moderate">moderator’s page</a>.
          </p>
        </section>
      )}
    </>
  );
}

/** "bad.yaml:3:37: …" in words. */
function problemWords(line: string): string {
  const [, file, row, column, text] = /^(\S.*?):(\d+):(\d+): (.*)$/.exec(line) ?? [];
  return file ? `${file}, line ${row}, column ${column}: ${text}` : line;
}
