// What is known about one session: its study and the present state of its annotations.

import { create } from '@bufbuild/protobuf';
import {
  type Act,
  Act_Kind,
  ActSchema,
  type Attempt,
  Attempt_Outcome,
  Impact,
  type Note,
  type Tag,
  TagSchema,
  Tag_Watching,
} from '../gen/protocol/acts_pb';
import type { Study, Study_Code, Study_Task } from '../gen/protocol/study_pb';
import type { Connection } from './connection';
import { Emitter } from './emitter';

export type ActOf<Case extends string> = Act & { body: Extract<Act['body'], { case: Case }> };

/** An act on its way to the store, or stored. */
export interface Entry {
  act: Act;
  stored: boolean;
  /** Why it could not be stored. */
  trouble?: string;
}

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class SessionModel extends Emitter {
  session = '';
  study?: Study;
  #entries = new Map<string, Entry>();
  /** What this page said, in order, for undo and for "the last tag". */
  #own: string[] = [];
  /** Grows when the store knows of another bleep, or of one less. */
  bleepsStored = 0;
  #unbleeping = new Set<string>(); // on its way: a removal that is stored does not say of what

  /** Begin anew with what the server says. What is still on its way stays. */
  reset(session: string, study: Study | undefined, acts: Act[]): void {
    const waiting = session === this.session
      ? [...this.#entries.values()].filter((entry) => !entry.stored)
      : [];
    if (session !== this.session) this.#own = [];
    this.session = session;
    this.study = study;
    this.#entries = new Map(acts.map((act) => [act.id, { act, stored: true }]));
    for (const entry of waiting)
      if (!this.#entries.has(entry.act.id)) this.#entries.set(entry.act.id, entry);
    this.changed();
  }

  /** Take in an act that was stored. An older one about the same thing does not count. */
  stored(act: Act): void {
    const before = this.#entries.get(act.id);
    if (before?.stored && before.act.counter > act.counter) return;
    const known = before?.stored && before.act.counter === act.counter;
    if ((!known && (act.body.case ?? before?.act.body.case) === 'bleep') || this.#unbleeping.delete(act.id))
      this.bleepsStored++;
    if (act.kind === Act_Kind.REMOVE) this.#entries.delete(act.id);
    else this.#entries.set(act.id, { act, stored: true });
    this.changed();
  }

  /** Say something; it shows at once, marked as on its way. */
  async put(connection: Connection, act: Act): Promise<void> {
    const before = this.#entries.get(act.id);
    if (act.kind === Act_Kind.ADD) this.#own.push(act.id);
    if (act.kind === Act_Kind.REMOVE && before?.act.body.case === 'bleep') this.#unbleeping.add(act.id);
    if (act.kind === Act_Kind.REMOVE) this.#entries.delete(act.id);
    else this.#entries.set(act.id, { act, stored: false });
    this.changed();
    try {
      const answer = await connection.request({
        case: 'putAct',
        value: { session: this.session, act },
      });
      if (answer.body.case === 'actStored' && answer.body.value.act)
        this.stored(answer.body.value.act);
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error);
      if (act.kind === Act_Kind.ADD) this.#entries.set(act.id, { act, stored: false, trouble });
      else if (before) this.#entries.set(act.id, { ...before, trouble });
      this.changed();
      throw error;
    }
  }

  /** Forget something that could not be stored. */
  forget(id: string): void {
    if (!this.#entries.get(id)?.stored) this.#entries.delete(id);
    this.changed();
  }

  entry(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** Everything of one kind, by the time of its making. */
  entries<Case extends NonNullable<Act['body']['case']>>(
    kind: Case,
  ): Array<Entry & { act: ActOf<Case> }> {
    return [...this.#entries.values()]
      .filter((entry): entry is Entry & { act: ActOf<Case> } => entry.act.body.case === kind)
      .sort((a, b) => (a.act.counter < b.act.counter ? -1 : a.act.counter > b.act.counter ? 1 : 0));
  }

  /** Tags and notes by their moment. */
  marks(): Array<Entry & { act: ActOf<'tag'> | ActOf<'note'> }> {
    const all = [...this.entries('tag'), ...this.entries('note')] as Array<
      Entry & { act: ActOf<'tag'> | ActOf<'note'> }
    >;
    return all.sort((a, b) => {
      const difference = a.act.body.value.mediaNs - b.act.body.value.mediaNs;
      return difference < 0n ? -1 : difference > 0n ? 1 : 0;
    });
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

  attempts(): Array<{ id: string; attempt: Attempt }> {
    return this.entries('attempt')
      .map((entry) => ({ id: entry.act.id, attempt: entry.act.body.value }))
      .sort((a, b) => (attemptBegin(a.attempt) < attemptBegin(b.attempt) ? -1 : 1));
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

  /** The newest tag or note that this page made and that is still there. */
  lastOwn(kind?: 'tag' | 'note'): Entry | undefined {
    for (let i = this.#own.length - 1; i >= 0; i--) {
      const entry = this.#entries.get(this.#own[i] ?? '');
      if (entry && (!kind || entry.act.body.case === kind)) return entry;
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

export function outcomeName(outcome: Attempt_Outcome): string {
  return OUTCOMES.find(([value]) => value === outcome)?.[1] ?? 'not said';
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

/** The same thing with something else in it. */
export function changeAct(act: Act, change: Partial<Tag> | Partial<Note>): Act {
  const copy = baseAct(act.layer, act.id, Act_Kind.CHANGE);
  if (act.body.case === 'tag')
    copy.body = { case: 'tag', value: { ...act.body.value, ...(change as Partial<Tag>) } };
  else if (act.body.case === 'note')
    copy.body = { case: 'note', value: { ...act.body.value, ...(change as Partial<Note>) } };
  else copy.body = act.body;
  return copy;
}

export function bleepAct(layer: string, fromNs: bigint, toNs: bigint, reason: string): Act {
  return create(ActSchema, {
    id: newId(),
    kind: Act_Kind.ADD,
    layer,
    body: { case: 'bleep', value: { fromNs, toNs, reason } },
  });
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
