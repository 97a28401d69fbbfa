// The moderator's page: before a session what will be recorded, during it one obvious next step.

import { create } from '@bufbuild/protobuf';
import { useEffect, useState } from 'preact/hooks';
import { Consent_Method, ConsentSchema } from '../gen/protocol/acts_pb';
import type { DoctorReport, Status, StudyEntry } from '../gen/protocol/wire_pb';
import { DoctorReport_Finding_Level, Status_OwnPages, Status_State } from '../gen/protocol/wire_pb';
import { ConsentUses, USUAL_USES } from './consent';
import { COURSE_KEYS, courseKeys, type Do, focusOnce, InterruptionBanner, Rail } from './course';
import { bytes, clock } from './format';
import { CheckedMeter } from './meter';
import type { LiveDriver } from './live';
import { LiveSound, LiveState, ObserveBody, TaskState, useWatching } from './observe';
import { OBSERVER_KEYS } from './page_live';
import { NameField, Notice, rememberedName, TopBar, validName } from './parts';
import { WithdrawButton } from './withdraw';

export function ModeratePage({ token }: { token: string }) {
  const [name, setName] = useState(rememberedName('moderator'));
  const watching = useWatching(token, name);
  const { driver } = watching;
  const [trouble, setTrouble] = useState('');
  const [choosing, setChoosing] = useState(false);
  const act: Do = async (body) => {
    try {
      await driver.connection.request(body);
      setTrouble('');
      return '';
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      setTrouble(reason);
      return reason;
    }
  };
  const status = driver.status;
  const ending = status?.state === Status_State.ENDING;
  const running = status !== undefined && status.state !== Status_State.IDLE && !ending;
  const keys = courseKeys(driver, act, () => setChoosing(true));
  return (
    <div class="page moderate">
      <TopBar
        help={[...COURSE_KEYS, ...OBSERVER_KEYS]}
      >
        <h1 class="hidden">Moderate</h1>
        <LiveState driver={driver} player={watching.player} />
        <TaskState driver={driver} />
        <LiveSound driver={driver} />
        {running && status && (
          <WithdrawButton
            connection={driver.connection}
            session={status.session}
            participant={status.participant}
            beginNs={status.startedNs}
            nowNs={() => driver.status?.nowNs ?? 0n}
            running
          />
        )}
        <span class="spring" />
        <NameField
          label="You"
          value={name}
          onChange={(value) => {
            setName(value);
            driver.connection.rename(value);
          }}
        />
      </TopBar>
      {status && <OwnPage status={status} />}
      {trouble && <Notice kind="error">{trouble}</Notice>}
      {status?.warning && <Notice kind="warning">{status.warning}</Notice>}
      {ending ? (
        <Ending status={status} act={act} />
      ) : running ? (
        <div class="railed">
          <Rail driver={driver} act={act} choosing={choosing} onChoosing={setChoosing} />
          <div class="railmain">
            <InterruptionBanner driver={driver} act={act} />
            <ObserveBody watching={watching} extraKeys={keys} />
          </div>
        </div>
      ) : (
        <StartPanel driver={driver} act={act} />
      )}
    </div>
  );
}

/** The page is, or may be, on the display that is recorded. */
function OwnPage({ status }: { status: Status }) {
  const [elsewhere, setElsewhere] = useState(false);
  if (status.ownPages === Status_OwnPages.HIDDEN)
    return (
      <Notice kind="error">
        This page is on the display that is being recorded: the participant can see it. Its window is hidden in the
        recording, as far as no other window covers it. Use another machine, or move the page away.
      </Notice>
    );
  if (status.ownPages !== Status_OwnPages.UNKNOWN || elsewhere) return null;
  const running = status.state !== Status_State.IDLE;
  return (
    <Notice kind="error">
      If this page is on the participant’s screen it {running ? 'is being recorded' : 'will be recorded'}: under Wayland
      no window can be hidden, because the desktop does not tell where windows are. Open it on another machine.{' '}
      <button type="button" onClick={() => setElsewhere(true)}>
        It is on another screen
      </button>
    </Notice>
  );
}

/* ---- before a session ---- */

