// Participant of the next session, with a check for earlier sessions.

import { useEffect, useState } from 'preact/hooks';
import type { SessionSummary } from '../../gen/protocol/wire_pb';
import { SessionSummary_Health } from '../../gen/protocol/wire_pb';
import { count, date } from '../base/format';
import type { LiveDriver } from '../driver/live';
import { validName } from '../parts/parts';

const EDGE = '[\\s\\u0085\\u180e\\u200b-\\u200d\\u2060\\ufeff]+';
const EDGES = new RegExp(`^${EDGE}|${EDGE}$`, 'gu');

/** Canonical spelling of a name, as the recorder stores it (protocol/name.c). */
export function spelled(name: string): string {
  return name
    .normalize('NFC')
    .replace(EDGES, '')
    .replace(/[\s\u0085]+/gu, ' ');
}

/** Sessions of the library; undefined while unknown. */
export function useSessions(driver: LiveDriver): SessionSummary[] | undefined {
  const [sessions, setSessions] = useState<SessionSummary[]>();
  const open = driver.connection.state === 'open';
  const last = driver.status?.lastSession ?? '';
  useEffect(() => {
    if (!open) return undefined;
    let wanted = true;
    const found: SessionSummary[] = [];
    driver.connection
      .request(
        { case: 'listSessions', value: { parts: true } },
        {
          isPart: ({ body }) => {
            if (body.case !== 'sessionList') return false;
            found.push(...body.value.sessions);
            return body.value.more;
          },
        },
      )
      .then(
        () => wanted && setSessions(found),
        () => undefined, // retried on the next connection
      );
    return () => {
      wanted = false;
    };
  }, [open, last]);
  return sessions;
}

export interface Known {
  /** Label stored in the study. */
  label: string;
  sessions: SessionSummary[];
  /** The label differs from the typed one only in case. */
  isSimilar: boolean;
}

/** Earlier sessions of a participant in a study, matched by study id, else by study name. */
export function knownParticipant(
  sessions: readonly SessionSummary[],
  study: { name: string; studyId: string },
  typed: string,
): Known | undefined {
  const label = spelled(typed);
  if (!label) return undefined;
  const ofStudy = sessions.filter((one) =>
    study.studyId && one.studyId ? one.studyId === study.studyId : one.study === study.name,
  );
  const having = (fits: (name: string) => boolean) =>
    ofStudy.flatMap((session) => {
      const name = session.participants.find((one) => fits(spelled(one)));
      return name === undefined ? [] : [{ session, name: spelled(name) }];
    });
  const same = having((name) => name === label);
  const found = same.length > 0 ? same : having((name) => name.toLowerCase() === label.toLowerCase());
  const first = found[0];
  if (!first) return undefined;
  return {
    label: first.name,
    sessions: found.filter(({ name }) => name === first.name).map(({ session }) => session),
    isSimilar: same.length === 0,
  };
}

/** First of P07b, P07c, … that is free in the study. */
export function freeLabel(
  sessions: readonly SessionSummary[],
  study: { name: string; studyId: string },
  label: string,
): string {
  for (const letter of 'bcdefghijklmnopqrstuvwxyz')
    if (!knownParticipant(sessions, study, label + letter)) return label + letter;
  return `${label} 2`;
}

function factsOf(session: SessionSummary): string {
  const facts = [
    session.withdrawn && 'consent withdrawn',
    session.pilot && 'pilot',
    session.excluded && 'excluded',
    session.health === SessionSummary_Health.UNFINISHED && 'unfinished',
  ].filter(Boolean);
  return `${date(session.beginNs)}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`;
}

/** Asks, below the field and without blocking, whether it is the same person. */
export function KnownParticipant({
  known,
  free,
  accepted,
  onAccept,
  onLabel,
}: {
  known: Known;
  /** A free label. */
  free: string;
  accepted: boolean;
  onAccept: () => void;
  onLabel: (label: string) => void;
}) {
  const withdrawn = known.sessions.some((session) => session.withdrawn);
  return (
    <div class={`notice ${withdrawn ? 'error' : 'warning'} known`} role="status">
      <p>
        <b>
          {known.label} has {count(known.sessions.length, 'session', 'sessions')} in this study
          {known.isSimilar && ', in this spelling'}:
        </b>{' '}
        {known.sessions.slice(0, 3).map(factsOf).join('; ')}
        {known.sessions.length > 3 && '; …'}.
      </p>
      {withdrawn && (
        <p>
          <b>{known.label} has withdrawn consent.</b> A new session needs a new consent.
        </p>
      )}
      {accepted ? (
        <p>Same person: this is another session of {known.label}.</p>
      ) : (
        <div class="row wrap">
          <button type="button" onClick={() => (known.isSimilar ? onLabel(known.label) : onAccept())}>
            {known.isSimilar ? `Same person: ${known.label}` : 'Same person, another session'}
          </button>
          <button type="button" onClick={() => (known.isSimilar ? onAccept() : onLabel(free))}>
            {known.isSimilar ? 'Another person' : `Another person: ${free}`}
          </button>
        </div>
      )}
    </div>
  );
}

/** Rule of labels, shown for an invalid one. */
export const LABEL_RULE = 'It begins with a letter or a digit, and has none of / \\ < > " ` $ | ; * ? in it.';

/** Input field of the label; the typed text is kept as is. */
export function ParticipantField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const wrong = value !== '' && !validName(spelled(value));
  return (
    <>
      <label>
        Participant
        <input
          id="participant"
          value={value}
          placeholder="P07"
          autocomplete="off"
          aria-describedby="participant-hint"
          aria-invalid={wrong}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      </label>
      <p class="hint" id="participant-hint">
        {wrong ? LABEL_RULE : 'A pseudonym, not a name: letters, digits, spaces, - and _.'}
      </p>
    </>
  );
}
