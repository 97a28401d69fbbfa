// The moderator's rail during a session: pause, interruption, phase, tasks, stop; one obvious next step.

import { Fragment } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Act, type Attempt_Outcome, Interruption_Kind, Phase_Kind } from '../gen/protocol/acts_pb';
import type { Study_Task } from '../gen/protocol/study_pb';
import { Status_State } from '../gen/protocol/wire_pb';
import { INTERRUPTIONS, TaskClock, useSeconds } from './clock';
import { AttemptEditor, SessionDetails } from './correct';
import { bytes, clock } from './format';
import type { KeyMap } from './keys';
import type { LiveDriver } from './live';
import { changedAct, OUTCOMES, outcomeName } from './model';
import { Icon, type KeyHelp, Notice } from './parts';
import type { ClientBody } from './wire';

/** Ask the recorder. @return why it was refused, or "" */
export type Do = (body: ClientBody) => Promise<string>;

/* so many outcomes are in the rates */
const COUNTED = 4;

/* As a ref: one function for all renders is called when the control appears and not again. */
export const focusOnce = (control: HTMLElement | null) => control?.focus();

/* ---- keys ---- */

export const COURSE_KEYS: KeyHelp = [
  ['T', 'the participant gets the next task; again: has read it and begins'],
  ['E', 'the task ends: choose its outcome'],
  ['shift+I', 'an interruption begins, or ends: time on task stands still'],
  ['shift+P', 'pause, resume'],
  ['shift+1 – shift+6', 'phase: intro, warm-up, task, post-task, debrief, break'],
];

export const PHASES: ReadonlyArray<[Phase_Kind, string]> = [
  [Phase_Kind.INTRO, 'intro'],
  [Phase_Kind.WARM_UP, 'warm-up'],
  [Phase_Kind.TASK, 'task'],
  [Phase_Kind.POST_TASK, 'post-task'],
  [Phase_Kind.DEBRIEF, 'debrief'],
  [Phase_Kind.BREAK, 'break'],
];

function isRunning(driver: LiveDriver): boolean {
  const state = driver.status?.state;
  return state === Status_State.RECORDING || state === Status_State.PAUSED;
}

function nextTask(driver: LiveDriver): Study_Task | undefined {
  const attempts = driver.model.attempts();
  return driver.model.study?.tasks.find((task) => !attempts.some(({ attempt }) => attempt.task === task.id));
}

/** The participant has the task and may still be reading it. */
function isReading(driver: LiveDriver): boolean {
  return driver.status !== undefined && driver.status.attempt !== '' && driver.status.attemptReadingNs === 0n;
}

const toggleInterruption = (driver: LiveDriver, act: Do) =>
  void act(
    driver.status?.interruption
      ? { case: 'interruptionEnd', value: {} }
      : { case: 'interruptionBegin', value: {} },
  );

const togglePause = (driver: LiveDriver, act: Do) =>
  void act(
    driver.status?.state === Status_State.PAUSED ? { case: 'resume', value: {} } : { case: 'pause', value: {} },
  );

export function courseKeys(driver: LiveDriver, act: Do, chooseOutcome: () => void): KeyMap {
  const running = (action: () => unknown) => () => (isRunning(driver) ? action() : 'no session is running');
  const phases = PHASES.map(([kind, name], i): [string, () => unknown] => [
    `shift+${i + 1}`,
    running(() => {
      if (driver.status?.phase === kind) return `the phase “${name}” is running already`;
      void act({ case: 'phaseBegin', value: { kind } });
      return '';
    }),
  ]);
  return {
    ...Object.fromEntries(phases),
    t: running(() => {
      const next = nextTask(driver);
      if (isReading(driver)) void act({ case: 'taskReady', value: {} });
      else if (driver.status?.task) return 'the task runs already: E ends it';
      else if (next) void act({ case: 'taskStart', value: { task: next.id } });
      else return driver.model.study?.tasks.length ? 'all tasks were tried' : 'this study has no tasks';
      return '';
    }),
    e: running(() => (driver.status?.task ? chooseOutcome() : 'no task is running')),
    'shift+i': running(() => toggleInterruption(driver, act)),
    'shift+p': running(() => togglePause(driver, act)),
  };
}

/* ---- the rail ---- */

interface RailProps {
  driver: LiveDriver;
  act: Do;
  /** The task's outcome is being chosen. */
  choosing: boolean;
  onChoosing: (choosing: boolean) => void;
}

