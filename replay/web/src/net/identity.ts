// Who this browser is: a secret of its own, from which the server derives the principal of its acts.
//
// It is in localStorage, so that all tabs of this origin are one person, today and tomorrow; where that is blocked, in
// memory. It is sent in the hello alone.

import type { Act } from '../../gen/protocol/acts_pb';
import { isKey } from './key';

const NAME = 'identity';

let current = '';

function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** 32 hex digits. */
export function ownIdentity(): string {
  if (current) return current;
  try {
    const stored = localStorage.getItem(NAME) ?? '';
    if (!isKey(stored)) localStorage.setItem(NAME, random());
    /* another tab may have been a moment earlier: the one that is stored is the one of all */
    current = localStorage.getItem(NAME) ?? '';
  } catch {
    // in memory
  }
  if (!isKey(current)) current = random();
  return current;
}

/** This person, as the server knows them. */
export interface Person {
  /** Welcome.principal; empty: of an earlier server, or before the first welcome. */
  principal: string;
  name: string;
}

/** Whether an act is this person's: by principal, without one by name. Acts on their way have no author yet. */
export function isOwn(act: Act, person: Person): boolean {
  if (!act.author) return true;
  return act.principal ? act.principal === person.principal : act.author === person.name;
}
