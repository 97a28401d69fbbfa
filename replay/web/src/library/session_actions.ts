// Corrections of a session from its row in the library: each consists of the acts that `uxrec amend` adds, and is
// undone by further such acts.

import type { Act, SessionInfo } from '../../gen/protocol/acts_pb';
import type { SessionSummary } from '../../gen/protocol/wire_pb';
import { type ActOf, changedAct, SessionModel } from '../acts/model';
import { date } from '../base/format';
import type { Connection } from '../net/connection';

/** Result of an action, and its undo. */
export interface Outcome {
  text: string;
  /** undefined: irreversible. Returns its own result. */
  undo?: () => Promise<Outcome>;
}

/** "P07, 2026-11-21 14:02 +01:00" */
export function sessionName({ participants, session, beginNs }: SessionSummary): string {
  const name = participants.join(', ') || session;
  return beginNs ? `${name}, ${date(beginNs)}` : name;
}

interface Change {
  act: Act;
  values: object;
}

/* the same fields with their current values */
function inverse({ act, values }: Change): Change {
  const body = (act.body.value ?? {}) as Record<string, unknown>;
  return { act, values: Object.fromEntries(Object.keys(values).map((name) => [name, body[name]])) };
}

async function put(connection: Connection, session: string, changes: Change[]): Promise<void> {
  for (const { act, values } of changes)
    await connection.request({ case: 'putAct', value: { session, act: changedAct(act, values) } });
}

async function open(connection: Connection, { session, keptBack, consent }: SessionSummary) {
  if (keptBack) throw new Error(`this session cannot be changed: ${consent}`);
  const answer = await connection.request({ case: 'openSession', value: { session } });
  const model = new SessionModel();
  if (answer.body.case === 'sessionOpened') model.reset(session, answer.body.value.study, answer.body.value.acts);
  const info = model.entries('sessionInfo').at(-1)?.act;
  if (!info) throw new Error('this session has no details to change');
  return { model, info };
}

/** Make changes; undo restores the fields. */
async function change(
  connection: Connection,
  session: SessionSummary,
  changes: Change[],
  text: string,
  undone: string,
): Promise<Outcome> {
  await put(connection, session.session, changes);
  return {
    text,
    undo: async () => {
      await put(connection, session.session, changes.map(inverse));
      return { text: undone };
    },
  };
}

/** @param reason  of the exclusion; "": include again */
export async function exclude(connection: Connection, session: SessionSummary, reason: string): Promise<Outcome> {
  const { info } = await open(connection, session);
  const name = sessionName(session);
  const values = { excluded: reason !== '', excludedReason: reason };
  return reason
    ? change(connection, session, [{ act: info, values }], `Excluded from the metrics: ${name}: ${reason}`, `Included again: ${name}`)
    : change(connection, session, [{ act: info, values }], `Included in the metrics: ${name}`, `Excluded again: ${name}`);
}

export async function setPilot(connection: Connection, session: SessionSummary, pilot: boolean): Promise<Outcome> {
  const { info } = await open(connection, session);
  const name = sessionName(session);
  const texts = [`Marked as pilot, not counted: ${name}`, `Unmarked as pilot: ${name}`] as const;
  return change(connection, session, [{ act: info, values: { pilot } }], texts[pilot ? 0 : 1], texts[pilot ? 1 : 0]);
}

/* changes to all other acts that name the participant by the label */
function renamings(model: SessionModel, info: ActOf<'sessionInfo'>, label: string): Change[] {
  const old = info.body.value.participants[0] ?? '';
  if (!old || old === label) return [];
  return model
    .acts()
    .filter((act) => (act.body.value as { participant?: string } | undefined)?.participant === old)
    .map((act) => {
      const hasId = 'participantId' in (act.body.value as object);
      return { act, values: { participant: label, ...(hasId && { participantId: '' }) } };
    });
}

/** Change the first participant's label, and the segment. */
export async function rename(
  connection: Connection,
  session: SessionSummary,
  label: string,
  segment: string,
): Promise<Outcome> {
  const { model, info } = await open(connection, session);
  const before: SessionInfo = info.body.value;
  const old = before.participants[0] ?? '';
  const values: Partial<SessionInfo> = {};
  if (segment !== before.segment) values.segment = segment;
  if (label !== old) {
    values.participants = [label, ...before.participants.slice(1)];
    values.participantIds = []; // the id belonged to the old label
  }
  const name = sessionName(session);
  if (Object.keys(values).length === 0) return { text: `No changes: ${name}` };
  const words = [
    label !== old && `participant ${old || '(none)'} → ${label}`,
    segment !== before.segment && `segment ${before.segment || '(none)'} → ${segment || '(none)'}`,
  ].filter(Boolean);
  return change(
    connection,
    session,
    [{ act: info, values }, ...renamings(model, info, label)],
    `Renamed ${name}: ${words.join(', ')}`,
    `Restored: ${name}`,
  );
}
