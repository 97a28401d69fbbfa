// Common parts of the live and moderator pages: watching and tagging the running session.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Act, Tag_Watching } from '../../gen/protocol/acts_pb';
import { Status_State } from '../../gen/protocol/wire_pb';
import type { Moment } from '../acts/model';
import { useEmitter } from '../base/emitter';
import { useUnlessTyping } from '../base/focus';
import { bytes, clock, count, date, lag } from '../base/format';
import { type KeyMap, useKeys } from '../base/keys';
import { useTicks } from '../base/ticks';
import { LiveDriver } from '../driver/live';
import { clickText, EventList, feedOfInputActions } from '../marks/events';
import { MarkList } from '../marks/list';
import { Coder } from '../marks/marks';
import { NoteField, type NoteTarget } from '../marks/note_field';
import { NotJudged, OpportunityList } from '../marks/opportunities';
import { RatingBar } from '../marks/rating';
import { Undelivered } from '../marks/undelivered';
import { LiveMeter } from '../media/meter';
import { Player, type Stats } from '../media/player';
import { isOwn } from '../net/identity';
import { setPaused } from '../net/title';
import { HearButton } from '../parts/hear_button';
import { Icon, type KeyHelp, Palette, StateBadge } from '../parts/parts';
import { PrintHead } from '../parts/print_head';
import { Stage } from '../parts/stage';
import { TaskClock } from '../session/clock';
import { behindText, connectionWords, NoAnswer, refusal } from '../session/reach';

export interface Watching {
  player: Player;
  driver: LiveDriver;
  coder: Coder;
}

/** One player, driver and coder for the lifetime of the page. */
export function useWatching(token: string, name: string): Watching {
  const watching = useMemo(() => {
    const player = new Player();
    const driver = new LiveDriver(player, token, name);
    const coder = new Coder(driver.model, driver.connection, 'live', () =>
      player.presentationNs
        ? {
            mediaNs: player.presentationNs,
            pressNs: driver.connection.sessionNowNs(),
            watching: Tag_Watching.STREAM,
          }
        : undefined,
      /* observers change only their own acts; the server refuses others */
      (act) => isOwn(act, driver.connection) || driver.connection.isModerator,
      () => driver.model.beginNs,
    );
    return { player, driver, coder };
  }, [token]);
  useEffect(() => () => watching.driver.connection.close(), [watching]);
  useEffect(() => {
    const stats: Stats = Object.defineProperties({} as Stats, {
      state: { get: () => watching.driver.state(), enumerable: true },
      firstPictureMs: { get: () => watching.player.firstPictureMs, enumerable: true },
      picturesDecoded: { get: () => watching.player.picturesDecoded, enumerable: true },
      lagMs: { get: () => watching.driver.lagMs(), enumerable: true },
      soundPacketsPlayed: { get: () => watching.driver.sound.packetsPlayed, enumerable: true },
      soundDb: { get: () => watching.driver.levels.peakDb, enumerable: true },
      soundTrouble: { get: () => watching.driver.levels.trouble(), enumerable: true },
      soundPeak: { get: () => watching.driver.sound.peak(), enumerable: true },
      presentationTimeNs: { get: () => Number(watching.player.presentationNs), enumerable: true },
    });
    window.uxrec = { stats };
  }, [watching]);
  useEmitter(watching.driver);
  useEmitter(watching.driver.model);
  const isPaused = watching.driver.status?.state === Status_State.PAUSED;
  useEffect(() => setPaused(isPaused), [isPaused]);
  return watching;
}

export function liveLabel(driver: LiveDriver, player: Player): string {
  const state = driver.state();
  switch (state) {
    case 'live': {
      const behind = driver.behind();
      if (behind) return behindText(behind);
      const elapsed = player.presentationNs - (driver.model.beginNs || player.presentationNs);
      return `LIVE ${clock(elapsed < 0n ? 0n : elapsed)}`;
    }
    case 'ended':
      return endedLabel(driver);
    case 'idle':
      return 'no session';
    default:
      return driver.connection.state === 'open' ? state : connectionWords(driver.connection);
  }
}

