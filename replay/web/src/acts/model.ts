// What is known about one session: its study and the present state of its annotations.

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

/** An act on its way to the store, or stored. */
export interface Entry {
  act: Act;
  stored: boolean;
  /** It waits for the connection. */
  waiting?: boolean;
  /** Why it could not be stored. */
  trouble?: string;
  /** The stored act, when a change of it is on its way or was refused. */
  before?: Act;
}

/** Knows its tags and notes, and its attempts, in order, until something changes. */
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

/* of these the text that was refused stays, to be corrected */
const EDITED = new Set(['tag', 'note']);

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class SessionModel extends Emitter {
  session = '';
  /** Begin of the session, in its time; stays when it ends. 0n: not known yet. */
  beginNs = 0n;
  study?: Study;
  #entries = new Entries();
  /** The acts of this tab, for undo and for "the last tag". */
  own = new OwnActs('');
  /** Grows when the store knows of another bleep, or of one less. */
  bleepsStored = 0;
  #unbleeping = new Set<string>(); // on its way: the stored removal has no body
  #removed = new Map<string, Act>(); // removals on their way: the store's act, should they be refused
  #fresh?: Act[]; // stored since asked()
  #outbox = new Outbox('', () => undefined);
  /** Of sessions before this one. */
  #left: Outbox[] = [];
  /** Why acts on sessions before this one were refused. */
  lost = '';

  /** The server is asked for all acts: those that are stored from here on may be newer than its answer. */
  asked(): void {
    this.#fresh = [];
  }

  /** Begin anew with the server's acts. Those that are still on their way, or were refused, stay. */
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

  /** Acts that wait for the connection are sent now that it is there, in the order of their making. */
  flush(connection: Connection): void {
    void this.#outbox.send(connection);
    for (const left of this.#left) void left.send(connection);
  }

  #settleLeft(fate: Fate): void {
    if (fate.kind === 'refused') this.lost = fate.reason;
    this.changed();
  }

  /**
   * Add an act to a session before this one, while that takes some.
   *
   * @return why it was refused; "" when it is stored, or kept because there is no connection
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

  /** How many acts wait for the connection. */
  waiting(): number {
    return [...this.#entries.values()].filter((entry) => entry.waiting).length;
  }

  /** Take in an act that was stored. An older one about the same thing does not count. */
  stored(act: Act): void {
    const before = this.#entries.get(act.id);
    if (before?.stored && before.act.counter > act.counter) return;
    this.#fresh?.push(act);
    const known = before?.stored && before.act.counter === act.counter;
    if ((!known && (act.body.case ?? before?.act.body.case) === 'bleep') || this.#unbleeping.delete(act.id))
      this.bleepsStored++;
    if (act.kind === Act_Kind.REMOVE) this.#entries.delete(act.id);
    else this.#entries.set(act.id, { act, stored: true });
    /* later acts of the outbox stay in view, and the next change is based on them */
    for (const next of this.#outbox.acts()) if (next.id === act.id) this.#show(next, false);
    this.changed();
  }

  /**
   * Add, change or remove something; it shows at once, marked as on its way.
   *
   * @return why it was refused; "" when it is stored, or kept because there is no connection
   */
  async put(connection: Connection, act: Act): Promise<string> {
    const before = this.#entries.get(act.id);
    /* an act that was refused, or has never been sent, is not in the store: there is nothing to change or remove */
    if (before && !before.stored && !before.before && before.trouble) {
      if (act.kind === Act_Kind.REMOVE) {
        this.forget(act.id);
        return '';
      }
      act = { ...act, kind: Act_Kind.ADD, fields: [] };
    }
    /* the refused fields go along with the next change, so that their text is not lost by it */
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

  /* as it will be when it is stored */
  #show(act: Act, waiting: boolean): void {
    const now = this.#entries.get(act.id);
    const before = now?.stored ? now.act : now?.before;
    if (act.kind === Act_Kind.REMOVE) {
      if (before) this.#removed.set(act.id, before);
      this.#entries.delete(act.id);
    } else this.#entries.set(act.id, { act: named(act, now?.act), stored: false, waiting, before });
  }

  #settle(session: string, act: Act, fate: Fate): void {
    /* the answer may come when another session has begun */
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

  /** Drop an act that could not be stored; a change of one that is stored leaves that as it is there. */
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

  /** All acts, of every kind of body. */
  acts(): Act[] {
    return [...this.#entries.values()].map(({ act }) => act);
  }

  /** Everything of one kind, by the time of its making. */
  entries<Case extends NonNullable<Act['body']['case']>>(
    kind: Case,
  ): Array<Entry & { act: ActOf<Case> }> {
    return [...this.#entries.values()]
      .filter((entry): entry is Entry & { act: ActOf<Case> } => entry.act.body.case === kind)
      .sort((a, b) => (a.act.counter < b.act.counter ? -1 : a.act.counter > b.act.counter ? 1 : 0));
  }

  /** Tags and notes by their moment; an array of the caller's. */
  marks(): Array<Entry & { act: ActOf<'tag'> | ActOf<'note'> }> {
    this.#entries.marks ??= (
      [...this.entries('tag'), ...this.entries('note')] as Array<Entry & { act: ActOf<'tag'> | ActOf<'note'> }>
    ).sort((a, b) => {
      const difference = a.act.body.value.mediaNs - b.act.body.value.mediaNs;
      return difference < 0n ? -1 : difference > 0n ? 1 : 0;
    });
    return [...this.#entries.marks];
  }

  /** What nobody is to hear, by its begin. */
  bleeps(): Array<Entry & { act: ActOf<'bleep'> }> {
    return this.entries('bleep').sort((a, b) =>
      a.act.body.value.fromNs < b.act.body.value.fromNs ? -1 : 1,
    );
  }

  /** Those that hold: what could not be stored holds for nobody. */
  bleeped(): Array<ActOf<'bleep'>['body']['value']> {
    return this.bleeps()
      .filter(({ stored, trouble }) => stored || !trouble)
      .map(({ act }) => act.body.value);
  }

  /** By their begin. */
  attempts(): ReadonlyArray<{ id: string; attempt: Attempt }> {
    this.#entries.attempts ??= this.entries('attempt')
      .map((entry) => ({ id: entry.act.id, attempt: entry.act.body.value }))
      .sort((a, b) => (attemptBegin(a.attempt) < attemptBegin(b.attempt) ? -1 : 1));
    return this.#entries.attempts;
  }

  /** The attempt that runs at a moment. */
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

  /** The newest tag or note that this tab made and that is still there. */
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
  [Attempt_Failure.TIME_LIMIT, 'the time limit passed'],
  [Attempt_Failure.MODERATOR_STOPPED, 'the moderator stopped it'],
];

export function outcomeName(outcome: Attempt_Outcome): string {
  return OUTCOMES.find(([value]) => value === outcome)?.[1] ?? 'not stated';
}

export const IMPACTS = ['none', 'cosmetic', 'minor', 'major', 'catastrophe'] as const;

/** 0 to 4 as people count, or undefined when it was not rated. */
export function impactNumber(impact: Impact): number | undefined {
  return impact === Impact.UNRATED ? undefined : impact - 1;
}

/** A moment as a person saw it. */
export interface Moment {
  mediaNs: bigint;
  pressNs: bigint;
  watching: Tag_Watching;
}

/** An act of this page has its author's name only when it comes back from the store. */
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
 * A change of some fields of an act of any kind; somebody else's changes of the other fields stay.
 *
 * @param change  new values by the names of the generated message
 */
export function changedAct(act: Act, change: object): Act {
  const copy = baseAct(act.layer, act.id, Act_Kind.PATCH);
  copy.fields = Object.keys(change).map((name) => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`));
  copy.body = { case: act.body.case, value: { ...act.body.value, ...change } } as Act['body'];
  return copy;
}

/** The same of a tag or a note. */
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

/** The same thing as a new act: a removed id is not used again. */
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