export function Rail({ driver, act, choosing, onChoosing }: RailProps) {
  const status = driver.status;
  const [details, setDetails] = useState(false);
  const detailsButton = useRef<HTMLButtonElement>(null);
  if (!status) return null;
  const paused = status.state === Status_State.PAUSED;
  return (
    <aside class="rail" aria-label="Moderation">
      <div class="row wrap">
        <button
          type="button"
          class={paused ? 'primary' : ''}
          title="shift+P"
          onClick={() => togglePause(driver, act)}
        >
          <Icon name={paused ? 'play' : 'pause'} /> {paused ? 'Resume' : 'Pause'}
        </button>
        <StopButton driver={driver} act={act} />
      </div>
      {paused && <Notice kind="warning">Paused: nothing is recorded.</Notice>}
      <button
        type="button"
        class={`interrupt ${status.interruption ? 'on' : ''}`}
        aria-pressed={status.interruption !== ''}
        onClick={() => toggleInterruption(driver, act)}
      >
        {status.interruption ? 'End the interruption' : 'Interruption'} <kbd>⇧I</kbd>
      </button>
      {status.modalities.includes('sound') && (
        <label class="check">
          <input
            type="checkbox"
            checked={!status.observersMuted}
            onChange={(event) =>
              void act({ case: 'muteObservers', value: { muted: !event.currentTarget.checked } })
            }
          />
          observers hear the sound
        </label>
      )}
      <Tasks driver={driver} act={act} choosing={choosing} onChoosing={onChoosing} />
      <Phases driver={driver} act={act} />
      <button type="button" ref={detailsButton} onClick={() => setDetails(true)}>
        Session details…
      </button>
      {details && (
        <SessionDetails
          model={driver.model}
          connection={driver.connection}
          onDone={() => {
            setDetails(false);
            requestAnimationFrame(() => detailsButton.current?.focus());
          }}
        />
      )}
      <Health driver={driver} />
    </aside>
  );
}

/* ---- stop ---- */

/** With a task running its outcome is asked for first. */
function StopButton({ driver, act }: { driver: LiveDriver; act: Do }) {
  const [stopping, setStopping] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const goOn = () => {
    setStopping(false);
    requestAnimationFrame(() => button.current?.focus());
  };
  const asking = stopping && driver.status?.attempt !== '';
  if (!stopping || asking)
    return (
      <>
        <button type="button" ref={button} onClick={() => setStopping(true)}>
          <Icon name="stop" /> Stop
        </button>
        {asking && <StopDialog driver={driver} act={act} onDone={goOn} />}
      </>
    );
  return (
    <>
      <button
        type="button"
        class="danger"
        ref={focusOnce}
        onClick={() => {
          setStopping(false);
          void act({ case: 'stop', value: {} });
        }}
      >
        End it
      </button>
      <button type="button" onClick={goOn}>
        Go on
      </button>
    </>
  );
}

