// Permanent deletion of a session, confirmed by typing the participant's label.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { SessionSummary } from '../../gen/protocol/wire_pb';
import { bytes, date } from '../base/format';
import type { Connection } from '../net/connection';
import { Notice, onlyByButton } from '../parts/parts';

export function DeleteDialog({
  session,
  connection,
  onDone,
}: {
  session: SessionSummary;
  connection: Connection;
  onDone: (deleted: boolean) => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const deleted = useRef(false);
  const [label, setLabel] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState('');
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const wanted = session.participants[0] ?? session.session;
  const remove = async () => {
    setBusy(true);
    try {
      await connection.request({ case: 'deleteSession', value: { session: session.session, label: label.trim() } });
      deleted.current = true;
      dialog.current?.close();
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <dialog ref={dialog} class="asking" aria-labelledby="delete-title" onClose={() => onDone(deleted.current)}>
      <h2 id="delete-title">Delete this session permanently?</h2>
      <p>
        Session {session.session} of <b>{session.participants.join(', ') || 'no participant'}</b>
        {session.beginNs !== 0n && `, ${date(session.beginNs)}`}, {bytes(session.bytes)}: the recording, all tags
        and notes, the consent and the transcript. No copy is kept here, and this cannot be undone.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (label.trim() === wanted) void remove();
        }}
        onKeyDown={onlyByButton}
      >
        <label class="asked">
          Type “{wanted}” to confirm
          <input
            value={label}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setLabel(event.currentTarget.value)}
          />
        </label>
        {trouble && <Notice kind="error">{trouble}</Notice>}
        <div class="row">
          <button type="submit" class="danger" disabled={busy || label.trim() !== wanted}>
            Delete session
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}
