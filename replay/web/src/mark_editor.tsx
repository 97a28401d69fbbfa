// The form that changes a tag or a note.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Act, type Impact, type Note, type Tag, Tag_Planned } from '../gen/protocol/acts_pb';
import { TimeField } from './correct';
import { type Coder, judgement, recovery } from './marks';
import { changeAct, IMPACTS } from './model';

/* of no opportunity: ids have no space */
const NONE = ' ';

export function MarkEditor({
  coder,
  act,
  beginNs,
  hereNs,
  onDone,
}: {
  coder: Coder;
  act: Act;
  beginNs: bigint;
  hereNs?: () => bigint;
  onDone: () => void;
}) {
  const first = useRef<HTMLSelectElement>(null);
  const [noteText, setNoteText] = useState(
    act.body.case === 'tag' ? act.body.value.note : act.body.case === 'note' ? act.body.value.text : '',
  );
  /* before the next key can come */
  useLayoutEffect(() => first.current?.focus(), []);
  const tag = act.body.case === 'tag' ? act.body.value : undefined;
  const attempt = tag && coder.model.attempts().find(({ id }) => id === tag.attempt)?.attempt;
  const opportunities = (attempt && coder.model.task(attempt.task)?.opportunities) ?? [];
  const mediaNs = tag?.mediaNs ?? (act.body.case === 'note' ? act.body.value.mediaNs : 0n);
  /* a tag that is moved goes to the attempt at its new time */
  const movedTo = (ns: bigint) => ({
    mediaNs: ns,
    ...(tag && { attempt: coder.model.attemptAt(ns)?.id ?? tag.attempt }),
  });
  const save = (change: Partial<Tag> | Partial<Note>) =>
    coder.put(changeAct(coder.model.entry(act.id)?.act ?? act, change));
  return (
    <form
      class="editor"
      aria-label="Change it"
      onSubmit={async (event) => {
        event.preventDefault();
        /* text that is refused stays in its field */
        if (!(await save(tag ? { note: noteText } : { text: noteText }))) onDone();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onDone();
      }}
    >
      {tag && (
        <>
          <label>
            Code
            <select ref={first} value={tag.code} onChange={(event) => save({ code: event.currentTarget.value })}>
              {coder.model.study?.codes.map((code) => (
                <option key={code.id} value={code.id}>
                  {code.name}
                </option>
              ))}
            </select>
          </label>
          <label>
            Impact
            <select
              value={tag.impact}
              onChange={(event) => save({ impact: Number(event.currentTarget.value) as Impact })}
            >
              <option value={0}>not rated</option>
              {IMPACTS.map((name, number) => (
                <option key={name} value={number + 1}>
                  {number} {name}
                </option>
              ))}
            </select>
          </label>
          {opportunities.length > 0 && (
            <label>
              Made at
              <select
                value={tag.opportunity || (tag.planned === Tag_Planned.UNPLANNED ? NONE : '')}
                onChange={(event) => {
                  const { value } = event.currentTarget;
                  void save(judgement(value === NONE ? '' : value || undefined));
                }}
              >
                <option value="">not judged</option>
                <option value={NONE}>none of them</option>
                {opportunities.map((opportunity) => (
                  <option key={opportunity.id} value={opportunity.id}>
                    {opportunity.title || opportunity.id}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label class="check">
            <input
              type="checkbox"
              checked={tag.recovered}
              onChange={(event) => save(recovery(event.currentTarget.checked))}
            />
            recovered
          </label>
        </>
      )}
      <TimeField label="Time" ns={mediaNs} beginNs={beginNs} hereNs={hereNs} onSet={(ns) => void save(movedTo(ns))} />
      <label class="wide">
        Note
        <textarea
          rows={Math.min(6, noteText.split('\n').length)}
          value={noteText}
          onInput={(event) => setNoteText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.isComposing) return;
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }}
        />
      </label>
      <div class="row">
        <button type="submit" class="primary">
          Save
        </button>
        <button type="button" onClick={onDone}>
          Close
        </button>
        <span class="spring" />
        <button
          type="button"
          class="danger"
          onClick={() => {
            void coder.remove(act);
            onDone();
          }}
        >
          Remove
        </button>
      </div>
    </form>
  );
}
