// The field that notes are written in.

import { useRef, useState } from 'preact/hooks';
import type { Coder } from './marks';
import type { Moment } from './model';

/** A note is stamped at its first key, not when it is finished. */
export function NoteField({ coder, disabled }: { coder: Coder; disabled: boolean }) {
  const [text, setText] = useState('');
  const [refused, setRefused] = useState('');
  const started = useRef<Moment | undefined>(undefined);
  const typed = useRef('');
  const type = (value: string, moment?: Moment) => {
    typed.current = value;
    setText(value);
    started.current = value ? (moment ?? started.current ?? coder.moment()) : undefined;
  };
  const submit = async () => {
    const moment = started.current;
    if (!moment) return;
    type('');
    const isFree = () => typed.current === '';
    const reason = await coder.note(moment, text, isFree);
    setRefused(isFree() ? reason : '');
    if (reason && isFree()) type(text, moment);
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
        value={text}
        disabled={disabled}
        placeholder="Note, stamped at its first key"
        autocomplete="off"
        aria-invalid={refused !== ''}
        aria-describedby={refused ? 'note-refused' : undefined}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <button type="submit" disabled={disabled || !text.trim()}>
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
