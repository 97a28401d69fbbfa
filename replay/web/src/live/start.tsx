// Before a session: study, participant, consent.

import { create } from '@bufbuild/protobuf';
import { useEffect, useState } from 'preact/hooks';
import { type Consent, Consent_Method, ConsentSchema } from '../../gen/protocol/acts_pb';
import { type Status, Status_State, type StudyEntry, type StudyList } from '../../gen/protocol/wire_pb';
import { count } from '../base/format';
import type { LiveDriver } from '../driver/live';
import { Notice, onlyByButton, validName } from '../parts/parts';
import { ConsentUses, USUAL_USES } from '../session/consent';
import { freeLabel, type Known, KnownParticipant, knownParticipant, ParticipantField, spelled, useSessions } from '../session/participant';
import type { Do } from './course';
import { Preflight } from './preflight';

/* last started study, the default for the next participant */
const LAST_STUDY = 'study';

const METHODS = [
  ['paper', 'signed on paper'],
  ['page', 'given by the participant on this page'],
] as const;

/** The participant's consent as filled in so far. */
interface Agreement {
  method: (typeof METHODS)[number][0];
  screen: boolean;
  input: boolean;
  sound: boolean;
  full: boolean;
  uses: readonly string[];
}

const USUAL: Agreement = { method: 'paper', screen: true, input: true, sound: false, full: false, uses: USUAL_USES };

function modalitiesOf({ screen, input, sound }: Agreement): string[] {
  return [...(screen ? ['screen'] : []), ...(input ? ['input'] : []), ...(sound ? ['sound'] : [])];
}

function useStudies(driver: LiveDriver) {
  const [list, setList] = useState<StudyList>();
  const [trouble, setTrouble] = useState('');
  const open = driver.connection.state === 'open';
  const fetch = () =>
    driver.connection.request({ case: 'listStudies', value: {} }).then(
      (answer) => {
        if (answer.body.case !== 'studyList') return;
        setList(answer.body.value);
        setTrouble('');
      },
      (error: Error) => setTrouble(error.message),
    );
  useEffect(() => {
    if (open) void fetch();
  }, [open]);
  return { list, trouble, fetch };
}

function preferredStudy(studies: readonly StudyEntry[]): string {
  const usable = studies.filter((entry) => entry.study);
  const last = localStorage.getItem(LAST_STUDY);
  return usable.find(({ name }) => name === last)?.name ?? usable[0]?.name ?? studies[0]?.name ?? '';
}

function consentOf(agreed: Agreement, text: string): Consent {
  return create(ConsentSchema, {
    method: agreed.method === 'paper' ? Consent_Method.PAPER : Consent_Method.PAGE,
    modalities: modalitiesOf(agreed),
    uses: [...agreed.uses],
    fullKeys: agreed.full,
    text,
  });
}

/** The form as filled in so far. */
interface Entered {
  chosen: StudyEntry | undefined;
  label: string;
  /** A known participant whose identity is in question. */
  asked: Known | undefined;
  agreed: Agreement;
}

/** Missing parts for a start, in words. */
function missingOf(driver: LiveDriver, { chosen, label, asked, agreed }: Entered): string[] {
  return [
    driver.connection.state !== 'open' && 'the connection to the recorder',
    !chosen?.study && 'a usable study',
    !validName(label) && 'the participant',
    asked && `the choice of same or another person (${asked.label})`,
    modalitiesOf(agreed).length === 0 && 'consent to recording',
    agreed.uses.length === 0 && 'consent to a use',
  ].filter((one): one is string => typeof one === 'string');
}

