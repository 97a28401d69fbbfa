// State of one session: its study and the current annotations.

import { create } from '@bufbuild/protobuf';
import {
  type Act,
  Act_Kind,
  ActSchema,
  type Attempt,
  Attempt_Failure,
  Attempt_Outcome,
  Impact,
  type Note,
  type Tag,
  TagSchema,
  Tag_Watching,
} from '../../gen/protocol/acts_pb';
import type { Study, Study_Code, Study_Task } from '../../gen/protocol/study_pb';
import { Emitter } from '../base/emitter';
import type { Connection } from '../net/connection';
import { type Fate, Outbox, waitingSessions } from './outbox';
import { OwnActs } from './own';

export type ActOf<Case extends string> = Act & { body: Extract<Act['body'], { case: Case }> };

/** An act, pending or stored. */
export interface Entry {
  act: Act;
  stored: boolean;
  /** Waiting for the connection. */
  waiting?: boolean;
  /** Reason of the store's refusal. */
  trouble?: string;
  /** The stored act, while a change of it is pending or refused. */
  before?: Act;
}

/** Caches ordered tags, notes and attempts until the next change. */
class Entries extends Map<string, Entry> {
  marks?: ReadonlyArray<Entry & { act: ActOf<'tag'> | ActOf<'note'> }>;
  attempts?: ReadonlyArray<{ id: string; attempt: Attempt }>;

  override set(id: string, entry: Entry): this {
    this.marks = this.attempts = undefined;
    return super.set(id, entry);
  }

  override delete(id: string): boolean {
    this.marks = this.attempts = undefined;
    return super.delete(id);
  }
}