/** Label of an ended session, with data not stored yet: on the recorder's machine, or pending acts of this page. */
function endedLabel({ status, model }: LiveDriver): string {
  const unwritten = status?.state === Status_State.ENDING ? status.waitingBytes : 0n;
  const unsent = model.waiting();
  return [
    'ended',
    unwritten && `${bytes(unwritten)} waiting`,
    unsent && `${count(unsent, 'tag or note', 'tags and notes')} waiting`,
  ]
    .filter(Boolean)
    .join(', ');
}

/** Renders four times a second by itself: time and lag. */
export function LiveState({ driver, player }: { driver: LiveDriver; player: Player }) {
  useTicks(250);
  const ms = driver.lagMs();
  const state = driver.state();
  const label = liveLabel(driver, player);
  const late = state === 'live' && driver.behind() !== undefined;
  return (
    <>
      <StateBadge
        state={late ? 'behind' : (state.split(' ')[0] ?? '')}
        label={label}
        spoken={late ? 'behind' : state === 'live' ? state : label}
      />
      {state === 'live' && !late && (
        <span class="lag" title="Delay of this picture behind the participant’s screen">
          lag {Number.isNaN(ms) ? '…' : lag(ms)}
        </span>
      )}
    </>
  );
}

/** Sound controls and level meter of a session recorded with sound. */
export function LiveSound({ driver }: { driver: LiveDriver }) {
  const status = driver.status;
  if (!status?.session || !status.modalities.includes('sound')) return null;
  if (status.observersMuted && !driver.connection.isModerator)
    return <span class="hint">sound muted by the moderator</span>;
  return (
    <>
      <HearButton sound={driver.sound} />
      {status.state === Status_State.RECORDING && <LiveMeter levels={driver.levels} />}
    </>
  );
}

export function TaskState({ driver }: { driver: LiveDriver }) {
  const status = driver.status;
  if (!status?.session) return null;
  const task = driver.model.task(status.task);
  const number = (driver.model.study?.tasks.findIndex((candidate) => candidate.id === status.task) ?? -1) + 1;
  const title = task ? `Task ${number}/${driver.model.study?.tasks.length} “${task.title}”` : 'no task running';
  return (
    <span class="what" title={`${status.participant} · ${title}`}>
      <b>{status.participant}</b>
      <span class="title">· {title}</span>
      {task && <TaskClock driver={driver} short />}
      {status.interruption && <span class="pill warn">interruption</span>}
    </span>
  );
}

/** Cover of the stage while there is no picture. */
export function cover(driver: LiveDriver) {
  const status = driver.status;
  if (driver.connection.state === 'refused')
    return (
      <>
        <h2>{refusal(driver.connection).title}</h2>
        <p>{refusal(driver.connection).text}</p>
      </>
    );
  if (!window.VideoDecoder || driver.undecodable)
    return (
      <>
        <h2>This browser cannot decode the picture</h2>
        <p>Use an up-to-date Chromium, Firefox or Safari, on this machine or through a tunnel to localhost.</p>
        {driver.undecodable && <p class="detail">{driver.undecodable}</p>}
      </>
    );
  if (driver.connection.away)
    return <NoAnswer connection={driver.connection} />;
  if (!status) return <h2>Connecting</h2>;
  if (status.state === Status_State.PAUSED)
    return (
      <>
        <h2>Paused</h2>
        <p>
          {driver.connection.isModerator
            ? 'Nothing is recorded until you resume: ⇧P.'
            : 'Nothing is recorded until the moderator resumes.'}
        </p>
      </>
    );
  if (status.state === Status_State.ENDING) return <h2>The session has ended</h2>;
  if (status.state === Status_State.IDLE || status.state === Status_State.STARTING)
    return status.lastSession ? (
      <>
        <h2>The session has ended</h2>
        <p>{status.lastReason}</p>
      </>
    ) : (
      <>
        <h2>No session yet</h2>
        <p>The picture appears here as soon as the moderator starts one.</p>
      </>
    );
  return undefined;
}

export function pictureText(driver: LiveDriver, player: Player): string {
  const click = player.inputActions.findLast((action) => action.kind === 'click');
  const task = driver.model.task(driver.status?.task ?? '');
  return [
    'The participant’s screen, live.',
    task ? `Task: ${task.title}.` : 'No task is running.',
    click && (click.role || click.x >= 0) ? `Last: ${clickText(click)}.` : '',
  ].join(' ');
}