export function StartPanel({ driver, act }: { driver: LiveDriver; act: Do }) {
  const { list, trouble, fetch } = useStudies(driver);
  const sessions = useSessions(driver);
  const [study, setStudy] = useState('');
  const [participant, setParticipant] = useState('');
  const [accepted, setAccepted] = useState('');
  const [agreed, setAgreed] = useState(USUAL);
  const [pilot, setPilot] = useState(false);
  const [asked, setAsked] = useState(false);
  const starting = driver.status?.state === Status_State.STARTING;
  const busy = asked || starting;
  const name = study || preferredStudy(list?.studies ?? []);
  const chosen = list?.studies.find((entry) => entry.name === name);
  const label = spelled(participant);
  const known = chosen?.study && sessions && knownParticipant(sessions, chosen.study, label);
  const isAsked = known !== undefined && accepted !== `${name}\n${label}`;
  const missing = missingOf(driver, { chosen, label, asked: isAsked ? known : undefined, agreed });
  const start = async () => {
    if (missing.length > 0 || busy) return;
    setAsked(true);
    localStorage.setItem(LAST_STUDY, name);
    await act({
      case: 'start',
      value: {
        study: name,
        participant: label,
        keys: agreed.full ? 'full' : keysWithout(chosen?.study?.keys),
        pilot,
        consent: consentOf(agreed, chosen?.study?.consentText ?? ''),
      },
    });
    setAsked(false);
  };
  return (
    <main class="start">
      {driver.status?.lastSession && <Ended status={driver.status} />}
      <div class="columns">
        <form
          class="card"
          onSubmit={(event) => {
            event.preventDefault();
            void start();
          }}
          onKeyDown={onlyByButton}
        >
          <h2>New session</h2>
          <p class="muted">Nothing is recorded before you press “Start recording”.</p>
          {trouble && <Notice kind="error">{trouble}</Notice>}
          <StudyChoice list={list} chosen={chosen} onChoose={setStudy} onAgain={() => void fetch()} />
          <ParticipantField value={participant} onChange={setParticipant} />
          {known && sessions && chosen?.study && (
            <KnownParticipant
              known={known}
              free={freeLabel(sessions, chosen.study, label)}
              accepted={!isAsked}
              onAccept={() => setAccepted(`${name}\n${label}`)}
              onLabel={(other) => {
                setParticipant(other);
                if (other === known.label) setAccepted(`${name}\n${other}`);
              }}
            />
          )}
          <ConsentFields
            text={chosen?.study?.consentText ?? ''}
            agreed={agreed}
            onChange={(change) => setAgreed({ ...agreed, ...change })}
            status={driver.status}
          />
          <label class="check">
            <input type="checkbox" checked={pilot} onChange={(event) => setPilot(event.currentTarget.checked)} />
            pilot session: kept, never counted
          </label>
          <StartButton missing={missing} busy={busy} />
          {starting && <CancelButton act={act} />}
        </form>
        <Preflight driver={driver} />
      </div>
    </main>
  );
}

/** Ends a start that waits for the desktop's permission. */
function CancelButton({ act }: { act: Do }) {
  return (
    <button type="button" onClick={() => void act({ case: 'stop', value: {} })}>
      Cancel the start
    </button>
  );
}

/** The button, and the parts that are missing for it. */
function StartButton({ missing, busy }: { missing: readonly string[]; busy: boolean }) {
  return (
    <div class="go">
      <button
        type="submit"
        class="primary big wide"
        aria-disabled={missing.length > 0 || busy}
        aria-describedby="start-missing"
        data-why={missing.length > 0 ? `Missing: ${missing.join(', ')}` : 'the session is starting'}
      >
        <span class="dot rec" aria-hidden="true" /> {busy ? 'Starting …' : 'Start recording'}
      </button>
      <p class="missing" id="start-missing">
        {missing.length > 0 && `Missing: ${missing.join(', ')}.`}
      </p>
    </div>
  );
}

/** The last ended session, and the way to the next. */
function Ended({ status }: { status: Status }) {
  return (
    <section class="card ended" role="status" aria-label="The session has ended">
      <p>
        <b>Session {status.lastSession} is complete</b> ({status.lastReason}).
      </p>
      <div class="row wrap">
        <a class="button" href={`replay?session=${status.lastSession}`}>
          Open replay
        </a>
        <button type="button" class="primary" onClick={() => document.getElementById('participant')?.focus()}>
          Next participant
        </button>
      </div>
    </section>
  );
}

