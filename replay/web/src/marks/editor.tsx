// Form for changing a tag or a note.

import type { Ref } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Act, type Impact, type Note, type Tag, Tag_Planned } from '../../gen/protocol/acts_pb';
import type { Study_Opportunity } from '../../gen/protocol/study_pb';
import { changeAct, IMPACTS } from '../acts/model';
import { TimeField } from './correct';
import { type Coder, judgement, recovery } from './marks';

/* value for "no opportunity": ids contain no space */
const NONE = ' ';
/* margins around the form, and between it and its row */
const ROOM_PX = 8;
const STEP_NS = 200_000_000n;

/**
 * Place the form beside its row, over the picture, if there is room, else as near as it fits: it never displaces the
 * list and is never clipped.
 */
function put(form: HTMLElement, row: Element): void {
  const { width, height } = form.getBoundingClientRect();
  const at = row.getBoundingClientRect();
  const [most, bottom] = [window.innerWidth - width - ROOM_PX, window.innerHeight - height - ROOM_PX];
  const beside = at.left - width - ROOM_PX >= 0 ? at.left - width - ROOM_PX : at.right + ROOM_PX;
  const isBeside = beside <= most;
  const left = isBeside ? beside : Math.min(most, at.left);
  const top = isBeside ? at.top : at.bottom + height + ROOM_PX <= window.innerHeight ? at.bottom : at.top - height;
  form.style.left = `${Math.max(ROOM_PX, left)}px`;
  form.style.top = `${Math.max(ROOM_PX, Math.min(bottom, top))}px`;
}

/** Show a form in the top layer, and keep its position up to date. */
function usePopover() {
  const form = useRef<HTMLFormElement>(null);
  useLayoutEffect(() => {
    const { current } = form;
    const row = current?.closest('[data-act]');
    if (!current || !row) return undefined;
    current.showPopover();
    const place = () => put(current, row);
    place();
    const sizes = new ResizeObserver(place);
    sizes.observe(current);
    sizes.observe(row);
    window.addEventListener('resize', place);
    window.addEventListener('scroll', place, { capture: true, passive: true });
    return () => {
      sizes.disconnect();
      window.removeEventListener('resize', place);
      window.removeEventListener('scroll', place, true);
    };
  }, []);
  return form;
}

function textOf({ body }: Act): string {
  return body.case === 'tag' ? body.value.note : body.case === 'note' ? body.value.text : '';
}

/** Store a change of a mark. @return the reason of a refusal, or "" */
type Save = (change: Partial<Tag> | Partial<Note>) => Promise<string>;

function opportunitiesOf({ model }: Coder, tag: Tag): readonly Study_Opportunity[] {
  const attempt = model.attempts().find(({ id }) => id === tag.attempt)?.attempt;
  return (attempt && model.task(attempt.task)?.opportunities) ?? [];
}

function OpportunityField({
  tag,
  opportunities,
  save,
}: {
  tag: Tag;
  opportunities: readonly Study_Opportunity[];
  save: Save;
}) {
  return (
    <label>
      Opportunity
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
  );
}

/** Code, impact, opportunity and recovery of a tag. */
function TagFields({
  coder,
  tag,
  first,
  save,
}: {
  coder: Coder;
  tag: Tag;
  first: Ref<HTMLSelectElement>;
  save: Save;
}) {
  const opportunities = opportunitiesOf(coder, tag);
  return (
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
      {opportunities.length > 0 && <OpportunityField tag={tag} opportunities={opportunities} save={save} />}
      <label class="check">
        <input
          type="checkbox"
          checked={tag.recovered}
          onChange={(event) => save(recovery(event.currentTarget.checked))}
        />
        recovered
      </label>
    </>
  );
}

/** Text of a note, or the note of a tag; Enter saves, Shift+Enter begins a line. */
function NoteText({ text, onText }: { text: string; onText: (text: string) => void }) {
  return (
    <label class="wide">
      Note
      <textarea
        rows={Math.min(6, text.split('\n').length)}
        value={text}
        onInput={(event) => onText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.isComposing) return;
          event.preventDefault();
          event.currentTarget.form?.requestSubmit();
        }}
      />
    </label>
  );
}

function EditorButtons({
  isChanged,
  onRemove,
  onDone,
}: {
  isChanged: boolean;
  onRemove: () => void;
  onDone: () => void;
}) {
  return (
    <div class="row">
      <button type="submit" class="primary">
        Save
      </button>
      <button type="button" onClick={onDone}>
        {isChanged ? 'Cancel' : 'Close'}
      </button>
      <span class="spring" />
      <button
        type="button"
        class="danger"
        onClick={() => {
          onRemove();
          onDone();
        }}
      >
        Remove
      </button>
    </div>
  );
}

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
  const [noteText, setNoteText] = useState(textOf(act));
  const form = usePopover();
  /* synchronously, before the next key event */
  useLayoutEffect(() => (first.current ?? form.current?.querySelector<HTMLElement>('.wide input, .wide textarea'))?.focus(), []);
  const tag = act.body.case === 'tag' ? act.body.value : undefined;
  const mediaNs = tag?.mediaNs ?? (act.body.case === 'note' ? act.body.value.mediaNs : 0n);
  /* a moved tag belongs to the attempt at its new time */
  const movedTo = (ns: bigint) => ({
    mediaNs: ns,
    ...(tag && { attempt: coder.model.attemptAt(ns)?.id ?? tag.attempt }),
  });
  const stored = coder.model.entry(act.id)?.act;
  const written = tag ? { note: noteText } : { text: noteText };
  const save: Save = async (change) => {
    if (stored) return coder.put(changeAct(coder.model.entry(act.id)?.act ?? act, change));
    const reason = await coder.bringBack(changeAct(act, { ...written, ...change }));
    if (!reason) onDone();
    return reason;
  };
  return (
    <form
      class="editor"
      ref={form}
      popover="manual"
      aria-label={`Change ${coder.describe(act)}`}
      onSubmit={async (event) => {
        event.preventDefault();
        /* refused text stays in its field */
        if (!(await save(written))) onDone();
      }}
      onKeyDown={(event) => {
        const { key } = event;
        if (key === 'Escape') onDone();
        else if (event.altKey && (key === 'ArrowLeft' || key === 'ArrowRight'))
          void save(movedTo(mediaNs + (key === 'ArrowLeft' ? -STEP_NS : STEP_NS)));
        else return;
        /* Alt with an arrow navigates the browser history */
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {!stored && (
        <p class="notice warning wide" role="status">
          It was removed meanwhile. Save adds it again.
        </p>
      )}
      {tag && <TagFields coder={coder} tag={tag} first={first} save={save} />}
      <TimeField label="Time" ns={mediaNs} beginNs={beginNs} hereNs={hereNs} onSet={(ns) => void save(movedTo(ns))} />
      <p class="hint wide">
        <kbd>alt</kbd> <kbd>← →</kbd> 0.2 s earlier, later
      </p>
      <NoteText text={noteText} onText={setNoteText} />
      <EditorButtons
        isChanged={noteText !== textOf(stored ?? act)}
        onRemove={() => void coder.remove(act)}
        onDone={onDone}
      />
    </form>
  );
}