/* ---- keys ---- */

/** Reason why no tag can be set now, or "". */
function whyNoTag(driver: LiveDriver): string {
  if (driver.mayTag()) return '';
  switch (driver.status?.state) {
    case Status_State.PAUSED:
      return 'paused: no tags until the moderator resumes';
    case Status_State.IDLE:
    case Status_State.STARTING:
    case Status_State.ENDING:
      return driver.model.session ? 'the session has ended' : 'no session is running';
    case Status_State.RECORDING:
      return 'no picture to tag yet';
    default:
      return 'not connected to the recorder';
  }
}

/* ---- notes ---- */

/** Moment of a note. Without a picture, in a pause or before the first one, it is the session clock. */
function noteMoment({ driver, coder }: Watching): Moment | undefined {
  const now = driver.connection.sessionNowNs();
  const clocked = now ? { mediaNs: now, pressNs: now, watching: Tag_Watching.STREAM } : undefined;
  return driver.status?.state === Status_State.RECORDING ? (coder.moment() ?? clocked) : (clocked ?? coder.moment());
}

/** Sessions that accept notes now, the running one first. */
function noteTargets(watching: Watching): NoteTarget[] {
  const { status, late } = watching.driver;
  const targets: NoteTarget[] = [];
  if (watching.driver.connection.state === 'refused') return targets;
  if (status?.session)
    targets.push({ session: status.session, name: status.participant, moment: () => noteMoment(watching) });
  if (late && late.session !== status?.session)
    targets.push({
      session: late.session,
      name: late.participant,
      until: late.until.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }),
      moment: () => ({ mediaNs: late.endNs, pressNs: 0n, watching: Tag_Watching.UNSPECIFIED }),
    });
  return targets;
}

/** Reason why no note can be added now, or "". */
function whyNoNote(watching: Watching): string {
  const { driver } = watching;
  if (driver.connection.state === 'refused') return 'this link is not valid';
  return noteTargets(watching).length > 0 ? '' : whyNoTag(driver) || 'no session is running';
}

/** Notes on the last session, accepted for five minutes after its end, when nothing else of it is on the page. */
export function LateNotes({ watching }: { watching: Watching }) {
  const targets = () => noteTargets(watching);
  if (targets().length === 0) return null;
  return (
    <aside aria-label="Notes on the previous session">
      <Undelivered coder={watching.coder} />
      <NoteField coder={watching.coder} why={() => whyNoNote(watching)} targets={targets} />
    </aside>
  );
}

/** Keys available on a page of the running session. */
export function observerKeys({ driver, coder }: Watching): KeyHelp {
  const running = driver.status?.session !== undefined && driver.status.session !== '';
  return running ? [...coder.help(), ['N', 'write a note, stamped at its first key; shift+Enter starts a new line'], ['/', 'filter tags and notes']] : [];
}

function useObserverKeys(
  watching: Watching,
  layers: (act: Act) => boolean,
  showTags: () => void,
  extraKeys: KeyMap | undefined,
): void {
  const { driver, coder } = watching;
  useKeys({
    ...coder.keys(() => whyNoTag(driver)),
    n: () => {
      const field = document.getElementById('note');
      field?.focus();
      return field ? '' : whyNoNote(watching);
    },
    '/': () => {
      if (!driver.model.marks().some(({ act }) => layers(act))) return 'no tags or notes to filter';
      showTags();
      requestAnimationFrame(() => document.getElementById('filter-author')?.focus());
      return '';
    },
    ...extraKeys,
  });
}

/** Hint for an empty list; names keys only if they are available. */
function listHint(driver: LiveDriver): string {
  if (driver.mayTag() && driver.model.study?.codes.length) return 'No tags yet. Press a code’s key when something happens.';
  return driver.status?.session ? 'No tags or notes yet.' : 'No tags or notes.';
}

type Tab = 'tags' | 'events';

/* phone in landscape: the list comes first */
const LOW_PX = 500;

