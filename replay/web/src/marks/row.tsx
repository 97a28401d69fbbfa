// One tag or note in a list.

import { type Act, type Tag, Tag_Watching } from '../../gen/protocol/acts_pb';
import { IMPACTS, impactNumber, type SessionModel } from '../acts/model';
import { clock, lag } from '../base/format';
import { isOwn } from '../net/identity';
import { CodeChip } from '../parts/parts';
import { MarkEditor } from './editor';
import type { Coder } from './marks';

export type Mark = ReturnType<SessionModel['marks']>[number];

function watchingText(tag: Tag): string {
  if (tag.watching === Tag_Watching.ROOM) return 'set in the room';
  if (tag.watching === Tag_Watching.STREAM && tag.lagUs > 0n)
    return `as seen, ${lag(Number(tag.lagUs) / 1000)} behind`;
  return '';
}

function Time({ at, ns, onGo }: { at: string; ns: bigint; onGo?: (ns: bigint) => void }) {
  return onGo ? (
    <button type="button" class="time link" data-media-ns={String(ns)} onClick={() => onGo(ns)}>
      {at}
    </button>
  ) : (
    <span class="time" data-media-ns={String(ns)}>
      {at}
    </span>
  );
}

/** Code, impact and recovery. */
function TagChips({ model, tag }: { model: SessionModel; tag: Tag }) {
  const impact = impactNumber(tag.impact);
  return (
    <>
      <span title={watchingText(tag)}>
        <CodeChip code={model.code(tag.code)} fallback={tag.code} />
      </span>
      {impact !== undefined && (
        <span class="impact" title={`Impact ${impact}: ${IMPACTS[impact]}`}>
          {impact}
        </span>
      )}
      {tag.recovered && (
        <span class="recovered" title="The participant recovered">
          ↩<span class="hidden"> recovered</span>
        </span>
      )}
    </>
  );
}

/** The author; "you" for own marks, with a bar at the row. */
function Author({ act, own }: { act: Act; own: boolean }) {
  return (
    <span class={`author ${own ? 'own' : ''}`} title={own && act.author ? `you, as ${act.author}` : act.author}>
      {own ? 'you' : act.author}
    </span>
  );
}

/**
 * @param place    1-based position, and total number
 * @param onGo     jump to a moment; without it times are not links
 * @param onEdit   open or close the editor
 * @param onDone   close the editor and restore the focus
 */
export function MarkRow({
  coder,
  mark: { act, stored, waiting, trouble },
  beginNs,
  place,
  of,
  isNear,
  isEditing,
  onGo,
  onEdit,
  onDone,
}: {
  coder: Coder;
  mark: Mark;
  beginNs: bigint;
  place: number;
  of: number;
  isNear: boolean;
  isEditing: boolean;
  onGo?: (ns: bigint) => void;
  onEdit: () => void;
  onDone: () => void;
}) {
  const { model } = coder;
  const body = act.body.value;
  const mine = coder.mayChange(act);
  const own = isOwn(act, coder.connection);
  const code = act.body.case === 'tag' ? model.code(act.body.value.code) : undefined;
  const text = act.body.case === 'tag' ? act.body.value.note : act.body.value.text;
  const at = clock(body.mediaNs - beginNs);
  const classes = [stored ? '' : 'pending', mine ? 'mine' : '', own ? 'own' : '', isNear ? 'near' : ''];
  return (
    <li data-act={act.id} class={`mark ${classes.filter(Boolean).join(' ')}`} aria-posinset={place} aria-setsize={of}>
      <div class="line">
        <Time at={at} ns={body.mediaNs} onGo={onGo} />
        {act.body.case === 'tag' ? (
          <TagChips model={model} tag={act.body.value} />
        ) : (
          <span class="chip note">✎ note</span>
        )}
        <span class="spring" />
        <Author act={act} own={own} />
        {mine && (
          <button
            type="button"
            class="quiet small"
            aria-expanded={isEditing}
            aria-label={`Change ${code?.name ?? 'note'} at ${at}`}
            onClick={onEdit}
          >
            ⋯
          </button>
        )}
      </div>
      {act.body.case === 'tag' && act.body.value.opportunity && (
        <p class="detail">at “{opportunityTitle(model, act.body.value)}”</p>
      )}
      {text && <p class="detail text">{text}</p>}
      {waiting && <p class="waiting">waiting for the connection</p>}
      {trouble && <Refused coder={coder} act={act} trouble={trouble} />}
      {isEditing && (
        <MarkEditor
          coder={coder}
          act={act}
          beginNs={beginNs}
          hereNs={onGo && (() => coder.moment()?.mediaNs ?? body.mediaNs)}
          onDone={onDone}
        />
      )}
    </li>
  );
}

/** An act refused by the store: kept here, to be changed, sent again or dropped. */
function Refused({ coder, act, trouble }: { coder: Coder; act: Act; trouble: string }) {
  return (
    <div class="refused">
      <p class="trouble">not stored: {trouble}</p>
      <div class="row">
        <button type="button" class="small" onClick={() => void coder.put(act)}>
          Try again
        </button>
        <button type="button" class="small quiet" onClick={() => coder.model.forget(act.id)}>
          Discard
        </button>
      </div>
    </div>
  );
}

function opportunityTitle(model: SessionModel, tag: Tag): string {
  const attempt = model.attempts().find(({ id }) => id === tag.attempt)?.attempt;
  const found = (attempt ? model.task(attempt.task)?.opportunities : undefined)?.find(
    (opportunity) => opportunity.id === tag.opportunity,
  );
  return found?.title || tag.opportunity;
}