function StartPanel({ driver, act }: { driver: LiveDriver; act: Do }) {
  const [studies, setStudies] = useState<StudyEntry[]>();
  const [study, setStudy] = useState('');
  const [participant, setParticipant] = useState('');
  const [method, setMethod] = useState<'paper' | 'page'>('paper');
  const [screen, setScreen] = useState(true);
  const [input, setInput] = useState(true);
  const [sound, setSound] = useState(false);
  const [uses, setUses] = useState<readonly string[]>(USUAL_USES);
  const [full, setFull] = useState(false);
  const [pilot, setPilot] = useState(false);
  const [busy, setBusy] = useState(false);
  const open = driver.connection.state === 'open';
  useEffect(() => {
    if (!open) return;
    driver.connection.request({ case: 'listStudies', value: {} }).then(
      (answer) => {
        if (answer.body.case !== 'studyList') return;
        const usable = answer.body.value.studies.filter((entry) => entry.study);
        setStudies(answer.body.value.studies);
        setStudy((chosen) => chosen || (usable[0]?.name ?? ''));
      },
      () => setStudies([]),
    );
  }, [open]);
  const chosen = studies?.find((entry) => entry.name === study);
  const start = async () => {
    setBusy(true);
    const modalities = [
      ...(screen ? ['screen'] : []),
      ...(input ? ['input'] : []),
      ...(sound ? ['sound'] : []),
    ];
    await act({
      case: 'start',
      value: {
        study,
        participant: participant.trim(),
        keys: full ? 'full' : keysWithout(chosen?.study?.keys),
        pilot,
        consent: create(ConsentSchema, {
          method: method === 'paper' ? Consent_Method.PAPER : Consent_Method.PAGE,
          modalities,
          uses: [...uses],
          fullKeys: full,
          text: chosen?.study?.consentText ?? '',
        }),
      },
    });
    setBusy(false);
  };
  const ready = validName(participant.trim()) && chosen?.study !== undefined && (screen || input || sound) && uses.length > 0;
  return (
    <main class="start">
      {driver.status?.lastSession && (
        <Notice kind="info">
          Session {driver.status.lastSession} is complete ({driver.status.lastReason}).{' '}
          <a href={`replay?session=${driver.status.lastSession}`}>Replay it</a>
        </Notice>
      )}
      <div class="columns">
        <form
          class="card"
          onSubmit={(event) => {
            event.preventDefault();
            void start();
          }}
        >
          <h2>New session</h2>
          <p class="muted">Nothing is recorded before you press “Start recording”.</p>
          <label>
            Study
            <select value={study} onChange={(event) => setStudy(event.currentTarget.value)}>
              {studies?.map((entry) => (
                <option key={entry.name} value={entry.name}>
                  {entry.name}
                  {entry.trouble && ' (cannot be used)'}
                </option>
              ))}
            </select>
          </label>
          {studies?.length === 0 && (
            <Notice kind="warning">
              There is no study yet. Put a study.yaml into the folder “studies” of the library.
            </Notice>
          )}
          {chosen?.trouble && <Notice kind="error">{chosen.trouble}</Notice>}
          {chosen?.study && (
            <p class="muted">
              {chosen.study.tasks.length} tasks: {chosen.study.tasks.map((task) => task.title).join(' · ')}
            </p>
          )}
          <label>
            Participant
            <input
              value={participant}
              placeholder="P07"
              autocomplete="off"
              aria-describedby="participant-hint"
              aria-invalid={participant !== '' && !validName(participant.trim())}
              onInput={(event) => setParticipant(event.currentTarget.value)}
            />
          </label>
          <p class="hint" id="participant-hint">
            A pseudonym, not a name: letters, digits, spaces, - and _.
          </p>
          <fieldset>
            <legend>Consent</legend>
            {chosen?.study?.consentText && <blockquote>{chosen.study.consentText}</blockquote>}
            <label class="check">
              <input type="radio" name="method" checked={method === 'paper'} onChange={() => setMethod('paper')} />
              signed on paper
            </label>
            <label class="check">
              <input type="radio" name="method" checked={method === 'page'} onChange={() => setMethod('page')} />
              given here, by the participant, on this page
            </label>
            <p class="hint">The participant agrees that this is recorded:</p>
            <label class="check">
              <input type="checkbox" checked={screen} onChange={(event) => setScreen(event.currentTarget.checked)} />
              the screen and the pointer (everything that is shown, typed text too)
            </label>
            <label class="check">
              <input
                type="checkbox"
                checked={input}
                onChange={(event) => {
                  setInput(event.currentTarget.checked);
                  if (!event.currentTarget.checked) setFull(false);
                }}
              />
              clicks and what is clicked, scrolling, and the kind of each key (letter, digit, …), not which
            </label>
            <label class="check">
              <input
                type="checkbox"
                checked={full}
                disabled={!input}
                onChange={(event) => setFull(event.currentTarget.checked)}
              />
              every key that is pressed, but for fields that are known to be for passwords
            </label>
            {driver.status?.sound && (
              <label class="check">
                <input type="checkbox" checked={sound} onChange={(event) => setSound(event.currentTarget.checked)} />
                {driver.status.monitor
                  ? 'what is said, what else the microphone hears, and what the machine plays'
                  : 'what is said, and what else the microphone hears'}
              </label>
            )}
            <ConsentUses uses={uses} onChange={setUses} />
          </fieldset>
          <label class="check">
            <input type="checkbox" checked={pilot} onChange={(event) => setPilot(event.currentTarget.checked)} />
            pilot session: is kept, never counted
          </label>
          <button type="submit" class="primary big" disabled={!ready || busy || !open}>
            <span class="dot rec" aria-hidden="true" /> {busy ? 'Starting …' : 'Start recording'}
          </button>
        </form>
        <Doctor driver={driver} />
      </div>
    </main>
  );
}

