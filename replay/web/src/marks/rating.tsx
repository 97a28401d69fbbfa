// Buttons for impact and recovery of the last own tag.

import { IMPACTS, impactNumber } from '../acts/model';
import { useEmitter } from '../base/emitter';
import { clock } from '../base/format';
import { hints } from '../base/keys';
import type { Coder } from './marks';

const show = (why: string) => why && hints.show(why);

/** Shows the name and state of the tag that its buttons change. */
export function RatingBar({ coder }: { coder: Coder }) {
  const model = useEmitter(coder.model);
  const act = model.lastOwn('tag')?.act;
  const tag = act?.body.case === 'tag' ? act.body.value : undefined;
  const name = tag ? (model.code(tag.code)?.name ?? tag.code) : '';
  const impact = tag ? impactNumber(tag.impact) : undefined;
  const label = tag ? `${clock(tag.mediaNs - coder.beginNs())} ${name}` : 'none of yours';
  return (
    <div class="rating" role="group" aria-label={`Your last tag: ${label}`}>
      <span class="last" title={label}>
        last: <b>{label}</b>
      </span>
      <span class="impacts" role="group" aria-label="Impact">
        <span class="muted" aria-hidden="true">
          impact
        </span>
        {IMPACTS.map((meaning, number) => (
          <button
            key={meaning}
            type="button"
            disabled={!tag}
            aria-pressed={impact === number}
            aria-label={`Impact ${number}: ${meaning}`}
            title={`Impact ${number}: ${meaning} (${number})`}
            onClick={() => show(coder.impact(number, true))}
          >
            {number}
          </button>
        ))}
      </span>
      <button
        type="button"
        disabled={!tag}
        aria-pressed={tag?.recovered ?? false}
        title="The participant recovered (R)"
        onClick={() => show(coder.recovered(true))}
      >
        <kbd>R</kbd> recovered
      </button>
      <button type="button" class="quiet" disabled={!model.lastOwn()} onClick={() => show(coder.undo())}>
        <kbd>Z</kbd> undo
      </button>
    </div>
  );
}