/** Hint without any study besides the example. */
function FirstStudy({ folder, onAgain }: { folder: string; onAgain: () => void }) {
  return (
    <div class="notice info">
      <p>
        <b>You have no study yet.</b> A study is a file with tasks and codes. Create one, edit it, then check again:
      </p>
      <code class="command">{`uxrec study new 'My study' --studies '${folder.replaceAll("'", "'\\''")}'`}</code>
      <button type="button" onClick={onAgain}>
        Check again
      </button>
    </div>
  );
}

function StudyChoice({
  list,
  chosen,
  onChoose,
  onAgain,
}: {
  list: StudyList | undefined;
  chosen: StudyEntry | undefined;
  onChoose: (name: string) => void;
  onAgain: () => void;
}) {
  if (!list) return <p class="muted">Loading studies …</p>;
  const isFirst = !list.studies.some((entry) => !entry.example);
  if (list.studies.length === 0) return <FirstStudy folder={list.folder} onAgain={onAgain} />;
  return (
    <>
      <label>
        Study
        <select value={chosen?.name ?? ''} onChange={(event) => onChoose(event.currentTarget.value)}>
          {list.studies.map((entry) => (
            <option key={entry.name} value={entry.name}>
              {entry.name}
              {entry.example && ' (example)'}
              {entry.trouble && ' (cannot be used)'}
            </option>
          ))}
        </select>
      </label>
      {isFirst && <FirstStudy folder={list.folder} onAgain={onAgain} />}
      {chosen?.trouble && (
        <div class="notice error" role="alert">
          <p>
            <b>This study file cannot be used.</b> Correct it in <code>{list.folder}</code>, then check again:
          </p>
          <pre class="problems">{chosen.trouble}</pre>
          <button type="button" onClick={onAgain}>
            Check again
          </button>
        </div>
      )}
      {chosen?.study && (
        <p class="muted">
          {chosen.study.tasks.length === 0
            ? 'No tasks: time and success are not measured. Add tasks under the key “tasks” of the study file.'
            : `${count(chosen.study.tasks.length, 'task', 'tasks')}: ${chosen.study.tasks.map((task) => task.title).join(' · ')}`}
        </p>
      )}
    </>
  );
}

function ConsentFields({
  text,
  agreed,
  onChange,
  status,
}: {
  text: string;
  agreed: Agreement;
  onChange: (change: Partial<Agreement>) => void;
  status: Status | undefined;
}) {
  const check = (words: string, key: 'screen' | 'input' | 'sound' | 'full', off = false) => (
    <label class="check">
      <input
        type="checkbox"
        checked={agreed[key]}
        disabled={off}
        onChange={(event) => {
          const on = event.currentTarget.checked;
          onChange({ [key]: on, ...(key === 'input' && !on && { full: false }) });
        }}
      />
      {words}
    </label>
  );
  return (
    <fieldset>
      <legend>Consent</legend>
      {text && (
        <blockquote tabIndex={0} aria-label="Consent text">
          {text}
        </blockquote>
      )}
      {METHODS.map(([method, words]) => (
        <label key={method} class="check">
          <input
            type="radio"
            name="method"
            checked={agreed.method === method}
            onChange={() => onChange({ method })}
          />
          {words}
        </label>
      ))}
      <p class="hint">The participant agrees to the recording of:</p>
      {check('the screen and the pointer (everything shown, including typed text)', 'screen')}
      {check('clicks and clicked objects, scrolling, and the class of each key (letter, digit, …), not the key itself', 'input')}
      {check('every key pressed, except in known password fields', 'full', !agreed.input)}
      {status?.sound ? (
        check(
          status.monitor
            ? 'speech, other sounds at the microphone, and the machine’s sound'
            : 'speech and other sounds at the microphone',
          'sound',
        )
      ) : (
        <p class="hint">Sound is not recorded: the recorder runs without it (--sound none).</p>
      )}
      <ConsentUses uses={agreed.uses} onChange={(uses) => onChange({ uses })} />
    </fieldset>
  );
}

/** Key recording level of a study without consent to every key. */
function keysWithout(wanted = ''): string {
  return wanted === 'none' || wanted === 'counts' ? wanted : 'classes';
}
