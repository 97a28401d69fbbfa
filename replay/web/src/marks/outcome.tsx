// Outcome of a task: chosen without a dialog; a contradiction is pointed out before storing.

import { Fragment } from 'preact';
import { useState } from 'preact/hooks';
import { Attempt_Outcome } from '../../gen/protocol/acts_pb';
import { Study_AssistLevel, Study_CountsAs } from '../../gen/protocol/study_pb';
import { OUTCOMES, outcomeName, type SessionModel } from '../acts/model';
import { clock, count } from '../base/format';
import type { LiveDriver } from '../driver/live';
import type { Coder } from './marks';

/* number of outcomes that count in the rates */
const COUNTED = 4;

/* For use as a ref: a constant function is called only on mount and unmount. */
export const focusOnce = (control: HTMLElement | null) => control?.focus();

/** A contradiction of an outcome, and a consistent outcome. */
export interface Doubt {
  text: string;
  instead: Attempt_Outcome;
}

/** Assists tagged in an attempt by any author: interventions without prompts (uxrec-metrics(7)). */
function assistsIn(model: SessionModel, attempt: string, beginNs: bigint): string[] {
  return model
    .entries('tag')
    .filter(({ act }) => {
      const tag = act.body.value;
      return tag.attempt ? tag.attempt === attempt : model.attemptAt(tag.mediaNs)?.id === attempt;
    })
    .flatMap(({ act }) => {
      const code = model.code(act.body.value.code);
      return code?.countsAs === Study_CountsAs.INTERVENTION && code.assistLevel !== Study_AssistLevel.PROMPT
        ? [`${code.name}, ${clock(act.body.value.mediaNs - beginNs)}${act.author ? `, ${act.author}` : ''}`]
        : [];
    });
}

/**
 * The one contradiction of the metrics that costs a completion (uxrec-metrics(7)). An untagged assist or an exceeded
 * limit is not questioned: the person choosing has seen it.
 *
 * @param beginNs  of the session
 */
export function doubtOf(
  model: SessionModel,
  attempt: string,
  outcome: Attempt_Outcome,
  beginNs: bigint,
): Doubt | undefined {
  if (outcome !== Attempt_Outcome.COMPLETED) return undefined;
  const assists = assistsIn(model, attempt, beginNs);
  if (assists.length === 0) return undefined;
  const more = assists.length > 3 ? '; …' : '';
  return {
    text: `An assist is tagged in this task (${assists.slice(0, 3).join('; ')}${more}).`,
    instead: Attempt_Outcome.COMPLETED_WITH_ASSIST,
  };
}

/** doubtOf() for the running attempt. */
function doubtOfRunning({ model, status }: LiveDriver, outcome: Attempt_Outcome): Doubt | undefined {
  return status && doubtOf(model, status.attempt, outcome, model.beginNs);
}

/** Move the focus between the buttons of a group with Up and Down. */
function moveFocus(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const group = event.currentTarget as HTMLElement;
  const buttons = [...group.querySelectorAll<HTMLElement>('button')];
  const at = buttons.findIndex((button) => button === document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  buttons[(at + step + buttons.length) % buttons.length]?.focus();
}

/** Both ways to resolve a contradiction, one key each; not modal. */
export function LookAgain({
  doubt,
  chosen,
  onEnd,
  onCancel,
  takesFocus = true,
}: {
  doubt: Doubt;
  chosen: Attempt_Outcome;
  onEnd: (outcome: Attempt_Outcome) => void;
  onCancel: () => void;
  takesFocus?: boolean;
}) {
  return (
    <div
      class="outcomes lookagain"
      role="group"
      aria-label="Check the outcome"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onCancel();
        else if (event.key === 'Enter' && event.shiftKey) onEnd(chosen);
        else {
          moveFocus(event);
          return;
        }
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <p role="alert">
        <b>{doubt.text}</b>
      </p>
      <button
        type="button"
        class="primary"
        ref={takesFocus ? focusOnce : undefined}
        onClick={() => onEnd(doubt.instead)}
      >
        {outcomeName(doubt.instead)} <kbd>↵</kbd>
      </button>
      <button type="button" onClick={() => onEnd(chosen)}>
        {outcomeName(chosen)} anyway <kbd>⇧↵</kbd>
      </button>
      <button type="button" class="quiet" onClick={onCancel}>
        back <kbd>Esc</kbd>
      </button>
    </div>
  );
}

/** Buttons for the outcomes of the running task, and "not yet". */
export function Outcomes({
  driver,
  success,
  onEnd,
  onCancel,
}: {
  driver: LiveDriver;
  success: string;
  onEnd: (outcome: Attempt_Outcome) => void;
  onCancel: () => void;
}) {
  const [doubted, setDoubted] = useState<{ outcome: Attempt_Outcome; doubt: Doubt }>();
  if (doubted)
    return (
      <LookAgain
        doubt={doubted.doubt}
        chosen={doubted.outcome}
        onEnd={onEnd}
        onCancel={() => setDoubted(undefined)}
      />
    );
  return (
    <div
      class="outcomes"
      role="group"
      aria-label="How did the task end?"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') {
          moveFocus(event);
          return;
        }
        event.preventDefault();
        onCancel();
      }}
    >
      {success && <p class="hint">Success: {success}</p>}
      {driver.status?.interruption && (
        <p class="hint">An interruption is running: its time is not counted, and it continues after the task.</p>
      )}
      {OUTCOMES.slice(0, COUNTED + 1).map(([outcome, name], i) => (
        <button
          key={outcome}
          type="button"
          ref={i === 0 ? focusOnce : undefined}
          onClick={() => {
            const doubt = doubtOfRunning(driver, outcome);
            if (doubt) setDoubted({ outcome, doubt });
            else onEnd(outcome);
          }}
        >
          {name}
        </button>
      ))}
      <button type="button" class="quiet" onClick={onCancel}>
        not yet <kbd>Esc</kbd>
      </button>
    </div>
  );
}

