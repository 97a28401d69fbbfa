// The input field for notes.

import { useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { Moment } from '../acts/model';
import { hints } from '../base/keys';
import type { Coder } from './marks';

/** A session that accepts notes. */
export interface NoteTarget {
  session: string;
  /** The participant. */
  name: string;
  /** Deadline of an ended session, on this machine's clock. */
  until?: string;
  moment: () => Moment | undefined;
}

/** Fit the height to the text, up to the limit of the style sheet. */
function grow(field: HTMLTextAreaElement | null): void {
  if (!field) return;
  field.style.height = 'auto';
  const borders = field.offsetHeight - field.clientHeight;
  field.style.height = `${field.scrollHeight + borders}px`;
}

/** Selection of the note's session, unless only the running one accepts notes. */
function Targets({
  targets,
  current,
  onChoose,
}: {
  targets: readonly NoteTarget[];
  current: NoteTarget;
  onChoose: (target: NoteTarget) => void;
}) {
  if (targets.length === 1)
    return current.until ? (
      <p class="notefor">
        notes for {current.name} until {current.until}
      </p>
    ) : null;
  return (
    <div class="notefor row" role="group" aria-label="Notes for">
      <span aria-hidden="true">notes for</span>
      {targets.map((target) => (
        <button
          key={target.session}
          type="button"
          class="small"
          aria-pressed={target.session === current.session}
          onClick={() => onChoose(target)}
        >
          {target.name}
          {target.until && ` until ${target.until}`}
        </button>
      ))}
    </div>
  );
}

/** The note being written, and its session: `draft` changes in place. */
function useNote(coder: Coder, why: () => string, targets: () => readonly NoteTarget[]) {
  const { draft } = coder;
  const [, render] = useReducer((renders: number) => renders + 1, 0);
  const [refused, setRefused] = useState('');
  const [chosen, setChosen] = useState('');
  const wanted = draft.session || chosen;
  const chosenOf = (all: readonly NoteTarget[]) => all.find(({ session }) => session === wanted) ?? all[0];
  const choices = targets();
  const type = (text: string, moment?: Moment, session?: string) => {
    const now = chosenOf(targets());
    draft.text = text;
    draft.moment = text ? (moment ?? draft.moment ?? now?.moment()) : undefined;
    draft.session = text ? (session ?? draft.session ?? now?.session) : undefined;
    render(undefined);
  };
  const choose = (target: NoteTarget) => {
    setChosen(target.session);
    if (draft.text) type(draft.text, target.moment(), target.session);
  };
  const submit = async () => {
    const { text } = draft;
    if (!text.trim()) return;
    const now = chosenOf(targets());
    const moment = draft.moment ?? now?.moment();
    const session = draft.session ?? now?.session;
    const reason = why() || (moment && session ? '' : 'there is no picture yet');
    if (reason || !moment || !session) {
      hints.show(`Note not added: ${reason}. Its text stays here`);
      return;
    }
    type('');
    const isFree = () => draft.text === '';
    const refusal = await coder.note(session, moment, text, isFree);
    setRefused(isFree() ? refusal : '');
    if (refusal && isFree()) type(text, moment, session);
    else if (!refusal && session !== coder.model.session) hints.show(`Note added for ${now?.name ?? 'the previous session'}`);
  };
  return { draft, refused, choices, target: chosenOf(choices), choose, type, submit };
}

/**
 * A note is stamped at its first key, not at its completion, and belongs to the session running then. Its text is kept
 * when the field is unmounted or no note can be added now. Enter adds it, Shift+Enter begins a line.
 *
 * @param why      evaluated at the press: reason why no note can be added now, or ""
 * @param targets  evaluated at the press: the sessions that accept notes, the default first; if absent, that of the
 *                 page
 * @param about    a condition under which notes are taken now, or ""
 */
export function NoteField({
  coder,
  why,
  targets = () => [{ session: coder.model.session, name: '', moment: coder.moment }],
  about = '',
}: {
  coder: Coder;
  why: () => string;
  targets?: () => readonly NoteTarget[];
  about?: string;
}) {
  const { draft, refused, choices, target, choose, type, submit } = useNote(coder, why, targets);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => grow(field.current), [draft.text]);
  return (
    <form
      class="notefield"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {about && <p class="notefor">{about}</p>}
      {target && <Targets targets={choices} current={target} onChoose={choose} />}
      <label class="hidden" for="note">
        Note (N)
      </label>
      <textarea
        ref={field}
        id="note"
        rows={1}
        value={draft.text}
        placeholder="Note, stamped at its first key"
        autocomplete="off"
        enterkeyhint="send"
        aria-invalid={refused !== ''}
        aria-describedby={refused ? 'note-refused' : undefined}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
          if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.isComposing) return;
          event.preventDefault();
          void submit();
        }}
      />
      <button type="submit" disabled={!draft.text.trim()} title="Enter adds the note, Shift+Enter starts a new line">
        Add
      </button>
      {refused && (
        <p id="note-refused" class="trouble" role="alert">
          not stored: {refused}
        </p>
      )}
    </form>
  );
}