/** Stage, tags, notes, events and palette. */
export function ObserveBody({
  watching,
  extraKeys,
}: {
  watching: Watching;
  extraKeys?: KeyMap;
}) {
  const { player, driver, coder } = watching;
  const [tab, setTab] = useState<Tab>('tags');
  const [isSheetOpen, setSheetOpen] = useState(window.innerHeight >= LOW_PX);
  const atNs = useMemo(() => () => player.flowingNs(), [player]);
  const running = driver.mayTag();
  const codes = driver.connection.state === 'refused' ? [] : (driver.model.study?.codes ?? []);
  /* an unfinished note stays, even when no session accepts it any more */
  const hasNotes = useUnlessTyping(noteTargets(watching).length > 0 || coder.draft.text !== '');
  const shown = useMemo(() => (act: Act) => act.layer === 'live', []);
  useObserverKeys(watching, shown, () => setTab('tags'), extraKeys);
  const beginNs = driver.model.beginNs || player.presentationNs;
  const covered = cover(driver);
  return (
    <>
      <PrintHead part="session" title={printTitle(driver)} lines={printLines(driver, tab)} />
      <main class="work">
        <Stage player={player} atNs={atNs} text={pictureText(driver, player)} covered={covered} live />
        <aside class="side" aria-label="Tags, notes and events">
          <div class="tabs">
            <TabList selected={tab} onChoose={setTab} />
            <span class="spring" />
            {codes.length > 0 && <SheetToggle isOpen={isSheetOpen} onToggle={() => setSheetOpen(!isSheetOpen)} />}
          </div>
          <div id="side-panel" class="panel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
            {tab === 'tags' ? (
              <MarkList coder={coder} beginNs={beginNs} layers={shown} hint={listHint(driver)} isFiltered />
            ) : (
              <Feed player={player} driver={driver} beginNs={beginNs} />
            )}
          </div>
          <OpportunityList coder={coder} />
          {hasNotes && (
            <NoteField
              coder={coder}
              why={() => whyNoNote(watching)}
              targets={() => noteTargets(watching)}
              about={driver.status?.state === Status_State.PAUSED ? 'paused: you can add notes, but no tags' : ''}
            />
          )}
        </aside>
      </main>
      <footer class="bottom">
        <Undelivered coder={coder} />
        {codes.length > 0 && (
          <div id="sheet" class={`tagsheet ${isSheetOpen ? '' : 'closed'}`}>
            <Palette codes={codes} disabled={!running} onTag={(code) => coder.tag(code)} />
            <RatingBar coder={coder} />
            <NotJudged coder={coder} isOfLayer={shown} />
          </div>
        )}
      </footer>
    </>
  );
}

function TabList({ selected, onChoose }: { selected: Tab; onChoose: (tab: Tab) => void }) {
  return (
    <div class="row" role="tablist" aria-label="List">
      {(['tags', 'events'] as const).map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`tab-${name}`}
          aria-selected={selected === name}
          aria-controls="side-panel"
          onClick={() => onChoose(name)}
        >
          {name === 'tags' ? 'Tags and notes' : 'Events'}
        </button>
      ))}
    </div>
  );
}

/** Opens and closes the sheet with the buttons for tags. */
function SheetToggle({ isOpen, onToggle }: { isOpen: boolean; onToggle: () => void }) {
  return (
    <button
      type="button"
      class="quiet sheettoggle"
      aria-label="Tag buttons"
      aria-expanded={isOpen}
      aria-controls="sheet"
      onClick={onToggle}
    >
      <Icon name={isOpen ? 'down' : 'up'} /> <span class="word">Buttons</span>
    </button>
  );
}

function Feed({ player, driver, beginNs }: { player: Player; driver: LiveDriver; beginNs: bigint }) {
  useEmitter(player);
  const items = feedOfInputActions(player.inputActions.slice(-1500), driver.gaps);
  return <EventList items={items.slice(-200)} beginNs={beginNs} />;
}

/* ---- print ---- */

function printTitle({ model, status }: LiveDriver): string {
  return model.session ? model.participant() || status?.participant || model.session : 'no session running';
}

function printLines({ model }: LiveDriver, tab: Tab): string[] {
  if (!model.session) return [];
  return [
    `Study: ${model.study?.name || 'none'}`,
    `Recorded: ${model.beginNs ? date(model.beginNs) : ''}, session ${model.session}`,
    tab === 'tags' ? 'Layer: live, the newest tags and notes first' : 'Events',
  ];
}
