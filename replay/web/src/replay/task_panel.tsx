// Task at the moment shown: outcome, metrics in this layer, opportunities.

import { useEffect, useRef, useState } from 'preact/hooks';
import { type Act, type Attempt, type OpportunityScore, OpportunityScore_Score } from '../../gen/protocol/acts_pb';
import { Study_CountsAs } from '../../gen/protocol/study_pb';
import type { AttemptMetrics, Metrics } from '../../gen/protocol/wire_pb';
import { attemptBegin, outcomeName, scoreAct, type SessionModel } from '../acts/model';
import { clock, count, duration } from '../base/format';
import type { RecordedDriver } from '../driver/recorded';
import { AttemptEditor } from '../marks/correct';
import type { Coder } from '../marks/marks';
import { NotJudged } from '../marks/opportunities';
import type { Player } from '../media/player';
import { Icon, Notice } from '../parts/parts';
import { useMoment } from './review_list';

/* elsewhere the list beside the picture needs the height: the task starts folded */
const ROOMY = '(height >= 960px), (width < 900px) and (height >= 600px)';
/* lower limit for mentioning excluded time of a task */
const LEFT_OUT_S = 0.5;

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => setMatches(list.matches);
    look();
    list.addEventListener('change', look);
    return () => list.removeEventListener('change', look);
  }, [query]);
  return matches;
}

/** Metrics of this layer, requested again after changes of acts. */
function useMetrics(driver: RecordedDriver, layer: string): Metrics | undefined {
  const [metrics, setMetrics] = useState<Metrics>();
  const acts = useActs(driver);
  const ready = driver.summary !== undefined && driver.connection.state === 'open';
  useEffect(() => {
    if (!ready) return undefined;
    let wanted = true;
    const newer = new AbortController();
    const timer = setTimeout(() => {
      driver.connection
        .request({ case: 'getMetrics', value: { sessions: [driver.model.session], layer } }, { signal: newer.signal })
        .then(
          (answer) => {
            if (wanted && answer.body.case === 'metrics') setMetrics(answer.body.value);
          },
          () => undefined,
        );
    }, 150);
    return () => {
      wanted = false;
      clearTimeout(timer);
      newer.abort();
    };
  }, [acts, layer, ready]);
  return metrics;
}

/** Changes with each act that counts; updated on changes of the model, not per frame. */
function useActs(driver: RecordedDriver): string {
  const [acts, setActs] = useState('');
  useEffect(() => {
    const look = () => setActs(actsOf(driver));
    look();
    return driver.model.subscribe(look);
  }, [driver]);
  return acts;
}

function actsOf(driver: RecordedDriver): string {
  return driver.model
    .marks()
    .map(({ act, stored }) => `${act.id}${act.counter}${stored}`)
    .concat(driver.model.entries('attempt').map(({ act, stored }) => `${act.id}${act.counter}${stored}`))
    .concat(driver.model.entries('interruption').map(({ act }) => `${act.id}${act.counter}`))
    .concat(driver.model.entries('opportunityScore').map(({ act }) => `${act.id}${act.counter}`))
    .join();
}

/** The attempt at a moment: the running one, the last before it, or the first. */
function currentAttempt(model: SessionModel, now: bigint): { id: string; attempt: Attempt } | undefined {
  const attempts = model.attempts();
  return (
    model.attemptAt(now) ??
    attempts.filter(({ attempt }) => attemptBegin(attempt) <= now).at(-1) ??
    attempts[0]
  );
}

