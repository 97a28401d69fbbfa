// Before a session: the study, the participant, the consent.

import { create } from '@bufbuild/protobuf';
import { useEffect, useState } from 'preact/hooks';
import { Consent_Method, ConsentSchema } from '../gen/protocol/acts_pb';
import type { StudyEntry } from '../gen/protocol/wire_pb';
import { ConsentUses, USUAL_USES } from './consent';
import type { Do } from './course';
import type { LiveDriver } from './live';
import { Notice, onlyByButton, validName } from './parts';
import { Preflight } from './preflight';

export function StartPanel({ driver, act }: { driver: LiveDriver; act: Do }) {
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
          onKeyDown={onlyByButton}
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
            {chosen?.study?.consentText && <blockquote tabIndex={0}>{chosen.study.consentText}</blockquote>}
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
        <Preflight driver={driver} />
      </div>
    </main>
  );
}

/** What a study allows when the participant has not agreed to every key. */
function keysWithout(wanted = ''): string {
  return wanted === 'none' || wanted === 'counts' ? wanted : 'classes';
}
