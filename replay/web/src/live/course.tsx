// The moderator's rail during a session: pause, interruption, phase, tasks, stop; one obvious next step.

import type { Ref } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { Phase_Kind } from '../../gen/protocol/acts_pb';
import type { Study_Task } from '../../gen/protocol/study_pb';
import { Status_State } from '../../gen/protocol/wire_pb';
import { outcomeName } from '../acts/model';
import { bytes, clock, count } from '../base/format';
import { lostText } from '../base/gaps';
import type { KeyMap } from '../base/keys';
import { useTicks } from '../base/ticks';
import type { LiveDriver } from '../driver/live';
import { AttemptEditor, SessionDetails } from '../marks/correct';
import type { Coder } from '../marks/marks';
import { Outcomes, StopPanel } from '../marks/outcome';
import type { ClientBody } from '../net/wire';
import { Icon, type KeyHelp } from '../parts/parts';
import { TaskClock } from '../session/clock';
import { WithdrawButton } from '../session/withdraw';

/** Send a request to the recorder. @return the reason of a refusal, or "" */
export type Do = (body: ClientBody) => Promise<string>;

/* ---- keys ---- */

const TASK_KEYS: KeyHelp = [
  ['T', 'start the next task; again: the participant is ready'],
  ['E', 'end the task and choose its outcome'],
];

const COURSE_KEYS: KeyHelp = [
  ['shift+I', 'begin or end an interruption, which stops time on task'],
  ['shift+P', 'pause, resume'],
  ['shift+1 – shift+6', 'phase: intro, warm-up, task, post-task, debrief, break'],
];

/** Keys available in this session. */
export function courseHelp(driver: LiveDriver): KeyHelp {
  return driver.model.study?.tasks.length ? [...TASK_KEYS, ...COURSE_KEYS] : COURSE_KEYS;
}

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

/** True while the participant may still be reading the task. */
function isReading(driver: LiveDriver): boolean {
  return driver.status !== undefined && driver.status.attempt !== '' && driver.status.attemptReadingNs === 0n;
}

export const toggleInterruption = (driver: LiveDriver, act: Do) =>
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
      else return driver.model.study?.tasks.length ? 'all tasks were attempted' : 'this study has no tasks';
      return '';
    }),
    e: running(() => (driver.status?.task ? chooseOutcome() : 'no task is running')),
    'shift+i': running(() => toggleInterruption(driver, act)),
    'shift+p': running(() => togglePause(driver, act)),
  };
}

/* ---- the rail ---- */

interface TasksProps {
  driver: LiveDriver;
  act: Do;
  /** True while the outcome is being chosen. */
  choosing: boolean;
  onChoosing: (choosing: boolean) => void;
}

interface RailProps extends TasksProps {
  coder: Coder;
}

const FOLDED = 'rail-folded';

/** Buttons of the rail that stay while it is folded: pause, stop, fold. */
function Strip({
  paused,
  stopping,
  isFolded,
  stopButton,
  onPause,
  onStop,
  onFold,
}: {
  paused: boolean;
  stopping: boolean;
  isFolded: boolean;
  stopButton: Ref<HTMLButtonElement>;
  onPause: () => void;
  onStop: () => void;
  onFold: () => void;
}) {
  return (
    <div class="row strip">
      <button
        type="button"
        class={paused ? 'primary' : ''}
        aria-keyshortcuts="Shift+P"
        title={paused ? 'Resume (shift+P)' : 'Pause: nothing is recorded until you resume (shift+P)'}
        onClick={onPause}
      >
        <Icon name={paused ? 'play' : 'pause'} />
        <span class="word">
          {paused ? 'Resume' : 'Pause'} <kbd>⇧P</kbd>
        </span>
      </button>
      <button
        type="button"
        ref={stopButton}
        aria-expanded={stopping}
        title="End the session …"
        onClick={onStop}
      >
        <Icon name="stop" /> <span class="word">Stop</span>
      </button>
      <button
        type="button"
        class="quiet fold"
        aria-expanded={!isFolded}
        aria-label="Moderation panel"
        title={isFolded ? 'Show the moderation panel' : 'Hide the moderation panel: more room for tags'}
        onClick={onFold}
      >
        <span aria-hidden="true">{isFolded ? '»' : '«'}</span>
      </button>
    </div>
  );
}

