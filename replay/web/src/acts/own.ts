// This tab's last acts in a session, for undo, and the acts it removed; kept across reloads.

import type { Act } from '../../gen/protocol/acts_pb';
import { packAct, unpackAct } from './outbox';

const KEY = 'uxrec.own.';
const MOST_IDS = 300;
const MOST_REMOVED = 20;

interface Kept {
  ids: string[];
  /** Removed acts in base64, oldest first. */
  removed: string[];
}

export class OwnActs {
  #session: string;
  #ids: string[];
  #removed: Act[];

  constructor(session: string) {
    this.#session = session;
    const { ids, removed } = load(session);
    this.#ids = ids;
    this.#removed = removed;
  }

  add(id: string): void {
    if (this.#ids.includes(id)) return;
    this.#ids = [...this.#ids, id].slice(-MOST_IDS);
    this.#save();
  }

  /** Newest first. */
  ids(): string[] {
    return [...this.#ids].reverse();
  }

  /** The last removed act that can be restored. */
  get lastRemoved(): Act | undefined {
    return this.#removed.at(-1);
  }

  remove(act: Act): void {
    this.#removed = [...this.#removed, act].slice(-MOST_REMOVED);
    this.#save();
  }

  /** Drop a removed act that was restored or whose removal was refused. */
  forgetRemoved(id: string): void {
    this.#removed = this.#removed.filter((act) => act.id !== id);
    this.#save();
  }

  #save(): void {
    const kept: Kept = { ids: this.#ids, removed: this.#removed.map(packAct) };
    try {
      sessionStorage.setItem(KEY + this.#session, JSON.stringify(kept));
    } catch {
      /* quota exceeded or storage blocked: still in memory */
    }
  }
}

function load(session: string): { ids: string[]; removed: Act[] } {
  try {
    const { ids, removed } = JSON.parse(sessionStorage.getItem(KEY + session) ?? '') as Kept;
    return {
      ids: ids.filter((id) => typeof id === 'string'),
      removed: removed.map(unpackAct),
    };
  } catch {
    return { ids: [], removed: [] };
  }
}
