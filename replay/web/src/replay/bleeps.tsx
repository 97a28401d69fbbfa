// Bleeps: spans of silenced sound. The form for a new one, and the list.

import type { RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { bleepAct, removeAct } from '../acts/model';
import { useEmitter } from '../base/emitter';
import { clock, parseClock } from '../base/format';
import type { RecordedDriver } from '../driver/recorded';
import type { Coder } from '../marks/marks';

/* default length: the last utterance */
const USUAL_NS = 2_000_000_000n;

/** Fault of a span that was typed, or "". */
function faultOf(fromNs: bigint | undefined, toNs: bigint | undefined, lengthNs: bigint): string {
  if (fromNs === undefined || toNs === undefined) return 'enter a time such as 12:31.40';
  if (fromNs >= toNs) return 'the end must be after the begin';
  return toNs > lengthNs + 10_000_000n ? `the session is ${clock(lengthNs, 2)} long` : '';
}

/** One end of the span, and the button that sets it to the moment shown. */
function EndField({
  name,
  value,
  isWrong,
  here,
  button,
  inputRef,
  onChange,
}: {
  name: string;
  value: string;
  isWrong: boolean;
  here: () => string;
  button: string;
  inputRef?: RefObject<HTMLInputElement | null>;
  onChange: (value: string) => void;
}) {
  return (
    <div class="row">
      <label>
        {name}
        <input
          ref={inputRef}
          size={8}
          value={value}
          autocomplete="off"
          aria-invalid={isWrong}
          aria-describedby="bleep-trouble"
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      </label>
      <button type="button" class="small" onClick={() => onChange(here())}>
        {button}
      </button>
    </div>
  );
}

/** Form with begin, end and reason. Stays open during playback, so that both ends can be found by ear. */
export function BleepForm({
  driver,
  coder,
  onDone,
}: {
  driver: RecordedDriver;
  coder: Coder;
  onDone: () => void;
}) {
  const begin = driver.beginNs;
  const length = driver.endNs - begin;
  const here = () => clock(driver.nowNs() - begin, 2);
  const [from, setFrom] = useState(() => {
    const at = driver.nowNs() - begin - USUAL_NS;
    return clock(at < 0n ? 0n : at, 2);
  });
  const [to, setTo] = useState(here);
  const [reason, setReason] = useState('');
  const [refused, setRefused] = useState('');
  const first = useRef<HTMLInputElement>(null);
  /* synchronously, before the next key event */
  useLayoutEffect(() => first.current?.focus(), []);
  const fromNs = parseClock(from);
  const toNs = parseClock(to);
  const trouble = faultOf(fromNs, toNs, length);
  const isWrong = trouble !== '';
  return (
    <form
      class="row wrap bleeping"
      aria-label="Bleep a span"
      onSubmit={async (event) => {
        event.preventDefault();
        if (trouble || fromNs === undefined || toNs === undefined) return;
        const act = bleepAct(coder.layer, begin + fromNs, begin + toNs, reason.trim());
        const why = await coder.put(act);
        if (!why) return onDone();
        setRefused(why);
        driver.model.forget(act.id);
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        onDone();
      }}
    >
      <EndField name="From" value={from} isWrong={isWrong} here={here} button="From here" inputRef={first} onChange={setFrom} />
      <EndField name="to" value={to} isWrong={isWrong} here={here} button="Until here" onChange={setTo} />
      <label>
        Reason
        <input
          value={reason}
          maxLength={200}
          placeholder="a name, an address, …"
          autocomplete="off"
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={isWrong}>
        Add bleep
      </button>
      <button type="button" onClick={onDone}>
        Cancel
      </button>
      <span id="bleep-trouble" class="trouble" role="status">
        {trouble || (refused && `not stored: ${refused}`)}
      </span>
    </form>
  );
}

/** The list. Users can take back their own bleeps, a moderator all of them. */
export function BleepList({
  coder,
  beginNs,
  onGo,
}: {
  coder: Coder;
  beginNs: bigint;
  onGo: (ns: bigint) => void;
}) {
  const model = useEmitter(coder.model);
  const bleeps = model.bleeps();
  if (!bleeps.length) return null;
  return (
    <section class="bleeps" aria-labelledby="bleeps-title">
      <h2 id="bleeps-title">Bleeps</h2>
      <ul>
        {bleeps.map(({ act, stored, waiting, trouble }) => {
          const { fromNs, toNs, reason } = act.body.value;
          const from = clock(fromNs - beginNs, 1);
          return (
            <li key={act.id} class={`mark ${stored ? '' : 'pending'}`}>
              <div class="line">
                <button type="button" class="time link" onClick={() => onGo(fromNs)}>
                  {from}
                </button>
                <span class="figure muted">{(Number(toNs - fromNs) / 1e9).toFixed(1)} s</span>
                <span class="spring" />
                <span class="author" title={`layer ${act.layer}`}>
                  {act.author || 'you'}
                </span>
                {(coder.mayChange(act) || coder.connection.isModerator) && (
                  <button
                    type="button"
                    class="small"
                    aria-label={`Remove the bleep at ${from}`}
                    onClick={() => void (trouble ? model.forget(act.id) : coder.put(removeAct(act)))}
                  >
                    Remove
                  </button>
                )}
              </div>
              {reason && <p class="detail">{reason}</p>}
              {waiting && <p class="waiting">waiting for the connection</p>}
              {trouble && <p class="trouble">not stored: {trouble}</p>}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
