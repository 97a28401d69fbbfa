// Corrections of an attempt's outcome and times, and of session facts. Each is an act; the live times stay.

import type { Ref } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import {
  type Act,
  type Attempt,
  Attempt_Failure,
  Attempt_Outcome,
  type SessionInfo,
  SessionInfo_Place,
  SessionInfo_Site,
  SessionInfo_ThinkAloud,
  SessionInfo_ThinkAloudMode,
} from '../../gen/protocol/acts_pb';
import { type ActOf, changedAct, FAILURES, OUTCOMES, type SessionModel } from '../acts/model';
import { useEmitter } from '../base/emitter';
import { clock, parseClock } from '../base/format';
import type { Connection } from '../net/connection';
import { validName } from '../parts/parts';
import { type Doubt, doubtOf, LookAgain } from './outcome';

const MS = 1_000_000n;

/* ---- times ---- */

/** A session time: typed, nudged, or taken from the playhead. */
export function TimeField({
  label,
  ns,
  beginNs,
  hereNs,
  onSet,
}: {
  label: string;
  ns: bigint;
  beginNs: bigint;
  /** Position of the playhead; undefined: no playhead. */
  hereNs?: () => bigint;
  onSet: (ns: bigint) => void;
}) {
  const [text, setText] = useState<string>();
  const typed = text === undefined ? undefined : parseClock(text);
  const invalid = text !== undefined && typed === undefined;
  const set = (value: bigint) => {
    setText(undefined);
    if (value >= beginNs) onSet(value);
  };
  const nudge = (ms: bigint) => (
    <button
      type="button"
      class="small"
      aria-label={`${label} ${ms < 0n ? 'earlier' : 'later'} by ${Number(ms < 0n ? -ms : ms) / 1000} s`}
      onClick={() => set(ns + ms * MS)}
    >
      {ms < 0n ? '−' : '+'}
    </button>
  );
  return (
    <div class="timefield">
      <label>
        {label}
        <input
          size={8}
          class="figure"
          autocomplete="off"
          value={text ?? clock(ns - beginNs, 1)}
          aria-invalid={invalid}
          title={invalid ? 'enter a time such as 12:31.4' : undefined}
          onInput={(event) => setText(event.currentTarget.value)}
          onChange={() => typed !== undefined && set(beginNs + typed)}
        />
      </label>
      {nudge(-200n)}
      {nudge(200n)}
      {hereNs && (
        <button type="button" class="small" aria-label={`Here: set ${label.toLowerCase()} to the time shown`} title="the time shown" onClick={() => set(hereNs())}>
          Here
        </button>
      )}
    </div>
  );
}

/* ---- storing ---- */

/** Store a change of an act. @return the reason of a refusal, or "" */
type Change = (values: object) => Promise<string>;

/** Changes of one act; the reason of the last refusal appears beside its fields. */
function useChange(model: SessionModel, connection: Connection, act: Act | undefined) {
  const [trouble, setTrouble] = useState('');
  const change: Change = async (values) => {
    const now = act && (model.entry(act.id)?.act ?? act);
    if (!now) return '';
    const reason = await model.put(connection, changedAct(now, values));
    setTrouble(reason);
    return reason;
  };
  return { trouble, change };
}

/* ---- an attempt ---- */

