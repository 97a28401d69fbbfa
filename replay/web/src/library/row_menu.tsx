// Actions of a session in the library: menu button, and the dialogs of its items.

import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type SessionSummary, SessionSummary_Health as Health } from '../../gen/protocol/wire_pb';
import type { Connection } from '../net/connection';
import { Notice, validName } from '../parts/parts';
import { type Known, knownParticipant, LABEL_RULE, spelled } from '../session/participant';
import { DeleteDialog } from './delete';
import { ExportDialog } from './export_dialog';
import { exclude, type Outcome, rename, sessionName, setPilot } from './session_actions';

/** A menu item; without `run` it is disabled, with the reason below its name. */
interface Item {
  name: string;
  run?: () => void;
  reason?: string;
}

type Asking = 'exclude' | 'rename' | 'export' | 'delete';

/** Takes the result of an action, or the error. */
export type Tell = (outcome: Outcome | { trouble: string }) => void;

export function RowMenu({
  session,
  sessions,
  connection,
  onDone,
}: {
  session: SessionSummary;
  /** All sessions of the library, to detect known participants. */
  sessions: readonly SessionSummary[];
  connection: Connection;
  onDone: Tell;
}) {
  const [asking, setAsking] = useState<Asking>();
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setAsking(undefined);
    requestAnimationFrame(() => button.current?.focus());
  };
  const done: Tell = (outcome) => {
    close();
    onDone(outcome);
  };
  const attempt = (action: Promise<Outcome>) =>
    action.then(onDone, (error: Error) => onDone({ trouble: `${sessionName(session)}: ${error.message}` }));
  return (
    <>
      <MenuButton
        label={`Actions: ${sessionName(session)}`}
        button={button}
        items={itemsOf(session, connection, {
          ask: setAsking,
          include: () => void attempt(exclude(connection, session, '')),
          pilot: () => void attempt(setPilot(connection, session, !session.pilot)),
        })}
      />
      {asking === 'exclude' && <ExcludeDialog session={session} connection={connection} onDone={done} onClose={close} />}
      {asking === 'rename' && (
        <RenameDialog session={session} sessions={sessions} connection={connection} onDone={done} onClose={close} />
      )}
      {asking === 'export' && <ExportDialog session={session} connection={connection} onClose={close} />}
      {asking === 'delete' && (
        <DeleteDialog
          session={session}
          connection={connection}
          onDone={(deleted) => {
            if (deleted) onDone({ text: `Deleted permanently: ${sessionName(session)}` });
            else close();
          }}
        />
      )}
    </>
  );
}

function itemsOf(
  session: SessionSummary,
  connection: Connection,
  actions: { ask: (what: Asking) => void; include: () => void; pilot: () => void },
): Item[] {
  const recording = session.health === Health.RECORDING;
  const unreadable = session.health === Health.UNREADABLE;
  const closed = session.keptBack ? session.consent : unreadable ? 'it cannot be opened' : '';
  const item = (name: string, run: () => void, reason = ''): Item => (reason ? { name, reason } : { name, run });
  const exported = item('Export…', () => actions.ask('export'), closed);
  if (!connection.isModerator) return [exported];
  return [
    session.excluded
      ? item('Include again', actions.include, closed)
      : item('Exclude…', () => actions.ask('exclude'), closed),
    item(session.pilot ? 'Unmark as pilot' : 'Mark as pilot', actions.pilot, closed),
    item('Rename…', () => actions.ask('rename'), closed),
    exported,
    item('Delete…', () => actions.ask('delete'), recording ? 'end the session first' : ''),
  ];
}

/* ---- the menu ---- */

const MARGIN_PX = 8;

/**
 * Menu button (ARIA practices, "Menu Button"): arrow keys, Home, End and first letters move through the items, Escape
 * and Tab close it.
 */
function MenuButton({
  label,
  items,
  button,
}: {
  label: string;
  items: Item[];
  button: { current: HTMLButtonElement | null };
}) {
  const [open, setOpen] = useState<'first' | 'last'>();
  const close = (back = true) => {
    setOpen(undefined);
    if (back) button.current?.focus();
  };
  return (
    <>
      <button
        type="button"
        ref={button}
        class="quiet small more"
        aria-haspopup="menu"
        aria-expanded={open !== undefined}
        aria-label={label}
        onClick={() => setOpen(open ? undefined : 'first')}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
          event.preventDefault();
          setOpen(event.key === 'ArrowDown' ? 'first' : 'last');
        }}
      >
        <span aria-hidden="true">⋯</span>
      </button>
      {open && <Menu label={label} items={items} begin={open} anchor={button} onClose={close} />}
    </>
  );
}

/* next to its button and within the window */
function placeMenu(menu: HTMLElement, anchor: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = anchor.bottom + height + MARGIN_PX <= innerHeight;
  const left = Math.min(anchor.right - width, innerWidth - width - MARGIN_PX);
  menu.style.left = `${Math.max(MARGIN_PX, left)}px`;
  menu.style.top = `${Math.max(MARGIN_PX, below ? anchor.bottom : anchor.top - height)}px`;
}

/** Close a menu at a press or scroll outside of it and its button, and when the window is resized. */
function useOutside(
  menu: RefObject<HTMLElement | null>,
  anchor: RefObject<HTMLElement | null>,
  close: () => void,
): void {
  useEffect(() => {
    const outside = (event: Event) => {
      const target = event.target as Node;
      if (!menu.current?.contains(target) && !anchor.current?.contains(target)) close();
    };
    document.addEventListener('pointerdown', outside, true);
    window.addEventListener('resize', close);
    document.addEventListener('scroll', outside, true);
    return () => {
      document.removeEventListener('pointerdown', outside, true);
      window.removeEventListener('resize', close);
      document.removeEventListener('scroll', outside, true);
    };
  }, []);
}

