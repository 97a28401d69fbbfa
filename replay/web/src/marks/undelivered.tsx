// Own acts missing in the store: pending for lack of a connection, and the last refused one.

import { useEmitter } from '../base/emitter';
import { count } from '../base/format';
import { Notice } from '../parts/parts';
import type { Coder } from './marks';

export function Undelivered({ coder }: { coder: Coder }) {
  const model = useEmitter(coder.model);
  const waiting = model.waiting();
  return (
    <>
      {waiting > 0 && (
        <Notice kind="warning">
          {count(waiting, 'tag or note waits', 'tags and notes wait')} for the connection, and will be stored when it is
          back. This tab keeps them, also after a reload.
        </Notice>
      )}
      {coder.trouble && <Notice kind="error">The last change was not stored: {coder.trouble}</Notice>}
      {model.lost && <Notice kind="error">A tag or note of the previous session was not stored: {model.lost}</Notice>}
    </>
  );
}
