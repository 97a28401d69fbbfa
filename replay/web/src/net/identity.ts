// Identity of this browser: its own secret, from which the server derives the principal of its acts.
//
// Stored in localStorage, so that all tabs of this origin are one person over time; in memory where storage is blocked.
// Sent only in the hello.

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
    /* another tab may have stored one first: the stored one wins */
    current = localStorage.getItem(NAME) ?? '';
  } catch {
    // in memory
  }
  if (!isKey(current)) current = random();
  return current;
}

/** This person as known to the server. */
export interface Person {
  /** Welcome.principal; empty with an older server, or before the first welcome. */
  principal: string;
  name: string;
}

/** True for this person's acts: by principal, without one by name. Pending acts have no author yet. */
export function isOwn(act: Act, person: Person): boolean {
  if (!act.author) return true;
  return act.principal ? act.principal === person.principal : act.author === person.name;
}