function Menu({
  label,
  items,
  begin,
  anchor,
  onClose,
}: {
  label: string;
  items: Item[];
  begin: 'first' | 'last';
  anchor: { current: HTMLButtonElement | null };
  onClose: (back?: boolean) => void;
}) {
  const menu = useRef<HTMLUListElement>(null);
  const entries = () => [...(menu.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
  useLayoutEffect(() => {
    const list = menu.current;
    const at = anchor.current?.getBoundingClientRect();
    if (!list || !at) return;
    list.showPopover();
    placeMenu(list, at);
    entries().at(begin === 'first' ? 0 : -1)?.focus();
  }, []);
  useOutside(menu, anchor, () => onClose(false));
  const onKeyDown = (event: KeyboardEvent) => {
    const all = entries();
    const here = all.indexOf(document.activeElement as HTMLElement);
    const go = (index: number) => all[(index + all.length) % all.length]?.focus();
    const letter = event.key.length === 1 ? event.key.toLowerCase() : '';
    if (event.key === 'ArrowDown') go(here + 1);
    else if (event.key === 'ArrowUp') go(here - 1);
    else if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(-1);
    else if (event.key === 'Escape') onClose();
    else if (event.key === 'Tab') {
      onClose(); // the focus continues from the button
      return;
    } else if (letter && letter !== ' ') {
      const found = [...all.slice(here + 1), ...all.slice(0, here + 1)].find((one) =>
        one.textContent?.toLowerCase().startsWith(letter),
      );
      found?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <ul ref={menu} class="menu" role="menu" popover="manual" aria-label={label} onKeyDown={onKeyDown}>
      {items.map(({ name, run, reason }) => (
        <li key={name} role="none">
          <button
            type="button"
            role="menuitem"
            tabIndex={-1}
            aria-disabled={!run}
            onClick={() => {
              if (!run) return;
              onClose();
              run();
            }}
          >
            {name}
            {reason && <span class="hint">{reason}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}

/* ---- dialogs ---- */

/** A form in a dialog; a refusal is shown beside the fields, which keep their text. */
function Ask({
  title,
  action,
  ready,
  trouble,
  store,
  onDone,
  onClose,
  children,
}: {
  title: string;
  action: string;
  ready: boolean;
  /** Reason for not being ready, or a warning. */
  trouble?: string;
  store: () => Promise<Outcome>;
  onDone: Tell;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState('');
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const submit = async () => {
    setBusy(true);
    setRefused('');
    try {
      onDone(await store());
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} class="asking" aria-labelledby="ask-title" onClose={onClose}>
      <h2 id="ask-title">{title}</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready && !busy) void submit();
        }}
      >
        {children}
        {trouble && <p class="hint">{trouble}</p>}
        {refused && <Notice kind="error">Not stored: {refused}</Notice>}
        <div class="row">
          <button type="submit" class="primary" disabled={!ready || busy}>
            {action}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

interface AskProps {
  session: SessionSummary;
  connection: Connection;
  onDone: Tell;
  onClose: () => void;
}

function ExcludeDialog({ session, connection, onDone, onClose }: AskProps) {
  const [reason, setReason] = useState('');
  return (
    <Ask
      title={`Exclude ${sessionName(session)} from the metrics?`}
      action="Exclude"
      ready={reason.trim() !== ''}
      store={() => exclude(connection, session, reason.trim())}
      onDone={onDone}
      onClose={onClose}
    >
      <p>It stays in the library with its reason, and can be included again.</p>
      <label class="asked">
        Reason
        <input
          value={reason}
          maxLength={500}
          autocomplete="off"
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
    </Ask>
  );
}

function takenText({ label, isSimilar }: Known): string {
  return isSimilar
    ? `The study already has this participant, spelled ${label}.`
    : `${label} has another session in this study: the metrics count both as one participant.`;
}

function RenameDialog({ session, sessions, connection, onDone, onClose }: AskProps & { sessions: readonly SessionSummary[] }) {
  const [label, setLabel] = useState(session.participants[0] ?? '');
  const [segment, setSegment] = useState(session.segment);
  const name = spelled(label);
  const isOld = name === session.participants[0];
  const others = sessions.filter((other) => other.session !== session.session);
  const known = isOld ? undefined : knownParticipant(others, { name: session.study, studyId: session.studyId }, name);
  const trouble = !validName(name) ? LABEL_RULE : known ? takenText(known) : '';
  return (
    <Ask
      title={`Rename ${sessionName(session)}`}
      action="Rename"
      ready={validName(name) && !(isOld && segment.trim() === session.segment)}
      trouble={trouble}
      store={() => rename(connection, session, name, segment.trim())}
      onDone={onDone}
      onClose={onClose}
    >
      <label class="asked">
        Participant
        <input
          value={label}
          autocomplete="off"
          spellcheck={false}
          aria-invalid={!validName(name)}
          onInput={(event) => setLabel(event.currentTarget.value)}
        />
      </label>
      <label class="asked">
        Segment
        <input
          value={segment}
          maxLength={80}
          autocomplete="off"
          onInput={(event) => setSegment(event.currentTarget.value)}
        />
      </label>
    </Ask>
  );
}
