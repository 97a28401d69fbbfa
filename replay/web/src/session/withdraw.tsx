// Withdrawal of consent: the dialog, with two confirmations, and the page of a session kept back.

import { create } from '@bufbuild/protobuf';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Act, Act_Kind, ActSchema } from '../../gen/protocol/acts_pb';
import type { SessionSummary } from '../../gen/protocol/wire_pb';
import { newId, removeAct } from '../acts/model';
import { useEmitter } from '../base/emitter';
import { clock, date } from '../base/format';
import type { RecordedDriver } from '../driver/recorded';
import type { Connection } from '../net/connection';
import { Crumbs, Notice, TopBar } from '../parts/parts';
import { USES } from './consent';

const MODALITIES: ReadonlyArray<[modality: string, words: string]> = [
  ['screen', 'the screen'],
  ['input', 'clicks and keys'],
  ['sound', 'the sound'],
];

function withdrawalAct(value: { modalities: string[]; uses: string[]; fromNs: bigint; reason: string }): Act {
  return create(ActSchema, {
    id: newId(),
    kind: Act_Kind.ADD,
    layer: 'live',
    body: { case: 'withdrawal', value },
  });
}

async function put(connection: Connection, session: string, act: Act): Promise<string> {
  try {
    await connection.request({ case: 'putAct', value: { session, act } });
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/* an empty list in the act means all: it includes modalities and uses of later versions */
const chosen = (all: ReadonlyArray<[string, string]>, wanted: ReadonlySet<string>) =>
  wanted.size === all.length ? [] : all.map(([one]) => one).filter((one) => wanted.has(one));

function Choice({
  title,
  all,
  wanted,
  onChange,
}: {
  title: string;
  all: ReadonlyArray<[string, string]>;
  wanted: ReadonlySet<string>;
  onChange: (wanted: Set<string>) => void;
}) {
  return (
    <fieldset>
      <legend>{title}</legend>
      {all.map(([one, words]) => (
        <label key={one} class="check">
          <input
            type="checkbox"
            checked={wanted.has(one)}
            onChange={(event) => {
              const next = new Set(wanted);
              if (event.currentTarget.checked) next.add(one);
              else next.delete(one);
              onChange(next);
            }}
          />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

/** The effect of the chosen withdrawal, in words. */
function wordsOf(modalities: ReadonlySet<string>, uses: ReadonlySet<string>, from: string, running: boolean): string {
  const all = modalities.size === MODALITIES.length && uses.size === USES.length;
  const what = MODALITIES.filter(([one]) => modalities.has(one)).map(([, words]) => words).join(', ');
  const purpose = uses.size === USES.length ? '' : ` for ${USES.filter(([one]) => uses.has(one)).map(([one]) => one).join(', ')}`;
  const begin = from ? ` from ${from} on` : '';
  if (!all) return `${what}${purpose} will no longer be shown, exported or counted${begin}.${running && uses.size === USES.length ? ' It is no longer recorded either.' : ''}`;
  return `Nothing of this session will be shown, exported or counted${begin}.${running ? ' The recording ends now.' : ''}`;
}

/** Choices of the form: parts of the consent taken back, from when, and why. */
function useWithdrawal() {
  const [modalities, setModalities] = useState<ReadonlySet<string>>(new Set(MODALITIES.map(([one]) => one)));
  const [uses, setUses] = useState<ReadonlySet<string>>(new Set(USES.map(([use]) => use)));
  const [later, setLater] = useState(false);
  const [reason, setReason] = useState('');
  const act = (atNs: bigint) =>
    withdrawalAct({
      modalities: chosen(MODALITIES, modalities),
      uses: chosen(USES, uses),
      fromNs: later ? atNs : 0n,
      reason: reason.trim(),
    });
  return { modalities, setModalities, uses, setUses, later, setLater, reason, setReason, act };
}

type Withdrawal = ReturnType<typeof useWithdrawal>;

/** @param at  the moment shown, as text */
function WithdrawalFields({ withdrawal, at }: { withdrawal: Withdrawal; at: string }) {
  const { modalities, uses, later, reason } = withdrawal;
  return (
    <>
      <Choice title="Consent to withdraw" all={MODALITIES} wanted={modalities} onChange={withdrawal.setModalities} />
      <Choice title="For these uses" all={USES} wanted={uses} onChange={withdrawal.setUses} />
      <label class="check">
        <input type="checkbox" checked={later} onChange={(event) => withdrawal.setLater(event.currentTarget.checked)} />
        only for the recording from {at} on
      </label>
      <label class="asked">
        Reason
        <input
          value={reason}
          maxLength={200}
          autocomplete="off"
          onInput={(event) => withdrawal.setReason(event.currentTarget.value)}
        />
      </label>
    </>
  );
}

/** The second confirmation. */
function Consequences({ withdrawal, at, running }: { withdrawal: Withdrawal; at: string; running: boolean }) {
  const { modalities, uses, later } = withdrawal;
  return (
    <>
      <p>{wordsOf(modalities, uses, later ? at : '', running)}</p>
      <p>
        The recording stays on this machine, and the withdrawal can be undone. <b>Nothing is deleted:</b> to
        delete data, use <code>uxrec erase</code>, or “Delete” in the library.
      </p>
    </>
  );
}

function WithdrawDialog({
  connection,
  session,
  participant,
  atNs,
  beginNs,
  running,
  onDone,
}: {
  connection: Connection;
  session: string;
  participant: string;
  atNs: bigint;
  beginNs: bigint;
  running: boolean;
  onDone: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const withdrawal = useWithdrawal();
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState('');
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const at = clock(atNs - beginNs, 1);
  const isEmpty = withdrawal.modalities.size === 0 || withdrawal.uses.size === 0;
  const withdraw = async () => {
    setBusy(true);
    const why = await put(connection, session, withdrawal.act(atNs));
    setBusy(false);
    setTrouble(why);
    if (!why) dialog.current?.close();
  };
  return (
    <dialog ref={dialog} class="asking" aria-labelledby="withdraw-title" onClose={onDone}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (asked) void withdraw();
          else setAsked(true);
        }}
      >
        <h2 id="withdraw-title">{asked ? 'Withdraw this consent?' : `${participant || 'The participant'} withdraws consent`}</h2>
        {asked ? (
          <Consequences withdrawal={withdrawal} at={at} running={running} />
        ) : (
          <WithdrawalFields withdrawal={withdrawal} at={at} />
        )}
        {trouble && <Notice kind="error">{trouble}</Notice>}
        <div class="row">
          <button type="submit" class={asked ? 'danger' : 'primary'} disabled={busy || isEmpty}>
            {asked ? 'Withdraw consent' : 'Next'}
          </button>
          <button type="button" onClick={() => (asked ? setAsked(false) : dialog.current?.close())}>
            {asked ? 'Back' : 'Cancel'}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** For moderators, beside the other corrections of a session. @param nowNs  the moment shown */
export function WithdrawButton({
  connection,
  session,
  participant,
  beginNs,
  nowNs,
  running = false,
}: {
  connection: Connection;
  session: string;
  participant: string;
  beginNs: bigint;
  nowNs: () => bigint;
  running?: boolean;
}) {
  const [atNs, setAtNs] = useState<bigint>();
  const button = useRef<HTMLButtonElement>(null);
  return (
    <>
      <button
        type="button"
        ref={button}
        title="The participant withdraws consent, or part of it"
        onClick={() => setAtNs(nowNs())}
      >
        Withdraw…
      </button>
      {atNs !== undefined && (
        <WithdrawDialog
          connection={connection}
          session={session}
          participant={participant}
          atNs={atNs}
          beginNs={beginNs}
          running={running}
          onDone={() => {
            setAtNs(undefined);
            button.current?.focus();
          }}
        />
      )}
    </>
  );
}

/* ---- a session kept back ---- */

function Undo({ driver, act }: { driver: RecordedDriver; act: Act }) {
  const [asked, setAsked] = useState(false);
  const [trouble, setTrouble] = useState('');
  const undo = async () => {
    if (!asked) return setAsked(true);
    const why = await put(driver.connection, driver.session, removeAct(act));
    setTrouble(why);
    if (!why) driver.reopen();
  };
  return (
    <>
      <button type="button" class={asked ? 'danger' : ''} onClick={() => void undo()}>
        {asked ? 'Yes: the participant gives consent again' : 'Undo the withdrawal…'}
      </button>
      {trouble && <Notice kind="error">{trouble}</Notice>}
    </>
  );
}

/** Replay page of a session that consent keeps back: no picture, no metrics. */
export function KeptBack({ driver, summary }: { driver: RecordedDriver; summary: SessionSummary }) {
  const model = useEmitter(driver.model);
  const withdrawals = model.entries('withdrawal');
  return (
    <div class="page">
      <TopBar>
        <Crumbs study={summary.study} who={summary.participants.join(', ') || summary.session} />
      </TopBar>
      <main class="sheet">
        <section class="card first" role="status">
          <h2>{summary.withdrawn ? 'Consent was withdrawn' : 'This session is not shown'}</h2>
          <p>
            {summary.withdrawn
              ? 'The participant has withdrawn consent. This session is not shown, exported or counted.'
              : `Reason: ${summary.consent}.`}
          </p>
          {summary.beginNs !== 0n && (
            <p class="muted">
              Session {summary.session}, {date(summary.beginNs)}
            </p>
          )}
          {withdrawals.map(({ act }) => (
            <p key={act.id} class="muted">
              Stored by {act.author}
              {act.body.value.reason && `: ${act.body.value.reason}`}{' '}
              {driver.connection.isModerator && <Undo driver={driver} act={act} />}
            </p>
          ))}
          {driver.connection.isModerator && (
            <p>
              The recording is still on this machine. <code>uxrec erase</code> erases it permanently, “Delete” in the
              library deletes the whole session.
            </p>
          )}
          <a class="button" href="library">
            Open the library
          </a>
        </section>
      </main>
    </div>
  );
}
