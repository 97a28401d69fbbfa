// Judging of an error's opportunity: a numbered list per error, one error after the other.
// Never modal: letters still set tags, and a skipped error stays "not judged".

import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { Act } from '../../gen/protocol/acts_pb';
import { changeAct, type Entry } from '../acts/model';
import { useEmitter } from '../base/emitter';
import { count } from '../base/format';
import { hints, type KeyMap, useKeys } from '../base/keys';
import type { LiveDriver } from '../driver/live';
import { type Coder, judgement } from './marks';

/* limit of the digit keys; Enter shows the next ones */
const PAGE = 9;

/** The list for the current error, if any. */
export function OpportunityList({ coder }: { coder: Coder }) {
  const { model } = coder;
  const [, render] = useReducer((changes: number) => changes + 1, 0);
  /* render before the next key event, which is meant for the then current error */
  useEffect(() => model.subscribe(() => render(undefined)), [model]);
  const { asked } = coder;
  const act = model.entry(asked[0] ?? '')?.act;
  if (!act) return null;
  return <Question key={act.id} coder={coder} act={act} rest={asked.slice(1)} />;
}

function Question({ coder, act, rest }: { coder: Coder; act: Act; rest: readonly string[] }) {
  const [from, setFrom] = useState(0);
  const all = coder.opportunities(act);
  const shown = all.slice(from, from + PAGE);
  const more = all.length > from + PAGE;
  const what = coder.describe(act);
  const choose = (opportunity: string, title: string) => {
    void coder.put(changeAct(coder.model.entry(act.id)?.act ?? act, judgement(opportunity)));
    hints.show(`${what}: ${title}`);
    coder.ask(rest);
  };
  const leave = (next: readonly string[]) => {
    hints.show(`${what} stays not judged`);
    coder.ask(next);
  };
  const goOn = () => (more ? setFrom(from + PAGE) : leave(rest));
  const none = () => choose('', 'at none of them');
  const close = () => leave([]);
  const keys: KeyMap = { 0: none, Enter: goOn, Escape: close };
  for (let digit = 1; digit <= PAGE; digit++) {
    const one = shown[digit - 1];
    keys[digit] = one ? () => choose(one.id, `at “${one.title || one.id}”`) : () => `there is no opportunity ${digit} here`;
  }
  useKeys(keys);
  return (
    <section class="opportunitylist" aria-label="Opportunity of an error">
      <p role="status">
        <b>{what}</b>: at which opportunity?
        {rest.length > 0 && <span class="muted"> {rest.length} more to judge</span>}
      </p>
      <div class="row wrap">
        {shown.map((one, i) => (
          <button key={one.id} type="button" onClick={keys[i + 1]}>
            <kbd>{i + 1}</kbd> {one.title || one.id}
          </button>
        ))}
        <button type="button" onClick={none}>
          <kbd>0</kbd> none of them
        </button>
        <button type="button" class="quiet" onClick={goOn}>
          <kbd>Enter</kbd> {more ? 'show more' : rest.length > 0 ? 'next error' : 'later'}
        </button>
        <button type="button" class="quiet" onClick={close}>
          <kbd>Esc</kbd> close
        </button>
      </div>
    </section>
  );
}

const idsOf = (entries: readonly Entry[]) => entries.map(({ act }) => act.id);

/** Button with the number of errors to be judged, which starts judging. @param attempt  restricts to one attempt */
export function NotJudged({
  coder,
  isOfLayer,
  attempt,
}: {
  coder: Coder;
  isOfLayer: (act: Act) => boolean;
  attempt?: string;
}) {
  useEmitter(coder.model);
  const left = coder.notJudged(isOfLayer, attempt);
  if (!left.length || coder.asked.length > 0) return null;
  return (
    <button type="button" class="small" onClick={() => coder.ask(idsOf(left))}>
      {count(left.length, 'error', 'errors')} not judged…
    </button>
  );
}

/** At the end of a task, ask for its errors not judged yet, by any author. */
export function AskAtTaskEnd({ coder, driver }: { coder: Coder; driver: LiveDriver }) {
  const attempt = driver.status?.attempt ?? '';
  const ran = useRef(attempt);
  useEffect(() => {
    const ended = ran.current;
    ran.current = attempt;
    if (!ended || ended === attempt) return;
    const left = idsOf(coder.notJudged((act) => act.layer === 'live', ended));
    coder.ask([...new Set([...coder.asked, ...left])]);
  }, [attempt]);
  return null;
}
