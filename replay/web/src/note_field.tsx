// The field that notes are written in.

import { useReducer, useState } from 'preact/hooks';
import { hints } from './keys';
import type { Coder } from './marks';
import type { Moment } from './model';

/**
 * A note is stamped at its first key, not when it is finished. What is written stays, also when the field goes or
 * nothing can be added now.
 *
 * @param why  why no note can be added now, or ""
 */
export function NoteField({ coder, why }: { coder: Coder; why: string }) {
  const { draft } = coder;
  const [, render] = useReducer((count: number) => count + 1, 0);
  const [refused, setRefused] = useState('');
  const type = (text: string, moment?: Moment) => {
    draft.text = text;
    draft.moment = text ? (moment ?? draft.moment ?? coder.moment()) : undefined;
    render(undefined);
  };
  const submit = async () => {
    const { text, moment = coder.moment() } = draft;
    if (!text.trim()) return;
    const reason = why || (moment ? '' : 'there is no picture yet');
    if (reason || !moment) {
      hints.show(`Note not added: ${reason}. Its text stays here`);
      return;
    }
    type('');
    const isFree = () => draft.text === '';
    const refusal = await coder.note(moment, text, isFree);
    setRefused(isFree() ? refusal : '');
    if (refusal && isFree()) type(text, moment);
  };
  return (
    <form
      class="notefield"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <label class="hidden" for="note">
        Note (N)
      </label>
      <input
        id="note"
        value={draft.text}
        placeholder="Note, stamped at its first key"
        autocomplete="off"
        aria-invalid={refused !== ''}
        aria-describedby={refused ? 'note-refused' : undefined}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <button type="submit" disabled={!draft.text.trim()}>
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