/** The panel; folded, only title and main figures in a few lines. */
export function TaskPanel({
  driver,
  player,
  coder,
  layers,
  atNs,
}: {
  driver: RecordedDriver;
  player: Player;
  coder: Coder;
  layers: (act: Act) => boolean;
  atNs: () => bigint;
}) {
  const now = useMoment(player, atNs);
  const model = driver.model;
  const metrics = useMetrics(driver, coder.layerAsked());
  const isRoomy = useMedia(ROOMY);
  const [chosen, setChosen] = useState<boolean>();
  const [correcting, setCorrecting] = useState('');
  const pencil = useRef<HTMLButtonElement>(null);
  const current = currentAttempt(model, now);
  if (!driver.summary) return null;
  if (!current)
    return (
      <section class="taskpanel">
        <p class="empty">No task was started in this session.</p>
      </section>
    );
  const task = model.task(current.attempt.task);
  /* the attempt being corrected stays, even if its new times exclude the playhead */
  const edited = model.entries('attempt').find(({ act }) => act.id === correcting);
  const row = metrics?.attempts.find((candidate) => candidate.attempt === current.id);
  const open = chosen ?? isRoomy;
  const contradictions = row?.contradictions ?? [];
  return (
    <section class={`taskpanel ${open ? '' : 'folded'}`} aria-label="Task at this moment">
      <TaskTitle title={task?.title ?? current.attempt.task} isOpen={open} onFold={() => setChosen(!open)} />
      <p class="row wrap facts">
        <span class={`outcome o${current.attempt.outcome}`}>{outcomeName(current.attempt.outcome)}</span>
        {!open && contradictions.length > 0 && <Doubt contradictions={contradictions} onUnfold={() => setChosen(true)} />}
        {row && <Numbers row={row} others={errorsOfOthers(coder, layers, current.id)} />}
        <NotJudged coder={coder} isOfLayer={layers} attempt={current.id} />
        {driver.connection.isModerator && (
          <button
            type="button"
            ref={pencil}
            class="quiet small unfolded"
            aria-expanded={correcting === current.id}
            onClick={() => setCorrecting(correcting === current.id ? '' : current.id)}
          >
            Correct…
          </button>
        )}
      </p>
      {edited && (
        <AttemptEditor
          key={edited.act.id}
          model={model}
          connection={driver.connection}
          act={edited.act}
          beginNs={driver.beginNs}
          hereNs={() => driver.seenNs()}
          onDone={() => {
            setCorrecting('');
            requestAnimationFrame(() => pencil.current?.focus());
          }}
        />
      )}
      {contradictions.length > 0 && <Contradictions contradictions={contradictions} />}
      {task && task.opportunities.length > 0 && (
        <Opportunities driver={driver} coder={coder} attempt={current.id} row={row} />
      )}
      {model.attempts().length > 1 && <Attempts driver={driver} coder={coder} layers={layers} current={current.id} />}
    </section>
  );
}

function TaskTitle({ title, isOpen, onFold }: { title: string; isOpen: boolean; onFold: () => void }) {
  return (
    <div class="row">
      <h2 title={title}>{title}</h2>
      <span class="spring" />
      <button
        type="button"
        class="quiet small"
        aria-expanded={isOpen}
        aria-label={isOpen ? 'Collapse the task' : 'Expand the task'}
        onClick={onFold}
      >
        <Icon name={isOpen ? 'up' : 'down'} />
      </button>
    </div>
  );
}

/** Sign of contradictions in a folded panel. */
function Doubt({ contradictions, onUnfold }: { contradictions: readonly string[]; onUnfold: () => void }) {
  return (
    <button
      type="button"
      class="small doubt"
      title={contradictions.join('\n')}
      aria-label={`Expand the task: ${contradictions.join('; ')}`}
      onClick={onUnfold}
    >
      !
    </button>
  );
}

function Contradictions({ contradictions }: { contradictions: readonly string[] }) {
  return (
    <div class="unfolded">
      {contradictions.map((text) => (
        <Notice key={text} kind="warning">
          {text}
        </Notice>
      ))}
    </div>
  );
}

/** Links to all attempts of the session. */
function Attempts({
  driver,
  coder,
  layers,
  current,
}: {
  driver: RecordedDriver;
  coder: Coder;
  layers: (act: Act) => boolean;
  current: string;
}) {
  const { model } = driver;
  return (
    <nav class="row wrap unfolded" aria-label="Tasks">
      {model.attempts().map(({ id, attempt }) => (
        <button
          key={id}
          type="button"
          class="link small"
          aria-current={id === current ? 'true' : undefined}
          onClick={() => driver.seek(attemptBegin(attempt))}
        >
          {model.task(attempt.task)?.title ?? attempt.task}
          {attempt.number > 1 && ` (${attempt.number})`}
          {id !== current && <NotJudgedOf number={coder.notJudged(layers, id).length} />}
        </button>
      ))}
    </nav>
  );
}

/** Beside the name of a task other than the current one. */
function NotJudgedOf({ number }: { number: number }) {
  return number > 0 && <span class="muted figure">{number} not judged</span>;
}