function StopDialog({ driver, act, onDone }: { driver: LiveDriver; act: Do; onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const task = driver.model.task(driver.status?.task ?? '');
  const stop = async (outcome: Attempt_Outcome) => {
    setBusy(true);
    const reason = await act({ case: 'stop', value: { outcome } });
    setBusy(false);
    setTrouble(reason);
    if (!reason) onDone();
  };
  return (
    <dialog ref={dialog} aria-labelledby="stop-title" class="asking" onClose={onDone}>
      <h2 id="stop-title">How did “{task?.title ?? driver.status?.task}” end?</h2>
      <p>
        The task is still running. Choose its outcome, and the session ends.
      </p>
      {task?.success && <p class="hint">Success: {task.success}</p>}
      <div class="outcomes" role="group" aria-label="Outcome">
        {OUTCOMES.map(([outcome, name], i) => (
          <Fragment key={outcome}>
            {i === COUNTED && <p class="hint">In no rate, and listed:</p>}
            <button type="button" disabled={busy} onClick={() => void stop(outcome)}>
              {name}
            </button>
          </Fragment>
        ))}
      </div>
      {trouble && <Notice kind="error">{trouble}</Notice>}
      <form method="dialog">
        <button type="submit">Go on with the session</button>
      </form>
    </dialog>
  );
}

/* ---- interruption ---- */

/** Over the picture for as long as it lasts: its kind, whether the clock stands, and what happened. */
export function InterruptionBanner({ driver, act }: { driver: LiveDriver; act: Do }) {
  useSeconds();
  const status = driver.status;
  const stored = driver.model.entry(status?.interruption ?? '')?.act;
  const body = stored?.body.case === 'interruption' ? stored.body.value : undefined;
  const [note, setNote] = useState<string>();
  const [trouble, setTrouble] = useState('');
  const change = async (values: object) => {
    if (!stored) return;
    const reason = await driver.model.put(driver.connection, changedAct(stored, values));
    setTrouble(reason);
    if (reason || !('note' in values)) return;
    unsent.current = undefined;
    setNote(undefined);
  };
  /* text that is not sent yet belongs to the interruption that ends while it is typed */
  const unsent = useRef<{ act: Act; text: string } | undefined>(undefined);
  useEffect(
    () => () => {
      const left = unsent.current;
      unsent.current = undefined;
      setNote(undefined);
      if (left) void driver.model.put(driver.connection, changedAct(left.act, { note: left.text.trim() }));
    },
    [status?.interruption],
  );
  if (!status?.interruption) return null;
  const now = driver.connection.sessionNowNs() || status.nowNs;
  const keeps = body ? !body.stopsClock : status.interruptionKeepsClock;
  return (
    <section class="interruption" aria-label="Interruption">
      <b role="status">Interruption</b>
      <span class="figure">{clock(now - status.interruptionFromNs)}</span>
      <label class="row">
        <span class="hidden">Kind of the interruption</span>
        <select
          value={body?.kind ?? status.interruptionKind}
          onChange={(event) => void change({ kind: Number(event.currentTarget.value) })}
        >
          <option value={Interruption_Kind.UNSPECIFIED}>kind not stated</option>
          {[...INTERRUPTIONS].map(([kind, name]) => (
            <option key={kind} value={kind}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={!keeps}
          onChange={(event) => void change({ stopsClock: event.currentTarget.checked })}
        />
        time on task stands still
      </label>
      <form
        class="row happened"
        onSubmit={(event) => {
          event.preventDefault();
          if (note !== undefined) void change({ note: note.trim() });
        }}
      >
        <input
          aria-label="What happened"
          placeholder="what happened"
          autocomplete="off"
          value={note ?? body?.note ?? ''}
          onInput={(event) => {
            setNote(event.currentTarget.value);
            if (stored) unsent.current = { act: stored, text: event.currentTarget.value };
          }}
        />
        {note !== undefined && <button type="submit">Keep it</button>}
      </form>
      <button type="button" class="primary" onClick={() => toggleInterruption(driver, act)}>
        End the interruption <kbd>⇧I</kbd>
      </button>
      {trouble && <p class="trouble">not stored: {trouble}</p>}
    </section>
  );
}

/* ---- phases ---- */

function Phases({ driver, act }: { driver: LiveDriver; act: Do }) {
  useSeconds();
  const status = driver.status;
  if (!status) return null;
  const now = driver.connection.sessionNowNs() || status.nowNs;
  return (
    <section aria-labelledby="phase-title">
      <div class="row">
        <h2 id="phase-title">Phase</h2>
        <span class="spring" />
        {status.phase !== Phase_Kind.UNSPECIFIED && (
          <span class="figure muted">{clock(now - status.phaseFromNs)}</span>
        )}
      </div>
      <div class="phases" role="group" aria-labelledby="phase-title">
        {PHASES.map(([kind, name], i) => (
          <button
            key={kind}
            type="button"
            class="small"
            aria-pressed={status.phase === kind}
            title={`shift+${i + 1}`}
            onClick={() => {
              if (status.phase !== kind) void act({ case: 'phaseBegin', value: { kind } });
            }}
          >
            {name}
          </button>
        ))}
      </div>
    </section>
  );
}

/* ---- tasks ---- */

function Tasks({ driver, act, choosing, onChoosing }: RailProps) {
  const status = driver.status;
  const tasks = driver.model.study?.tasks ?? [];
  const attempts = driver.model.attempts();
  const next = nextTask(driver);
  const running = status?.task ?? '';
  const [correcting, setCorrecting] = useState('');
  const edited = driver.model.entries('attempt').find(({ act: one }) => one.id === correcting);
  return (
    <section aria-labelledby="tasks-title">
      <h2 id="tasks-title">Tasks</h2>
      {tasks.length === 0 && <p class="empty">This study has no tasks.</p>}
      <ol class="tasks">
        {tasks.map((task, number) => {
          const last = attempts.filter(({ attempt }) => attempt.task === task.id).at(-1);
          return (
            <li key={task.id} class={task.id === running ? 'running' : ''}>
              <div class="row">
                <span class="figure">{number + 1}</span>
                <b>{task.title}</b>
              </div>
              {task.instructions && (task.id === running || task === next) && (
                <p class="detail">{task.instructions}</p>
              )}
              {task.id === running ? (
                <RunningTask driver={driver} act={act} task={task} choosing={choosing} onChoosing={onChoosing} />
              ) : (
                <div class="row">
                  {last && (
                    <button
                      type="button"
                      class="link small"
                      aria-expanded={correcting === last.id}
                      aria-label={`Correct the attempt: ${outcomeName(last.attempt.outcome)}`}
                      onClick={() => setCorrecting(correcting === last.id ? '' : last.id)}
                    >
                      <span class={`outcome o${last.attempt.outcome}`}>{outcomeName(last.attempt.outcome)}</span>
                    </button>
                  )}
                  <span class="spring" />
                  <button
                    type="button"
                    class={!running && task === next ? 'primary' : ''}
                    disabled={running !== ''}
                    onClick={() => void act({ case: 'taskStart', value: { task: task.id } })}
                  >
                    {last ? 'Again' : 'Start task'}
                    {!running && task === next && <kbd>T</kbd>}
                  </button>
                </div>
              )}
              {edited && edited.act.id === last?.id && (
                <AttemptEditor
                  model={driver.model}
                  connection={driver.connection}
                  act={edited.act}
                  beginNs={driver.model.beginNs}
                  onDone={() => setCorrecting('')}
                />
              )}
            </li>
          );
        })}
      </ol>
      {tasks.length > 0 && !next && !running && (
        <p class="detail">All tasks were tried. Stop when the debriefing is done.</p>
      )}
    </section>
  );
}

function RunningTask({
  driver,
  act,
  task,
  choosing,
  onChoosing,
}: {
  driver: LiveDriver;
  act: Do;
  task: Study_Task;
  choosing: boolean;
  onChoosing: (choosing: boolean) => void;
}) {
  const reading = isReading(driver);
  if (choosing)
    return (
      <Outcomes
        success={task.success}
        onEnd={(outcome) => {
          onChoosing(false);
          void act({ case: 'taskEnd', value: { outcome } });
        }}
        onCancel={() => onChoosing(false)}
      />
    );
  return (
    <>
      <TaskClock driver={driver} />
      {reading && (
        <>
          <p class="hint">Is the participant reading the task? Time on task counts from when they are ready.</p>
          <button type="button" class="primary wide" onClick={() => void act({ case: 'taskReady', value: {} })}>
            Ready, begins now <kbd>T</kbd>
          </button>
        </>
      )}
      <button type="button" class={reading ? 'wide' : 'primary wide'} onClick={() => onChoosing(true)}>
        End task <kbd>E</kbd>
      </button>
    </>
  );
}

function Outcomes({
  success,
  onEnd,
  onCancel,
}: {
  success: string;
  onEnd: (outcome: Attempt_Outcome) => void;
  onCancel: () => void;
}) {
  return (
    <div class="outcomes" role="group" aria-label="How did the task end?">
      {success && <p class="hint">Success: {success}</p>}
      {OUTCOMES.slice(0, 5).map(([outcome, name], i) => (
        <button
          key={outcome}
          type="button"
          ref={i === 0 ? focusOnce : undefined}
          onClick={() => onEnd(outcome)}
        >
          {name}
        </button>
      ))}
      <button type="button" class="quiet" onClick={onCancel}>
        not yet
      </button>
    </div>
  );
}

/* ---- health ---- */

const KEYS_TEXTS = new Map([
  ['full', 'every key'],
  ['classes', 'kinds only'],
  ['counts', 'how many only'],
  ['none', 'not recorded'],
]);

function Health({ driver }: { driver: LiveDriver }) {
  const status = driver.status;
  if (!status) return null;
  const facts: Array<[string, string]> = [
    ['length', clock(driver.lengthNs())],
    ['recorded', `${bytes(status.bytes)}, ${status.pictures} pictures, ${status.events} events`],
    ['keys', KEYS_TEXTS.get(status.keys) ?? status.keys],
    ['gaps', String(status.gaps)],
    ['disk', `${bytes(status.diskFreeBytes)} free`],
    ['watching', String(status.observers)],
  ];
  return (
    <section aria-labelledby="health-title">
      <h2 id="health-title">Recording</h2>
      <dl class="facts">
        {facts.map(([what, value]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