/* kinds whose refused text is kept for correction */
const EDITED = new Set(['tag', 'note']);

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class SessionModel extends Emitter {
  session = '';
  /** Begin of the session, in session time; kept after its end. 0n: unknown yet. */
  beginNs = 0n;
  study?: Study;
  #entries = new Entries();
  /** The acts of this tab, for undo and for "the last tag". */
  own = new OwnActs('');
  /** Incremented when a bleep is added to or removed from the store. */
  bleepsStored = 0;
  #unbleeping = new Set<string>(); // pending removals: stored ones have no body
  #removed = new Map<string, Act>(); // stored acts of pending removals, in case of refusal
  #fresh?: Act[]; // stored since asked()
  #outbox = new Outbox('', () => undefined);
  /** Outboxes of earlier sessions. */
  #left: Outbox[] = [];
  /** Reason for refused acts on earlier sessions. */
  lost = '';

  /** All acts are being requested from the server: acts stored from here on may be newer than its answer. */
  asked(): void {
    this.#fresh = [];
  }

  /** Restart with the server's acts. Pending and refused acts are kept. */
  reset(session: string, study: Study | undefined, acts: Act[], beginNs = 0n): void {
    const fresh = session === this.session ? (this.#fresh ?? []) : [];
    this.#fresh = undefined;
    const refused = session === this.session
      ? [...this.#entries.values()].filter((entry) => entry.trouble && !entry.stored)
      : [];
    if (session !== this.session) {
      this.#left = waitingSessions()
        .filter((other) => other !== session)
        .map((other) => new Outbox(other, (_, fate) => this.#settleLeft(fate)));
      this.#outbox = new Outbox(session, (act, fate) => this.#settle(session, act, fate));
      this.own = new OwnActs(session);
      for (const act of this.#outbox.acts()) if (act.kind === Act_Kind.ADD) this.own.add(act.id);
    }
    this.session = session;
    this.beginNs = beginNs;
    this.study = study;
    this.#entries = new Entries();
    for (const act of acts) this.#entries.set(act.id, { act, stored: true });
    this.#outbox.known(new Set(this.#entries.keys()));
    for (const entry of refused) {
      const stored = this.#entries.get(entry.act.id)?.act;
      if (!stored || entry.before) this.#entries.set(entry.act.id, { ...entry, before: stored });
    }
    for (const act of fresh) this.stored(act);
    for (const act of this.#outbox.acts()) this.#show(act, true);
    this.changed();
  }

  /** Send the acts that waited for the connection, in order of creation. */
  flush(connection: Connection): void {
    void this.#outbox.send(connection);
    for (const left of this.#left) void left.send(connection);
  }

  #settleLeft(fate: Fate): void {
    if (fate.kind === 'refused') this.lost = fate.reason;
    this.changed();
  }

  /**
   * Add an act to an earlier session that still accepts some.
   *
   * @return the reason of a refusal; "" if stored, or kept for lack of a connection
   */
  async putEarlier(connection: Connection, session: string, act: Act): Promise<string> {
    let left = this.#left.find((outbox) => outbox.session === session);
    if (!left) {
      left = new Outbox(session, (_, fate) => this.#settleLeft(fate));
      this.#left.push(left);
    }
    const fate = await left.put(connection, act);
    this.changed();
    return fate.kind === 'refused' ? fate.reason : '';
  }

  /** Number of acts waiting for the connection. */
  waiting(): number {
    return [...this.#entries.values()].filter((entry) => entry.waiting).length;
  }

  /** Take a stored act. An older act on the same object is ignored. */
  stored(act: Act): void {
    const before = this.#entries.get(act.id);
    if (before?.stored && before.act.counter > act.counter) return;
    this.#fresh?.push(act);
    const known = before?.stored && before.act.counter === act.counter;
    if ((!known && (act.body.case ?? before?.act.body.case) === 'bleep') || this.#unbleeping.delete(act.id))
      this.bleepsStored++;
    if (act.kind === Act_Kind.REMOVE) this.#entries.delete(act.id);
    else this.#entries.set(act.id, { act, stored: true });
    /* later acts in the outbox stay visible, and are the base of the next change */
    for (const next of this.#outbox.acts()) if (next.id === act.id) this.#show(next, false);
    this.changed();
  }

  /**
   * Add, change or remove an object; shown at once, marked as pending.
   *
   * @return the reason of a refusal; "" if stored, or kept for lack of a connection
   */
  async put(connection: Connection, act: Act): Promise<string> {
    const before = this.#entries.get(act.id);
    /* a refused or never sent act is not in the store: nothing to change or remove */
    if (before && !before.stored && !before.before && before.trouble) {
      if (act.kind === Act_Kind.REMOVE) {
        this.forget(act.id);
        return '';
      }
      act = { ...act, kind: Act_Kind.ADD, fields: [] };
    }
    /* include the refused fields in the next change, so that their text is not lost */
    if (act.kind === Act_Kind.PATCH && before?.trouble && before.before)
      act = { ...act, fields: [...new Set([...before.act.fields, ...act.fields])] };
    if (act.kind === Act_Kind.REMOVE && this.#outbox.forget(act.id)) {
      this.forget(act.id);
      return '';
    }
    if (act.kind === Act_Kind.ADD) this.own.add(act.id);
    if (act.kind === Act_Kind.REMOVE && before?.act.body.case === 'bleep') this.#unbleeping.add(act.id);
    this.#show(act, connection.state !== 'open');
    this.changed();
    const { session } = this;
    const fate = await this.#outbox.put(connection, act);
    this.#settle(session, act, fate);
    return fate.kind === 'refused' ? fate.reason : '';
  }

  /* apply as if stored */
  #show(act: Act, waiting: boolean): void {
    const now = this.#entries.get(act.id);
    const before = now?.stored ? now.act : now?.before;
    if (act.kind === Act_Kind.REMOVE) {
      if (before) this.#removed.set(act.id, before);
      this.#entries.delete(act.id);
    } else this.#entries.set(act.id, { act: named(act, now?.act), stored: false, waiting, before });
  }

  #settle(session: string, act: Act, fate: Fate): void {
    /* the answer may arrive during the next session */
    if (session !== this.session) return this.#settleLeft(fate);
    const entry = this.#entries.get(act.id);
    if (fate.kind === 'stored' && fate.act) this.stored(fate.act);
    else if (fate.kind === 'stored' && entry?.act === act) this.#entries.set(act.id, { act, stored: true });
    else if (fate.kind === 'kept' && entry && !entry.stored)
      this.#entries.set(act.id, { ...entry, waiting: true });
    else if (fate.kind === 'refused') this.#refuse(act, fate.reason);
    this.changed();
  }

  #refuse(act: Act, trouble: string): void {
    const entry = this.#entries.get(act.id);
    const stored = entry?.stored ? entry.act : (entry?.before ?? this.#removed.get(act.id));
    this.#removed.delete(act.id);
    const keeps = act.kind === Act_Kind.ADD || EDITED.has(act.body.case ?? '');
    if (act.kind !== Act_Kind.REMOVE && keeps)
      this.#entries.set(act.id, { act: entry?.act ?? act, stored: false, trouble, before: stored });
    else if (stored) this.#entries.set(act.id, { act: stored, stored: true, trouble });
  }

  /** Drop a refused act; a refused change restores the stored state. */
  forget(id: string): void {
    const entry = this.#entries.get(id);
    if (entry?.before) this.#entries.set(id, { act: entry.before, stored: true });
    else if (entry?.stored) this.#entries.set(id, { act: entry.act, stored: true });
    else this.#entries.delete(id);
    this.changed();
  }

  entry(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** All acts, of any body. */
  acts(): Act[] {
    return [...this.#entries.values()].map(({ act }) => act);
  }

  /** All entries of one kind, by creation time. */
  entries<Case extends NonNullable<Act['body']['case']>>(
    kind: Case,
  ): Array<Entry & { act: ActOf<Case> }> {
    return [...this.#entries.values()]
      .filter((entry): entry is Entry & { act: ActOf<Case> } => entry.act.body.case === kind)
      .sort((a, b) => (a.act.counter < b.act.counter ? -1 : a.act.counter > b.act.counter ? 1 : 0));
  }

  /** Tags and notes by their moment; the array is owned by the caller. */
  marks(): Array<Entry & { act: ActOf<'tag'> | ActOf<'note'> }> {
    this.#entries.marks ??= (
      [...this.entries('tag'), ...this.entries('note')] as Array<Entry & { act: ActOf<'tag'> | ActOf<'note'> }>
    ).sort((a, b) => {
      const difference = a.act.body.value.mediaNs - b.act.body.value.mediaNs;
      return difference < 0n ? -1 : difference > 0n ? 1 : 0;
    });
    return [...this.#entries.marks];
  }

  /** All bleeps, by begin. */
  bleeps(): Array<Entry & { act: ActOf<'bleep'> }> {
    return this.entries('bleep').sort((a, b) =>
      a.act.body.value.fromNs < b.act.body.value.fromNs ? -1 : 1,
    );
  }

  /** Effective bleeps: refused ones have no effect. */
  bleeped(): Array<ActOf<'bleep'>['body']['value']> {
    return this.bleeps()
      .filter(({ stored, trouble }) => stored || !trouble)
      .map(({ act }) => act.body.value);
  }

  /** Attempts by begin. */
  attempts(): ReadonlyArray<{ id: string; attempt: Attempt }> {
    this.#entries.attempts ??= this.entries('attempt')
      .map((entry) => ({ id: entry.act.id, attempt: entry.act.body.value }))
      .sort((a, b) => (attemptBegin(a.attempt) < attemptBegin(b.attempt) ? -1 : 1));
    return this.#entries.attempts;
  }

  /** The attempt running at a time. */
  attemptAt(ns: bigint): { id: string; attempt: Attempt } | undefined {
    return this.attempts().find(({ attempt }) => {
      const end = attemptEnd(attempt);
      return attemptBegin(attempt) <= ns && (end === 0n || ns < end);
    });
  }

  code(id: string): Study_Code | undefined {
    return this.study?.codes.find((code) => code.id === id);
  }

  task(id: string): Study_Task | undefined {
    return this.study?.tasks.find((task) => task.id === id);
  }

  participant(): string {
    return this.entries('sessionInfo').at(-1)?.act.body.value.participants.join(', ') ?? '';
  }

  /** The newest existing tag or note of this tab. */
  lastOwn(kind?: 'tag' | 'note'): Entry | undefined {
    for (const id of this.own.ids()) {
      const entry = this.#entries.get(id);
      const made = entry?.act.body.case;
      if (kind ? made === kind : made === 'tag' || made === 'note') return entry;
    }
    return undefined;
  }
}

export function attemptBegin(attempt: Attempt): bigint {
  return attempt.beginNs || attempt.liveBeginNs;
}

export function attemptEnd(attempt: Attempt): bigint {
  return attempt.endNs || attempt.liveEndNs;
}

export const OUTCOMES: ReadonlyArray<[Attempt_Outcome, string]> = [
  [Attempt_Outcome.COMPLETED, 'completed'],
  [Attempt_Outcome.COMPLETED_WITH_ASSIST, 'completed with assist'],
  [Attempt_Outcome.FAILED, 'failed'],
  [Attempt_Outcome.ABANDONED, 'abandoned'],
  [Attempt_Outcome.VOID, 'void'],
  [Attempt_Outcome.SKIPPED, 'skipped'],
  [Attempt_Outcome.NOT_REACHED, 'not reached'],
];

export const FAILURES: ReadonlyArray<[Attempt_Failure, string]> = [
  [Attempt_Failure.NONE, 'not stated'],
  [Attempt_Failure.WRONG_BUT_BELIEVED_DONE, 'wrong, but believed done'],
  [Attempt_Failure.TIME_LIMIT, 'time limit reached'],
  [Attempt_Failure.MODERATOR_STOPPED, 'stopped by the moderator'],
];

export function outcomeName(outcome: Attempt_Outcome): string {
  return OUTCOMES.find(([value]) => value === outcome)?.[1] ?? 'not stated';
}

export const IMPACTS = ['none', 'cosmetic', 'minor', 'major', 'catastrophe'] as const;

/** 0 to 4 as displayed; undefined if not rated. */
export function impactNumber(impact: Impact): number | undefined {
  return impact === Impact.UNRATED ? undefined : impact - 1;
}

/** The moment at which a person saw the picture. */
export interface Moment {
  mediaNs: bigint;
  pressNs: bigint;
  watching: Tag_Watching;
}

/** An own act has an author only once it comes back from the store. */
function named(act: Act, before: Act | undefined): Act {
  if (!before || act.author) return act;
  const { author, principal, layerPrincipal } = before;
  return { ...act, author, principal, layerPrincipal };
}

function baseAct(layer: string, id = newId(), kind = Act_Kind.ADD): Act {
  return create(ActSchema, { id, kind, layer });
}

export function tagAct(layer: string, code: string, moment: Moment, attempt: string): Act {
  const act = baseAct(layer);
  const lagNs = moment.pressNs ? moment.pressNs - moment.mediaNs : 0n;
  act.body = {
    case: 'tag',
    value: create(TagSchema, {
      code,
      attempt,
      mediaNs: moment.mediaNs,
      pressNs: moment.pressNs,
      lagUs: lagNs / 1000n,
      watching: moment.watching,
    }),
  };
  return act;
}

export function noteAct(layer: string, moment: Moment, text: string): Act {
  return create(ActSchema, {
    id: newId(),
    kind: Act_Kind.ADD,
    layer,
    body: { case: 'note', value: { mediaNs: moment.mediaNs, pressNs: moment.pressNs, text } },
  });
}

/**
 * Change some fields of an act of any kind; concurrent changes of other fields are kept.
 *
 * @param change  new values by field name of the generated message
 */
export function changedAct(act: Act, change: object): Act {
  const copy = baseAct(act.layer, act.id, Act_Kind.PATCH);
  copy.fields = Object.keys(change).map((name) => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`));
  copy.body = { case: act.body.case, value: { ...act.body.value, ...change } } as Act['body'];
  return copy;
}

/** changedAct() for a tag or a note. */
export function changeAct(act: Act, change: Partial<Tag> | Partial<Note>): Act {
  return changedAct(act, change);
}

export function bleepAct(layer: string, fromNs: bigint, toNs: bigint, reason: string): Act {
  return create(ActSchema, {
    id: newId(),
    kind: Act_Kind.ADD,
    layer,
    body: { case: 'bleep', value: { fromNs, toNs, reason } },
  });
}

/** Copy of an act with a new id: removed ids are not reused. */
export function againAct(act: Act, layer: string): Act {
  const again = baseAct(layer);
  again.body = act.body;
  return again;
}

export function removeAct(act: Act): Act {
  return baseAct(act.layer, act.id, Act_Kind.REMOVE);
}

export function scoreAct(
  layer: string,
  before: Act | undefined,
  attempt: string,
  opportunity: string,
  met: boolean,
): Act {
  return create(ActSchema, {
    id: before?.id ?? newId(),
    kind: before ? Act_Kind.CHANGE : Act_Kind.ADD,
    layer,
    body: { case: 'opportunityScore', value: { attempt, opportunity, met } },
  });
}