/** The rail. Collapses to a strip on demand; a pending question expands it. */
export function Rail({ driver, coder, act, choosing, onChoosing }: RailProps) {
  const status = driver.status;
  const [folded, setFolded] = useState(localStorage.getItem(FOLDED) === 'yes');
  const [stopping, setStopping] = useState(false);
  const stopButton = useRef<HTMLButtonElement>(null);
  if (!status) return null;
  const paused = status.state === Status_State.PAUSED;
  const isFolded = folded && !choosing && !stopping;
  const fold = () => {
    localStorage.setItem(FOLDED, folded ? 'no' : 'yes');
    setFolded(!folded);
  };
  const keepRecording = () => {
    setStopping(false);
    requestAnimationFrame(() => stopButton.current?.focus());
  };
  return (
    <aside class={`rail ${isFolded ? 'folded' : ''}`} aria-label="Moderation">
      <Strip
        paused={paused}
        stopping={stopping}
        isFolded={isFolded}
        stopButton={stopButton}
        onPause={() => togglePause(driver, act)}
        onStop={() => setStopping(!stopping)}
        onFold={fold}
      />
      {stopping && (
        <StopPanel
          driver={driver}
          coder={coder}
          onStop={async (outcome) => {
            const reason = await act({ case: 'stop', value: { outcome } });
            if (!reason) setStopping(false);
            return reason;
          }}
          onDone={keepRecording}
        />
      )}
      {paused && (
        <p class="notice warning" role="alert">
          <b>Paused: nothing is recorded.</b> Resume with ⇧P.
        </p>
      )}
      <button
        type="button"
        class={`interrupt ${status.interruption ? 'on' : ''}`}
        aria-pressed={status.interruption !== ''}
        onClick={() => toggleInterruption(driver, act)}
      >
        {status.interruption ? 'End interruption' : 'Begin interruption'} <kbd>⇧I</kbd>
      </button>
      <Tasks driver={driver} act={act} choosing={choosing} onChoosing={onChoosing} />
      <Phases driver={driver} act={act} />
      <More driver={driver} act={act} />
      <Health driver={driver} />
    </aside>
  );
}