/** The outcome; one that contradicts the tags must be chosen twice. Takes the focus. */
function OutcomeField({
  model,
  id,
  attempt,
  beginNs,
  change,
}: {
  model: SessionModel;
  id: string;
  attempt: Attempt;
  beginNs: bigint;
  change: Change;
}) {
  const first = useRef<HTMLSelectElement>(null);
  useLayoutEffect(() => first.current?.focus(), []);
  const [doubted, setDoubted] = useState<{ outcome: Attempt_Outcome; doubt: Doubt }>();
  const end = (outcome: Attempt_Outcome) => {
    setDoubted(undefined);
    void change({
      outcome,
      failure: outcome === Attempt_Outcome.FAILED ? attempt.failure : Attempt_Failure.NONE,
    });
  };
  return (
    <>
      <label>
        Outcome
        <select
          ref={first}
          value={doubted?.outcome ?? attempt.outcome}
          onChange={(event) => {
            const outcome = Number(event.currentTarget.value) as Attempt_Outcome;
            const doubt = doubtOf(model, id, outcome, beginNs);
            if (doubt && outcome !== attempt.outcome) setDoubted({ outcome, doubt });
            else end(outcome);
          }}
        >
          <option value={Attempt_Outcome.UNSPECIFIED}>not stated</option>
          {OUTCOMES.map(([outcome, name]) => (
            <option key={outcome} value={outcome}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {doubted && (
        <div class="wide">
          <LookAgain
            doubt={doubted.doubt}
            chosen={doubted.outcome}
            onEnd={end}
            onCancel={() => setDoubted(undefined)}
            takesFocus={false}
          />
        </div>
      )}
    </>
  );
}

function FailureField({ attempt, change }: { attempt: Attempt; change: Change }) {
  return (
    <label>
      Kind of failure
      <select
        value={attempt.failure}
        onChange={(event) => void change({ failure: Number(event.currentTarget.value) })}
      >
        {FAILURES.map(([failure, name]) => (
          <option key={failure} value={failure}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Begin and end, corrected or live, and the live times. */
function AttemptTimes({
  attempt,
  beginNs,
  hereNs,
  change,
}: {
  attempt: Attempt;
  beginNs: bigint;
  hereNs?: () => bigint;
  change: Change;
}) {
  return (
    <>
      <TimeField
        label="Begin"
        ns={attempt.beginNs || attempt.liveBeginNs}
        beginNs={beginNs}
        hereNs={hereNs}
        onSet={(ns) => void change({ beginNs: ns })}
      />
      {(attempt.endNs || attempt.liveEndNs) !== 0n && (
        <TimeField
          label="End"
          ns={attempt.endNs || attempt.liveEndNs}
          beginNs={beginNs}
          hereNs={hereNs}
          onSet={(ns) => void change({ endNs: ns })}
        />
      )}
      <p class="hint wide">
        Live: {clock(attempt.liveBeginNs - beginNs, 1)}
        {attempt.liveEndNs !== 0n && ` to ${clock(attempt.liveEndNs - beginNs, 1)}`}
        {attempt.readingNs !== 0n && `, reading from ${clock(attempt.readingNs - beginNs, 1)}`}
      </p>
    </>
  );
}

export function AttemptEditor({
  model,
  connection,
  act,
  beginNs,
  hereNs,
  onDone,
}: {
  model: SessionModel;
  connection: Connection;
  act: ActOf<'attempt'>;
  beginNs: bigint;
  hereNs?: () => bigint;
  onDone: () => void;
}) {
  useEmitter(model);
  const { trouble, change } = useChange(model, connection, act);
  const entry = model.entry(act.id)?.act ?? act;
  const attempt = entry.body.value as Attempt;
  const corrected = attempt.beginNs !== 0n || attempt.endNs !== 0n;
  return (
    <div
      class="editor"
      role="group"
      aria-label="Correct the attempt"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        onDone();
      }}
    >
      <OutcomeField model={model} id={act.id} attempt={attempt} beginNs={beginNs} change={change} />
      {attempt.outcome === Attempt_Outcome.FAILED && <FailureField attempt={attempt} change={change} />}
      <AttemptTimes attempt={attempt} beginNs={beginNs} hereNs={hereNs} change={change} />
      {trouble && (
        <p class="trouble wide" role="alert">
          not stored: {trouble}
        </p>
      )}
      <div class="row wide">
        {corrected && (
          <button type="button" class="small" onClick={() => void change({ beginNs: 0n, endNs: 0n })}>
            Restore live times
          </button>
        )}
        <span class="spring" />
        <button type="button" onClick={onDone}>
          Close
        </button>
      </div>
    </div>
  );
}

/* ---- a session ---- */

const PLACES: ReadonlyArray<[SessionInfo_Place, string]> = [
  [SessionInfo_Place.UNSPECIFIED, 'not stated'],
  [SessionInfo_Place.LAB, 'lab device'],
  [SessionInfo_Place.OWN_DEVICE, 'participant’s own device'],
];

const SITES: ReadonlyArray<[SessionInfo_Site, string]> = [
  [SessionInfo_Site.UNSPECIFIED, 'not stated'],
  [SessionInfo_Site.ON_SITE, 'on site'],
  [SessionInfo_Site.REMOTE, 'remote'],
];

const THINKING: ReadonlyArray<[SessionInfo_ThinkAloudMode, string]> = [
  [SessionInfo_ThinkAloudMode.UNSPECIFIED, 'not stated'],
  [SessionInfo_ThinkAloudMode.NONE, 'none'],
  [SessionInfo_ThinkAloudMode.CONCURRENT, 'concurrent'],
  [SessionInfo_ThinkAloudMode.RETROSPECTIVE, 'retrospective'],
];

/* the equivalent values of format 1 */
const OLDER_THINKING = new Map([
  [SessionInfo_ThinkAloudMode.CONCURRENT, SessionInfo_ThinkAloud.CONCURRENT],
  [SessionInfo_ThinkAloudMode.RETROSPECTIVE, SessionInfo_ThinkAloud.RETROSPECTIVE],
]);

interface Draft {
  participant: string;
  segment: string;
  condition: string;
  pilot: boolean;
  excluded: boolean;
  excludedReason: string;
  place: SessionInfo_Place;
  site: SessionInfo_Site;
  thinking: SessionInfo_ThinkAloudMode;
}

function draftOf(info: SessionInfo): Draft {
  return {
    participant: info.participants[0] ?? '',
    segment: info.segment,
    condition: info.condition,
    pilot: info.pilot,
    excluded: info.excluded,
    excludedReason: info.excludedReason,
    place: info.place,
    site: info.site,
    thinking: info.thinking,
  };
}

/** The SessionInfo fields changed by a draft, with their format 1 counterparts. */
function changesOf(info: SessionInfo, draft: Draft): Partial<SessionInfo> {
  const before = draftOf(info);
  const changed = Object.fromEntries(
    Object.entries(draft).filter(([name, value]) => value !== before[name as keyof Draft]),
  ) as Partial<Draft>;
  const { participant, ...fields } = changed;
  return {
    ...fields,
    ...(participant !== undefined && {
      participants: [participant, ...info.participants.slice(1)],
      participantIds: [],
    }),
    ...(fields.place !== undefined && { ownDevice: fields.place === SessionInfo_Place.OWN_DEVICE }),
    ...(fields.site !== undefined && { remote: fields.site === SessionInfo_Site.REMOTE }),
    ...(fields.thinking !== undefined && {
      thinkAloud: OLDER_THINKING.get(fields.thinking) ?? SessionInfo_ThinkAloud.NONE,
    }),
  };
}

/** Update the participant label in all acts that carry the old one. @return the reason of a refusal, or "" */
async function rename(model: SessionModel, connection: Connection, old: string, label: string): Promise<string> {
  for (const act of model.acts()) {
    const body = act.body.value as { participant?: string; participantId?: string } | undefined;
    if (body?.participant !== old) continue;
    const reason = await model.put(connection, changedAct(act, { participant: label, participantId: '' }));
    if (reason) return reason;
  }
  return '';
}

/** Reason for not storing a draft, or "". */
function faultOf({ participant, excluded, excludedReason }: Draft): string {
  if (!validName(participant.trim())) return 'A pseudonym has letters, digits, spaces, - and _.';
  return excluded && !excludedReason.trim() ? 'Enter a reason for the exclusion.' : '';
}

/** The draft of a session's facts, and its storing. */
function useDraft(model: SessionModel, connection: Connection, onDone: () => void) {
  const act = model.entries('sessionInfo').at(-1)?.act;
  const { trouble, change } = useChange(model, connection, act);
  const [draft, setDraft] = useState<Draft | undefined>(() => act && draftOf(act.body.value));
  const [late, setLate] = useState('');
  const [busy, setBusy] = useState(false);
  const save = async () => {
    if (!act || !draft) return;
    const info = act.body.value;
    const old = info.participants[0] ?? '';
    const label = draft.participant.trim();
    setBusy(true);
    const changes = changesOf(info, {
      ...draft,
      participant: label,
      excludedReason: draft.excluded ? draft.excludedReason.trim() : '',
    });
    let reason = Object.keys(changes).length ? await change(changes) : '';
    if (!reason && changes.participants && old) reason = await rename(model, connection, old, label);
    setBusy(false);
    setLate(reason);
    if (!reason) onDone();
  };
  return { draft: act && draft, setDraft, refused: trouble || late, busy, save };
}

interface DraftProps {
  draft: Draft;
  set: (values: Partial<Draft>) => void;
}

function DetailsText({
  draft,
  set,
  name,
  title,
  invalid = false,
  input,
}: DraftProps & {
  name: 'participant' | 'segment' | 'condition';
  title: string;
  invalid?: boolean;
  input?: Ref<HTMLInputElement>;
}) {
  return (
    <label>
      {title}
      <input
        ref={input}
        value={draft[name]}
        maxLength={80}
        autocomplete="off"
        aria-invalid={invalid}
        onInput={(event) => set({ [name]: event.currentTarget.value })}
      />
    </label>
  );
}

function DetailsChoice({
  draft,
  set,
  name,
  title,
  choices,
}: DraftProps & {
  name: 'place' | 'site' | 'thinking';
  title: string;
  choices: ReadonlyArray<readonly [number, string]>;
}) {
  return (
    <label>
      {title}
      <select value={draft[name]} onChange={(event) => set({ [name]: Number(event.currentTarget.value) })}>
        {choices.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A session that is not counted: pilot, or excluded with a reason. */
function Counting({ draft, set }: DraftProps) {
  return (
    <>
      <label class="check wide">
        <input type="checkbox" checked={draft.pilot} onChange={(event) => set({ pilot: event.currentTarget.checked })} />
        pilot session: kept, never counted
      </label>
      <label class="check wide">
        <input
          type="checkbox"
          checked={draft.excluded}
          onChange={(event) => set({ excluded: event.currentTarget.checked })}
        />
        excluded from the metrics
      </label>
      {draft.excluded && (
        <label class="wide">
          Reason
          <input
            value={draft.excludedReason}
            autocomplete="off"
            onInput={(event) => set({ excludedReason: event.currentTarget.value })}
          />
        </label>
      )}
    </>
  );
}

/** Form with the facts of a session, for the moderator; refused values stay in their fields. */
export function SessionDetails({
  model,
  connection,
  onDone,
}: {
  model: SessionModel;
  connection: Connection;
  onDone: () => void;
}) {
  useEmitter(model);
  const { draft, setDraft, refused, busy, save } = useDraft(model, connection, onDone);
  const first = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => first.current?.focus(), []);
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  if (!draft)
    return (
      <dialog ref={dialog} class="asking" aria-label="Session details" onClose={onDone}>
        <p>This session has no details to correct.</p>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    );
  const set = (values: Partial<Draft>) => setDraft({ ...draft, ...values });
  const wrong = faultOf(draft);
  return (
    <dialog ref={dialog} class="asking" aria-labelledby="details-title" onClose={onDone}>
      <h2 id="details-title">Session details</h2>
      <form
        class="editor details"
        onSubmit={(event) => {
          event.preventDefault();
          if (!wrong) void save();
        }}
      >
        <DetailsText
          draft={draft}
          set={set}
          name="participant"
          title="Participant"
          invalid={!validName(draft.participant.trim())}
          input={first}
        />
        <DetailsText draft={draft} set={set} name="segment" title="Segment" />
        <DetailsText draft={draft} set={set} name="condition" title="Condition" />
        <DetailsChoice draft={draft} set={set} name="thinking" title="Think-aloud" choices={THINKING} />
        <DetailsChoice draft={draft} set={set} name="place" title="Device" choices={PLACES} />
        <DetailsChoice draft={draft} set={set} name="site" title="Location" choices={SITES} />
        <Counting draft={draft} set={set} />
        {(wrong || refused) && (
          <p class="trouble wide" role="alert">
            {wrong || `not stored: ${refused}`}
          </p>
        )}
        <div class="row wide">
          <button type="submit" class="primary" disabled={busy || wrong !== ''}>
            Save
          </button>
          <button type="button" onClick={onDone}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}
