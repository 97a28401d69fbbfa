// Connected people; sent to moderators only.

import { useEffect, useRef, useState } from 'preact/hooks';
import { type People_Person, Role } from '../../gen/protocol/wire_pb';
import { clock, count } from '../base/format';
import { useTicks } from '../base/ticks';
import type { LiveDriver } from '../driver/live';

const ROLES = new Map([
  [Role.MODERATOR, 'moderating'],
  [Role.OBSERVER, 'observing'],
  [Role.REVIEWER, 'in the library'],
]);

/** Distinct names of the other moderators; excludes this person's other pages. */
export function otherModerators(driver: LiveDriver): string[] {
  const others = driver.people.filter(
    ({ role, principal }) => role === Role.MODERATOR && principal !== driver.connection.principal,
  );
  return [...new Set(others.map(({ name }) => name))];
}

/** "also moderating: Ann" */
export function OtherModerators({ driver }: { driver: LiveDriver }) {
  const names = otherModerators(driver);
  return (
    <span class="others" role="status">
      {names.length > 0 && (
        <span class="pill" title={`${names.join(', ')} can start, pause and stop too`}>
          also moderating: {names.join(', ')}
        </span>
      )}
    </span>
  );
}

function detail(driver: LiveDriver, person: People_Person): string {
  const sinceS = person.sinceS + Math.floor((performance.now() - driver.peopleMs) / 1000);
  const parts = [`${ROLES.get(person.role) ?? 'connected'} for ${clock(BigInt(sinceS) * 1_000_000_000n)}`];
  const muted = driver.status?.observersMuted && person.role !== Role.MODERATOR;
  if (person.live) {
    if (person.hidden) parts.push('page not in view');
    else if (person.behindMs >= 1000) parts.push(`${(person.behindMs / 1000).toFixed(1)} s behind`);
    else if (person.behindMs > 0) parts.push('no delay');
    if (person.hears) parts.push(muted ? 'muted' : 'hears the sound');
  }
  return parts.join(', ');
}

/** Button with the number of watchers, which opens the list of names. */
export function Watchers({ driver }: { driver: LiveDriver }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useTicks();
  useEffect(() => {
    if (!open) return undefined;
    const away = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', away);
    return () => document.removeEventListener('pointerdown', away);
  }, [open]);
  const { people, peopleMore } = driver;
  const watching = driver.status?.observers ?? 0;
  return (
    <div
      class="watchlist"
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open) return;
        event.preventDefault();
        event.stopPropagation();
        setOpen(false);
        button.current?.focus();
      }}
    >
      <button
        ref={button}
        type="button"
        class="quiet"
        aria-expanded={open}
        aria-controls="watchlist"
        onClick={() => setOpen(!open)}
      >
        {count(watching, 'watching', 'watching')}
      </button>
      {open && (
        <div id="watchlist" class="popover card" role="group" aria-label="Connected people">
          {people.length === 0 && <p class="hint">Unknown while the recorder does not answer.</p>}
          <ul>
            {people.map((person, i) => (
              <li key={i}>
                <b>{person.name}</b>
                {person.principal === driver.connection.principal && ' (you)'}
                <span class="hint"> {detail(driver, person)}</span>
              </li>
            ))}
          </ul>
          {peopleMore > 0 && <p class="hint">and {peopleMore} more</p>}
        </div>
      )}
    </div>
  );
}
