// Queue of acts for the store: sent in order, one at a time, and kept while disconnected.

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Act, Act_Kind, ActSchema } from '../../gen/protocol/acts_pb';
import { type Connection, Refusal } from '../net/connection';

/* Limits: ample for half an hour of one person's acts while disconnected. */
const MOST_ACTS = 300;
const MOST_BYTES = 256 * 1024;
const KEY = 'uxrec.waiting.';

/** errno of Failure: the id exists; no such object. */
const EEXIST = 17;
const ENOENT = 2;

/** Kept: disconnected, the result is known later. */
export type Fate = { kind: 'stored'; act?: Act } | { kind: 'kept' } | { kind: 'refused'; reason: string };

interface Waiting {
  act: Act;
  /** Possibly stored: the connection broke before the answer. */
  sent: boolean;
  settle?: (fate: Fate) => void;
}

/** Called with the result of an act that was kept before. */
export type Settled = (act: Act, fate: Fate) => void;

export class Outbox {
  readonly session: string;
  #waiting: Waiting[];
  #settled: Settled;
  #sending = false;

  constructor(session: string, settled: Settled) {
    this.session = session;
    this.#settled = settled;
    this.#waiting = load(session);
  }

  acts(): Act[] {
    return this.#waiting.map(({ act }) => act);
  }

  /** Append an act. @return its result, or "kept", whichever is known first */
  async put(connection: Connection, act: Act): Promise<Fate> {
    const bytes = this.#waiting.reduce((sum, one) => sum + toBinary(ActSchema, one.act).length, 0);
    if (this.#waiting.length >= MOST_ACTS || bytes + toBinary(ActSchema, act).length > MOST_BYTES)
      return { kind: 'refused', reason: `${this.#waiting.length} tags and notes wait for the connection already` };
    return new Promise((resolve) => {
      this.#waiting.push({ act, sent: false, settle: resolve });
      this.#save();
      void this.send(connection);
    });
  }

  /** Withdraw an act never sent, with all later ones on the same object. @return false if it was sent */
  forget(id: string): boolean {
    const mine = this.#waiting.filter(({ act }) => act.id === id);
    if (mine[0]?.act.kind !== Act_Kind.ADD || mine.some(({ sent }) => sent)) return false;
    this.#waiting = this.#waiting.filter(({ act }) => act.id !== id);
    this.#save();
    for (const { settle } of mine) settle?.({ kind: 'stored' });
    return true;
  }

  /** Ids known to the store: acts that add one of them were stored before the connection broke. */
  known(ids: ReadonlySet<string>): void {
    const there = this.#waiting.filter(({ act }) => act.kind === Act_Kind.ADD && ids.has(act.id));
    for (const one of there) this.#done(one, { kind: 'stored' });
  }

  /** Send the queued acts. Stops when the connection breaks; call again after a reconnect. */
  async send(connection: Connection): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const fate = await this.#try(connection, next);
      if (fate.kind === 'kept') break;
      this.#done(next, fate);
    }
    this.#sending = false;
    for (const one of this.#waiting) {
      one.settle?.({ kind: 'kept' });
      delete one.settle;
    }
  }

  async #try(connection: Connection, { act, sent }: Waiting): Promise<Fate> {
    const waiting = this.#waiting[0];
    if (connection.state !== 'open') return { kind: 'kept' };
    if (waiting && !sent) {
      waiting.sent = true;
      this.#save();
    }
    try {
      const answer = await connection.request({ case: 'putAct', value: { session: this.session, act } });
      return { kind: 'stored', act: answer.body.case === 'actStored' ? answer.body.value.act : undefined };
    } catch (error) {
      if (!(error instanceof Refusal)) return { kind: 'kept' };
      /* on a retry: the first attempt was stored, its answer lost */
      if (sent && act.kind === Act_Kind.ADD && error.code === EEXIST) return { kind: 'stored' };
      if (sent && act.kind === Act_Kind.REMOVE && error.code === ENOENT) return { kind: 'stored' };
      return { kind: 'refused', reason: error.message };
    }
  }

  #done(one: Waiting, fate: Fate): void {
    this.#waiting = this.#waiting.filter((other) => other !== one);
    this.#save();
    if (one.settle) one.settle(fate);
    else this.#settled(one.act, fate);
  }

  /* survives a reload; per tab, until the tab closes */
  #save(): void {
    const name = KEY + this.session;
    try {
      if (this.#waiting.length) sessionStorage.setItem(name, JSON.stringify(this.#waiting.map(pack)));
      else sessionStorage.removeItem(name);
    } catch {
      /* quota exceeded or storage blocked: still in memory */
    }
  }
}

/** Sessions with queued acts of this tab. */
export function waitingSessions(): string[] {
  try {
    return Object.keys(sessionStorage)
      .filter((key) => key.startsWith(KEY))
      .map((key) => key.slice(KEY.length));
  } catch {
    return [];
  }
}

/** Serialize an act as text for session storage. */
export function packAct(act: Act): string {
  return btoa(Array.from(toBinary(ActSchema, act), (byte) => String.fromCharCode(byte)).join(''));
}

export function unpackAct(text: string): Act {
  return fromBinary(ActSchema, Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
}

interface Packed {
  act: string;
  sent: boolean;
}

function pack({ act, sent }: Waiting): Packed {
  return { act: packAct(act), sent };
}

function load(session: string): Waiting[] {
  try {
    const packed = JSON.parse(sessionStorage.getItem(KEY + session) ?? '[]') as Packed[];
    return packed.slice(0, MOST_ACTS).map(({ act, sent }) => ({ act: unpackAct(act), sent }));
  } catch {
    return [];
  }
}