const LEVELS = new Map([
  [DoctorReport_Finding_Level.GOOD, ['good', '✓']],
  [DoctorReport_Finding_Level.WARNING, ['warning', '!']],
  [DoctorReport_Finding_Level.BAD, ['bad', '✗']],
] as const);

function Doctor({ driver }: { driver: LiveDriver }) {
  const [report, setReport] = useState<DoctorReport>();
  const [trouble, setTrouble] = useState('');
  const [picture, setPicture] = useState('');
  const open = driver.connection.state === 'open';
  const look = () =>
    driver.connection.request({ case: 'runDoctor', value: {} }).then(
      (answer) => {
        if (answer.body.case !== 'doctorReport') return;
        setReport(answer.body.value);
        setTrouble('');
        const jpeg = answer.body.value.pictureJpeg;
        setPicture((before) => {
          if (before) URL.revokeObjectURL(before);
          return jpeg.length
            ? URL.createObjectURL(new Blob([jpeg as Uint8Array<ArrayBuffer>], { type: 'image/jpeg' }))
            : '';
        });
      },
      (error: Error) => setTrouble(error.message),
    );
  useEffect(() => {
    if (open) void look();
  }, [open]);
  return (
    <section class="card doctor" aria-labelledby="doctor-title">
      <div class="row">
        <h2 id="doctor-title">What would be recorded</h2>
        <span class="spring" />
        <button type="button" disabled={!open} onClick={() => void look()}>
          Look again
        </button>
      </div>
      {trouble && <Notice kind="error">{trouble}</Notice>}
      {picture ? (
        <figure>
          <img
            src={picture}
            width={report?.pictureWidthPx}
            height={report?.pictureHeightPx}
            alt="The participant’s screen as it is now"
          />
          <figcaption class="hint">As it is now. Shown only here and kept nowhere.</figcaption>
        </figure>
      ) : (
        <div class="nopicture">{report ? 'no picture' : 'looking …'}</div>
      )}
      <ul class="findings">
        {report?.findings.map((finding) => {
          const [level, mark] = LEVELS.get(finding.level) ?? ['bad', '?'];
          return (
            <li key={finding.subject + finding.text} class={level}>
              <span class="mark" aria-label={level}>
                {mark}
              </span>
              <b>{finding.subject}</b>
              <span>
                {finding.text}
                {finding.meter && <CheckedMeter meter={finding.meter} />}
                {finding.advice && <em> {finding.advice}</em>}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/* ---- a session that has ended, and for whose rest the disk has no room ---- */

function Ending({ status, act }: { status: Status; act: Do }) {
  const [asking, setAsking] = useState(false);
  const length = `${clock(status.waitingToNs - status.waitingFromNs)} min (${bytes(status.waitingBytes)})`;
  return (
    <main class="start">
      <section class="card" aria-labelledby="ending-title">
        <h2 id="ending-title">Session {status.session} waits for room on the disk</h2>
        <p>
          Nothing is captured any more. {length} of the session are in memory. Make room in the library’s folder, and
          they are written by themselves.
        </p>
        {asking ? (
          <>
            <p role="alert">
              <b>{length} will be lost for good</b>, and the session says so. What is on the disk already stays.
            </p>
            <div class="row">
              <button
                type="button"
                class="danger"
                onClick={() => {
                  setAsking(false);
                  void act({ case: 'stop', value: { discard: true } });
                }}
              >
                Lose them and end the session
              </button>
              <button type="button" ref={focusOnce} onClick={() => setAsking(false)}>
                Wait for room
              </button>
            </div>
          </>
        ) : (
          <button type="button" onClick={() => setAsking(true)}>
            Give up what there is no room for …
          </button>
        )}
      </section>
    </main>
  );
}

/** What a study allows when the participant has not agreed to every key. */
function keysWithout(wanted = ''): string {
  return wanted === 'none' || wanted === 'counts' ? wanted : 'classes';
}
