// The moderator's banner during an interruption.

import { useEffect, useRef, useState } from 'preact/hooks';
import { type Act, Interruption_Kind } from '../../gen/protocol/acts_pb';
import { changedAct } from '../acts/model';
import { useUnlessTyping } from '../base/focus';
import { clock } from '../base/format';
import { useTicks } from '../base/ticks';
import type { LiveDriver } from '../driver/live';
import { INTERRUPTIONS } from '../session/clock';
import { type Do, toggleInterruption } from './course';

/** Changes of an interruption, and its note while being typed. @param stored  the interruption, once stored */
function useInterruptionNote(driver: LiveDriver, id: string, stored: Act | undefined) {
  const [note, setNote] = useState<string>();
  const [trouble, setTrouble] = useState('');
  /* unsent text belongs to the interruption that ended meanwhile */
  const unsent = useRef<{ act: Act; text: string } | undefined>(undefined);
  const change = async (values: object) => {
    if (!stored) return;
    const reason = await driver.model.put(driver.connection, changedAct(stored, values));
    setTrouble(reason);
    if (reason || !('note' in values)) return;
    unsent.current = undefined;
    setNote(undefined);
  };
  const type = (text: string) => {
    setNote(text);
    if (stored) unsent.current = { act: stored, text };
  };
  useEffect(
    () => () => {
      const left = unsent.current;
      unsent.current = undefined;
      setNote(undefined);
      if (left) void driver.model.put(driver.connection, changedAct(left.act, { note: left.text.trim() }));
    },
    [id],
  );
  return { note, type, trouble, change };
}

/** Banner over the picture during an interruption: kind, clock state, note. */
export function InterruptionBanner({ driver, act }: { driver: LiveDriver; act: Do }) {
  useTicks();
  const status = driver.status;
  /* the interruption may end while its note is being typed */
  const id = useUnlessTyping(status?.interruption ?? '');
  const stored = driver.model.entry(id)?.act;
  const body = stored?.body.case === 'interruption' ? stored.body.value : undefined;
  const { note, type, trouble, change } = useInterruptionNote(driver, id, stored);
  if (!status || !id) return null;
  const now = driver.connection.sessionNowNs() || status.nowNs;
  const keeps = body ? !body.stopsClock : status.interruptionKeepsClock;
  return (
    <section class="interruption" aria-label="Interruption">
      <b role="status">Interruption</b>
      <span class="figure">{status.interruption ? clock(now - status.interruptionFromNs) : 'has ended'}</span>
      <label class="row">
        <span class="hidden">Kind of the interruption</span>
        <select
          value={body?.kind ?? status.interruptionKind}
          onChange={(event) => void change({ kind: Number(event.currentTarget.value) })}
        >
          <option value={Interruption_Kind.UNSPECIFIED}>kind not stated</option>
          {[...INTERRUPTIONS].map(([kind, name]) => (
            <option key={kind} value={kind}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={!keeps}
          onChange={(event) => void change({ stopsClock: event.currentTarget.checked })}
        />
        stop time on task
      </label>
      <form
        class="row happened"
        onSubmit={(event) => {
          event.preventDefault();
          if (note !== undefined) void change({ note: note.trim() });
        }}
      >
        <input
          aria-label="Note on the interruption"
          placeholder="note"
          autocomplete="off"
          value={note ?? body?.note ?? ''}
          onInput={(event) => type(event.currentTarget.value)}
        />
        {note !== undefined && <button type="submit">Save</button>}
      </form>
      {status.interruption && (
        <button type="button" class="primary" onClick={() => toggleInterruption(driver, act)}>
          End interruption <kbd>⇧I</kbd>
        </button>
      )}
      {trouble && <p class="trouble">not stored: {trouble}</p>}
    </section>
  );
}