/* ---- the end of a session ---- */

/** Items left unfinished if the session ends now, except those the panel can finish. */
function unfinished(driver: LiveDriver): string[] {
  const { model, status } = driver;
  const tried = new Set(model.attempts().map(({ attempt }) => attempt.task));
  const left = (model.study?.tasks ?? []).filter((task) => !tried.has(task.id));
  const open = model.attempts().filter(
    ({ id, attempt }) => id !== status?.attempt && attempt.outcome === Attempt_Outcome.UNSPECIFIED,
  );
  const waiting = model.waiting();
  return [
    ...(left.length > 0 ? [`Not attempted: ${left.map((task) => task.title).join(', ')}`] : []),
    ...(open.length > 0 ? [`Without an outcome: ${open.map(({ attempt }) => model.task(attempt.task)?.title ?? attempt.task).join(', ')}`] : []),
    ...(status?.interruption ? ['The interruption ends with the session.'] : []),
    ...(waiting > 0 ? [`Not stored yet: ${waiting}. They are sent when the connection is back.`] : []),
  ];
}

/** Choice of the running task's outcome. */
function Endings({
  title,
  success,
  ending,
  onChoose,
}: {
  title: string;
  success: string;
  ending: Attempt_Outcome | undefined;
  onChoose: (outcome: Attempt_Outcome) => void;
}) {
  return (
    <fieldset class="endings">
      <legend>How did “{title}” end?</legend>
      {success && <p class="hint">Success: {success}</p>}
      {OUTCOMES.map(([outcome, name], i) => (
        <Fragment key={outcome}>
          {i === COUNTED && <p class="hint">Listed, but not counted in rates:</p>}
          <label class="check">
            <input
              type="radio"
              name="ending"
              ref={i === 0 ? focusOnce : undefined}
              checked={ending === outcome}
              onChange={() => onChoose(outcome)}
            />
            {name}
          </label>
        </Fragment>
      ))}
    </fieldset>
  );
}

function Unfinished({ driver, coder }: { driver: LiveDriver; coder: Coder }) {
  const lines = unfinished(driver);
  const unjudged = coder.notJudged((one) => one.layer === 'live').map(({ act }) => act.id);
  if (lines.length + unjudged.length === 0) return null;
  return (
    <ul class="unfinished" aria-label="Unfinished">
      {unjudged.length > 0 && (
        <li>
          {count(unjudged.length, 'error is', 'errors are')} not judged.{' '}
          <button type="button" class="link small" onClick={() => coder.ask(unjudged)}>
            Judge now
          </button>
        </li>
      )}
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

/** @param missing  reason for not ending the session yet, or "" */
function StopButtons({
  missing,
  busy,
  takesFocus,
  onStop,
  onDone,
}: {
  missing: string;
  busy: boolean;
  takesFocus: boolean;
  onStop: () => void;
  onDone: () => void;
}) {
  return (
    <div class="row wrap">
      <button
        type="button"
        class="danger"
        ref={takesFocus ? focusOnce : undefined}
        aria-disabled={missing !== '' || busy}
        aria-describedby={missing ? 'stop-missing' : undefined}
        data-why={missing || 'the session is ending'}
        onClick={onStop}
      >
        End the session
      </button>
      <button type="button" onClick={onDone}>
        Keep recording <kbd>Esc</kbd>
      </button>
    </div>
  );
}

/** Panel before the end of a session: consequence, unfinished items, outcome of the running task. */
export function StopPanel({
  driver,
  coder,
  onStop,
  onDone,
}: {
  driver: LiveDriver;
  coder: Coder;
  /** @return the reason of a refusal, or "" */
  onStop: (outcome: Attempt_Outcome | undefined) => Promise<string>;
  onDone: () => void;
}) {
  const [ending, setEnding] = useState<Attempt_Outcome>();
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const { model, status } = driver;
  const task = status?.attempt ? model.task(status.task) : undefined;
  const isAsked = status?.attempt !== '' && status?.attempt !== undefined;
  const doubt = isAsked && ending ? doubtOfRunning(driver, ending) : undefined;
  const missing = isAsked && !ending ? 'Choose how the task ended.' : '';
  const stop = async () => {
    setBusy(true);
    const reason = await onStop(isAsked ? ending : undefined);
    setBusy(false);
    setTrouble(reason);
  };
  return (
    <section
      class="stopping"
      aria-labelledby="stop-title"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        onDone();
      }}
    >
      <h2 id="stop-title">End the session?</h2>
      <p class="hint">
        The recording ends and is kept; it cannot be resumed. Notes can be added for five minutes.
      </p>
      {isAsked && (
        <Endings
          title={task?.title ?? status.task}
          success={task?.success ?? ''}
          ending={ending}
          onChoose={setEnding}
        />
      )}
      {doubt && (
        <div class="notice warning" role="status">
          {doubt.text}{' '}
          <button type="button" onClick={() => setEnding(doubt.instead)}>
            {outcomeName(doubt.instead)}
          </button>
        </div>
      )}
      <Unfinished driver={driver} coder={coder} />
      {missing && (
        <p class="hint" id="stop-missing">
          {missing}
        </p>
      )}
      {trouble && (
        <p class="trouble" role="alert">
          not ended: {trouble}
        </p>
      )}
      <StopButtons
        missing={missing}
        busy={busy}
        takesFocus={!isAsked}
        onStop={() => void stop()}
        onDone={onDone}
      />
    </section>
  );
}
