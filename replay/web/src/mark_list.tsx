// The list of tags and notes.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Act, type Tag, Tag_Watching } from '../gen/protocol/acts_pb';
import { useEmitter } from './emitter';
import { clock, lag } from './format';
import { MarkEditor } from './mark_editor';
import type { Coder } from './marks';
import { IMPACTS, impactNumber, type SessionModel } from './model';
import { CodeChip } from './parts';

function watchingText(tag: Tag): string {
  if (tag.watching === Tag_Watching.ROOM) return 'set in the room';
  if (tag.watching === Tag_Watching.STREAM && tag.lagUs > 0n)
    return `as it was seen, ${lag(Number(tag.lagUs) / 1000)} behind`;
  return '';
}

/** The act that was removed last, also before a reload. */
function Removed({ coder }: { coder: Coder }) {
  if (!coder.removed) return null;
  return (
    <p class="row removed">
      <span>Removed: {coder.describe(coder.removed)}</span>
      <button type="button" class="small" onClick={() => coder.restore()}>
        Bring it back <kbd>⇧Z</kbd>
      </button>
    </p>
  );
}

/**
 * @param coder    whose tags can be changed here
 * @param onGo     jump to a moment; without it times are not links
 * @param layers   which are shown
 */
export function MarkList({
  coder,
  beginNs,
  onGo,
  layers,
  currentNs,
}: {
  coder: Coder;
  beginNs: bigint;
  onGo?: (ns: bigint) => void;
  layers: (act: Act) => boolean;
  currentNs?: bigint;
}) {
  const model = useEmitter(coder.model);
  const [editing, setEditing] = useState('');
  const list = useRef<HTMLDivElement>(null);
  const marks = model.marks().filter((mark) => layers(mark.act));
  useLayoutEffect(() => coder.show({ element: () => list.current, shows: layers }), [coder, layers]);
  if (!marks.length)
    return (
      <div ref={list}>
        <Removed coder={coder} />
        <p class="empty">No tags yet. Press a code's key when something happens.</p>
      </div>
    );
  return (
    <div ref={list}>
      <Removed coder={coder} />
      <ol class="marks">
      {(onGo ? marks : marks.reverse()).map(({ act, stored, waiting, trouble }) => {
        const body = act.body.value;
        const mine = coder.mayChange(act);
        const code = act.body.case === 'tag' ? model.code(act.body.value.code) : undefined;
        const impact = act.body.case === 'tag' ? impactNumber(act.body.value.impact) : undefined;
        const near = currentNs !== undefined && body.mediaNs <= currentNs && currentNs - body.mediaNs < 2_000_000_000n;
        return (
          <li key={act.id} data-act={act.id} class={`mark ${stored ? '' : 'pending'} ${mine ? 'mine' : ''} ${near ? 'near' : ''}`}>
            <div class="line">
              {onGo ? (
                <button
                  type="button"
                  class="time link"
                  data-media-ns={String(body.mediaNs)}
                  onClick={() => onGo(body.mediaNs)}
                >
                  {clock(body.mediaNs - beginNs)}
                </button>
              ) : (
                <span class="time" data-media-ns={String(body.mediaNs)}>
                  {clock(body.mediaNs - beginNs)}
                </span>
              )}
              {act.body.case === 'tag' ? (
                <span title={watchingText(act.body.value)}>
                  <CodeChip code={code} fallback={act.body.value.code} />
                </span>
              ) : (
                <span class="chip note">✎ note</span>
              )}
              {impact !== undefined && (
                <span class="impact" title={`Impact ${impact}: ${IMPACTS[impact]}`}>
                  {impact}
                </span>
              )}
              {act.body.case === 'tag' && act.body.value.recovered && (
                <span class="recovered" title="The participant recovered">
                  ↩ recovered
                </span>
              )}
              <span class="spring" />
              <span class="author" title={`layer ${act.layer}`}>
                {act.author || 'you'}
              </span>
              {mine && (
                <button
                  type="button"
                  class="quiet small"
                  aria-expanded={editing === act.id}
                  aria-label={`Change ${code?.name ?? 'note'} at ${clock(body.mediaNs - beginNs)}`}
                  onClick={() => setEditing(editing === act.id ? '' : act.id)}
                >
                  ⋯
                </button>
              )}
            </div>
            {act.body.case === 'tag' && act.body.value.opportunity && (
              <p class="detail">at “{opportunityTitle(model, act.body.value)}”</p>
            )}
            {(act.body.case === 'tag' ? act.body.value.note : act.body.value.text) && (
              <p class="detail">{act.body.case === 'tag' ? act.body.value.note : act.body.value.text}</p>
            )}
            {waiting && <p class="waiting">waiting for the connection</p>}
            {trouble && <Refused coder={coder} act={act} trouble={trouble} />}
            {editing === act.id && (
              <MarkEditor
                coder={coder}
                act={act}
                beginNs={beginNs}
                hereNs={onGo && (() => coder.moment()?.mediaNs ?? body.mediaNs)}
                onDone={() => {
                  setEditing('');
                  requestAnimationFrame(() =>
                    list.current?.querySelector<HTMLElement>(`[data-act="${act.id}"] [aria-expanded]`)?.focus(),
                  );
                }}
              />
            )}
          </li>
        );
      })}
      </ol>
    </div>
  );
}

/** An act that the store refused: it is still here, and can be changed, sent again or given up. */
function Refused({ coder, act, trouble }: { coder: Coder; act: Act; trouble: string }) {
  return (
    <div class="refused">
      <p class="trouble">not stored: {trouble}</p>
      <div class="row">
        <button type="button" class="small" onClick={() => void coder.put(act)}>
          Try again
        </button>
        <button type="button" class="small quiet" onClick={() => coder.model.forget(act.id)}>
          Give it up
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