/** Number of visible errors of an attempt outside the coder's own layer. */
function errorsOfOthers(coder: Coder, layers: (act: Act) => boolean, attempt: string): number {
  return coder.model.entries('tag').filter(({ act }) => {
    const { code, attempt: of } = act.body.value;
    const isError = coder.model.code(code)?.countsAs === Study_CountsAs.ERROR;
    return isError && of === attempt && layers(act) && !coder.isMine(act);
  }).length;
}

function Numbers({ row, others }: { row: AttemptMetrics; others: number }) {
  const leftOutS = Number(row.endNs - row.beginNs) / 1e9 - row.timeS;
  return (
    <>
      <span class="figure" title="time on task">
        {clock(BigInt(Math.round(row.timeS * 1000)) * 1_000_000n)}
      </span>
      <span>
        <b>{count(row.errors, 'error', 'errors')}</b> in your layer
        {row.unplannedErrors > 0 && `, ${row.unplannedErrors} unplanned`}
        {others > 0 && `, ${others} in others`}
      </span>
      {leftOutS > LEFT_OUT_S && (
        <span class="unfolded" title="pauses and interruptions">
          {duration(BigInt(Math.round(leftOutS * 1e9)))} of breaks excluded
        </span>
      )}
      <span class="unfolded">{row.clicksRecorded ? count(row.clicks, 'click', 'clicks') : 'clicks not recorded'}</span>
      <span class="unfolded">{row.keysRecorded ? count(row.keys, 'key', 'keys') : 'keys not recorded'}</span>
      {row.opportunities + row.notMet + row.notScored > 0 && <span class="unfolded">{opportunityText(row)}</span>}
    </>
  );
}

function isMet({ score, met }: OpportunityScore): boolean {
  return score === OpportunityScore_Score.UNSPECIFIED ? met : score === OpportunityScore_Score.MET;
}

/** "4 opportunities met, erred at 1; 2 not scored" */
function opportunityText({ opportunities, erred, notMet, notScored }: AttemptMetrics): string {
  const parts = [`${count(opportunities, 'opportunity', 'opportunities')} met, erred at ${erred}`];
  if (notMet > 0) parts.push(`${notMet} not met`);
  if (notScored > 0) parts.push(`${notScored} not scored`);
  return parts.join('; ');
}

function Opportunities({
  driver,
  coder,
  attempt,
  row,
}: {
  driver: RecordedDriver;
  coder: Coder;
  attempt: string;
  row: AttemptMetrics | undefined;
}) {
  const model = driver.model;
  const task = model.task(model.attempts().find(({ id }) => id === attempt)?.attempt.task ?? '');
  const scores = model
    .entries('opportunityScore')
    .filter(({ act }) => coder.isMine(act) && act.body.value.attempt === attempt);
  const erred = new Set(
    model
      .entries('tag')
      .filter(({ act }) => coder.isMine(act) && act.body.value.attempt === attempt)
      .map(({ act }) => act.body.value.opportunity),
  );
  const completed = row !== undefined && (row.outcome === 1 || row.outcome === 2);
  const put = (score: Act | undefined, opportunity: string, met: boolean) =>
    void coder.put(scoreAct(coder.layer, score, attempt, opportunity, met));
  const checks = (task?.opportunities ?? []).map((opportunity) => {
    const score = scores.find(({ act }) => act.body.value.opportunity === opportunity.id)?.act;
    const met = score ? isMet(score.body.value) : erred.has(opportunity.id) || completed;
    return { opportunity, score, met, isScored: score !== undefined || met };
  });
  return (
    <fieldset class="opportunities unfolded">
      <legend>Opportunities met</legend>
      {checks.map(({ opportunity, score, met, isScored }) => (
        <label key={opportunity.id} class="check">
          <input
            type="checkbox"
            checked={met}
            ref={(box) => {
              if (box) box.indeterminate = !isScored;
            }}
            onChange={(event) => put(score, opportunity.id, event.currentTarget.checked)}
          />
          {opportunity.title || opportunity.id}
          {erred.has(opportunity.id) && <em class="erred"> erred</em>}
          {!isScored && <span class="muted"> not scored</span>}
        </label>
      ))}
      {checks.some(({ isScored }) => !isScored) && (
        <button
          type="button"
          class="small"
          onClick={() => {
            for (const { opportunity, score, isScored } of checks) if (!isScored) put(score, opportunity.id, false);
          }}
        >
          Mark the others as not met
        </button>
      )}
    </fieldset>
  );
}