/* Rarely used during a session. */
function More({ driver, act }: { driver: LiveDriver; act: Do }) {
  const [details, setDetails] = useState(false);
  const detailsButton = useRef<HTMLButtonElement>(null);
  const status = driver.status;
  return (
    <>
      {status?.modalities.includes('sound') && (
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
      <button type="button" ref={detailsButton} onClick={() => setDetails(true)}>
        Session details…
      </button>
      {status && (
        <WithdrawButton
          connection={driver.connection}
          session={status.session}
          participant={status.participant}
          beginNs={driver.model.beginNs}
          nowNs={() => driver.status?.nowNs ?? 0n}
          running
        />
      )}
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
    </>
  );
}

/* ---- phases ---- */

function Phases({ driver, act }: { driver: LiveDriver; act: Do }) {
  useTicks();
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

function Tasks({ driver, act, choosing, onChoosing }: TasksProps) {
  const tasks = driver.model.study?.tasks ?? [];
  const running = driver.status?.task ?? '';
  const next = nextTask(driver);
  return (
    <section aria-labelledby="tasks-title">
      <h2 id="tasks-title">Tasks</h2>
      {tasks.length === 0 && (
        <p class="empty">This study has no tasks. Add them under the key “tasks” of its file (man uxrec-study).</p>
      )}
      <ol class="tasks">
        {tasks.map((task, i) =>
          task.id === running ? (
            <li key={task.id} class="running">
              <TaskTitle number={i + 1} task={task} />
              <RunningTask driver={driver} act={act} task={task} choosing={choosing} onChoosing={onChoosing} />
            </li>
          ) : (
            <OtherTask key={task.id} driver={driver} act={act} task={task} number={i + 1} isNext={!running && task === next} />
          ),
        )}
      </ol>
      {tasks.length > 0 && !next && !running && (
        <p class="detail">All tasks were attempted. Stop after the debriefing.</p>
      )}
    </section>
  );
}

function TaskTitle({ number, task }: { number: number; task: Study_Task }) {
  return (
    <p class="row tasktitle">
      <span class="figure">{number}</span>
      <b>{task.title}</b>
    </p>
  );
}

/** Task instructions to read out, success criterion, time limit, and error opportunities. */
function TaskFacts({ task, hasLimit }: { task: Study_Task; hasLimit: boolean }) {
  return (
    <>
      {task.instructions && <p class="detail">{task.instructions}</p>}
      {task.success && (
        <p class="criterion">
          <b>Success:</b> {task.success}
        </p>
      )}
      {hasLimit && task.timeLimitS > 0 && (
        <p class="detail">Time limit {clock(BigInt(task.timeLimitS) * 1_000_000_000n)}</p>
      )}
      {task.opportunities.length > 0 && (
        <details class="opportunities">
          <summary>{count(task.opportunities.length, 'opportunity', 'opportunities')}</summary>
          <ol>
            {task.opportunities.map((opportunity) => (
              <li key={opportunity.id}>{opportunity.title || opportunity.id}</li>
            ))}
          </ol>
        </details>
      )}
    </>
  );
}

/** A task that is not running: title, and outcome after an attempt; collapsed unless it is next. */
function OtherTask({
  driver,
  act,
  task,
  number,
  isNext,
}: {
  driver: LiveDriver;
  act: Do;
  task: Study_Task;
  number: number;
  isNext: boolean;
}) {
  const [opened, setOpened] = useState(false);
  const [correcting, setCorrecting] = useState('');
  const { status, model } = driver;
  const last = model.attempts().filter(({ attempt }) => attempt.task === task.id).at(-1);
  const edited = model.entries('attempt').find(({ act: one }) => one.id === correcting);
  const isOpen = isNext || opened;
  const runs = status?.task !== '';
  return (
    <li class={isNext ? 'next' : ''}>
      {isNext ? (
        <TaskTitle number={number} task={task} />
      ) : (
        <button type="button" class="quiet tasktitle" aria-expanded={isOpen} onClick={() => setOpened(!opened)}>
          <span class="figure">{number}</span>
          <span class="title">{task.title}</span>
        </button>
      )}
      <div class="row wrap">
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
        {isOpen && (
          <button
            type="button"
            class={isNext ? 'primary wide' : 'small'}
            aria-disabled={runs}
            data-why="another task is running: E ends it"
            onClick={() => void act({ case: 'taskStart', value: { task: task.id } })}
          >
            {last ? 'Repeat task' : 'Start task'}
            {isNext && <kbd>T</kbd>}
          </button>
        )}
      </div>
      {isOpen && <TaskFacts task={task} hasLimit />}
      {edited && edited.act.id === last?.id && (
        <AttemptEditor
          model={model}
          connection={driver.connection}
          act={edited.act}
          beginNs={model.beginNs}
          onDone={() => setCorrecting('')}
        />
      )}
    </li>
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
  return (
    <>
      <TaskClock driver={driver} />
      {choosing ? (
        <Outcomes
          driver={driver}
          success={task.success}
          onEnd={(outcome) => {
            onChoosing(false);
            void act({ case: 'taskEnd', value: { outcome } });
          }}
          onCancel={() => onChoosing(false)}
        />
      ) : (
        <>
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
          <TaskFacts task={task} hasLimit={false} />
        </>
      )}
    </>
  );
}

/* ---- health ---- */

const KEYS_TEXTS = new Map([
  ['full', 'every key'],
  ['classes', 'classes only'],
  ['counts', 'counts only'],
  ['none', 'not recorded'],
]);

function Health({ driver }: { driver: LiveDriver }) {
  const status = driver.status;
  if (!status) return null;
  const facts: Array<[string, string]> = [
    ['length', clock(driver.lengthNs())],
    ['recorded', `${bytes(status.bytes)}, ${status.pictures} pictures, ${status.events} events`],
    ['keys', KEYS_TEXTS.get(status.keys) ?? status.keys],
    ['lost', lostText(status.lost) || 'nothing'],
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
