// Panel beside the picture: tabs with tags, events and transcript, and a search over all.

import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Act } from '../../gen/protocol/acts_pb';
import type { SessionModel } from '../acts/model';
import { useEmitter } from '../base/emitter';
import { isTextField } from '../base/focus';
import { hints, useKeys } from '../base/keys';
import type { SearchItem } from '../base/search';
import { scrollInPanel } from '../base/windowed';
import type { RecordedDriver } from '../driver/recorded';
import { TranscriptPanel, useCueIndex } from '../driver/transcript';
import { EventList, type FeedItem } from '../marks/events';
import { MarkList } from '../marks/list';
import type { Coder } from '../marks/marks';
import { lastAtOrBefore, type Player } from '../media/player';
import { BleepList } from './bleeps';
import { SearchField, SearchResults, useSearch } from './search_panel';

type Tab = 'tags' | 'events' | 'transcript';

const TABS: ReadonlyArray<[Tab, string]> = [
  ['tags', 'Tags'],
  ['events', 'Events'],
  ['transcript', 'Transcript'],
];

/* render interval of the lists while playing, in addition to changes of the current item */
const STEP_NS = 500_000_000n;
/* the current tag is the last one before the moment, or one just set there */
const HERE_NS = 100_000_000n;
const SCROLLS = /^(ArrowUp|ArrowDown|PageUp|PageDown)$/;
/* controls inside a row */
const CONTROLS = 'button, a, input, select, textarea, summary, label, form, [popover]';

/** A session under review, and the layers whose tags are listed. */
export interface Review {
  driver: RecordedDriver;
  player: Player;
  coder: Coder;
  layers: (act: Act) => boolean;
  feed: FeedItem[];
  atNs: () => bigint;
  others: boolean;
  onOthers: (others: boolean) => void;
}

/** The moment shown, updated twice a second and on changes of the driver: lists need no update per frame. */
export function useMoment(player: Player, atNs: () => bigint): bigint {
  const [, setStep] = useState(0n);
  useEffect(() => player.subscribe(() => setStep(atNs() / STEP_NS)), [player, atNs]);
  return atNs();
}

/** Follow mode of the list, ended by user scrolling. Scrolls to a new current row with `reveal`. */
function useFollowing(panel: RefObject<HTMLDivElement | null>, current: unknown, reveal: () => void) {
  const [following, setFollowing] = useState(true);
  useEffect(() => {
    const element = panel.current;
    const leave = (event: Event) => {
      if (event instanceof KeyboardEvent && (event.shiftKey || !SCROLLS.test(event.key) || isTextField(event.target))) return;
      if (event.type === 'pointerdown' && event.target !== element) return; // only the scroll bar
      setFollowing(false);
    };
    const events = ['wheel', 'touchmove', 'keydown', 'pointerdown'] as const;
    for (const name of events) element?.addEventListener(name, leave, { passive: true });
    return () => {
      for (const name of events) element?.removeEventListener(name, leave);
    };
  }, []);
  useLayoutEffect(() => {
    if (following) reveal();
  }, [current, following]);
  return { following, setFollowing };
}

/** Rows at the moment shown: in each list the last one before it. */
function useCurrentRows({ driver, player, layers, feed, atNs }: Review) {
  const now = useMoment(player, atNs);
  const marks = driver.model.marks().filter(({ act }) => layers(act));
  const times = marks.map(({ act }) => ({ timeNs: act.body.value.mediaNs }));
  const mark = marks[lastAtOrBefore(times, now)]?.act;
  const eventTimes = useMemo(() => feed.map(({ atNs: timeNs }) => ({ timeNs })), [feed]);
  const event = lastAtOrBefore(eventTimes, now);
  const cue = useCueIndex(driver.transcript, player, atNs);
  /** The last mark up to a time that can be changed here. */
  const changeable = (ns: bigint, mayChange: (act: Act) => boolean) =>
    marks.slice(0, lastAtOrBefore(times, ns) + 1).findLast(({ act }) => mayChange(act))?.act;
  return { now, mark, event, cue, changeable };
}

/** Scroll to a tag just set, and follow again. */
function useNewTag(coder: Coder, isListed: boolean, setFollowing: (following: boolean) => void): void {
  const newest = coder.model.lastOwn()?.act.id ?? '';
  const known = useRef(newest);
  useLayoutEffect(() => {
    const act = newest && newest !== known.current ? coder.model.entry(newest)?.act : undefined;
    known.current = newest;
    if (!act || !isListed) return;
    coder.reveal(act);
    setFollowing(true);
  }, [newest]);
}

/** Open the editor of a tag, once its list is rendered. */
function openEditor(panel: RefObject<HTMLDivElement | null>, coder: Coder, act: Act): void {
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      const why = coder.unseen(act);
      if (why) hints.show(why);
      else panel.current?.querySelector<HTMLElement>(`[data-act="${act.id}"] [aria-expanded=false]`)?.click();
    }),
  );
}

/** Time of the tag or note of a clicked row; none for the row's controls. */
function rowNs(target: Element, model: SessionModel): bigint | undefined {
  const id = target.closest(CONTROLS) ? undefined : target.closest<HTMLElement>('[data-act]')?.dataset.act;
  const act = id ? model.entry(id)?.act : undefined;
  return act?.body.case === 'tag' || act?.body.case === 'note' ? act.body.value.mediaNs : undefined;
}

export function ReviewList(review: Review) {
  const { driver, coder } = review;
  const model = useEmitter(driver.model);
  const transcript = useEmitter(driver.transcript);
  const [tab, setTab] = useState<Tab>('tags');
  const panel = useRef<HTMLDivElement>(null);
  const search = useSearch(model, review.feed, transcript);
  const rows = useCurrentRows(review);
  const isSearching = search.query.trim() !== '';
  const reveal = () => {
    if (isSearching) return;
    if (tab === 'tags') {
      if (rows.mark) coder.reveal(rows.mark);
      return;
    }
    const row = panel.current?.querySelector<HTMLElement>('[aria-current=true]');
    if (panel.current && row) scrollInPanel(panel.current, row);
  };
  const currentRow = { tags: rows.mark?.id, events: rows.event, transcript: rows.cue }[tab];
  const { following, setFollowing } = useFollowing(panel, `${tab} ${currentRow} ${isSearching}`, reveal);
  useNewTag(coder, tab === 'tags' && !isSearching, setFollowing);
  const go = (ns: bigint) => {
    setFollowing(true);
    driver.seek(ns);
  };
  const goTo = (item: SearchItem) => driver.seek(item.atNs);
  const edit = (): string => {
    const mine = rows.changeable(driver.seenNs() + HERE_NS, (act) => coder.mayChange(act));
    if (!mine) return 'no tag that you can change up to here';
    if (isSearching) search.type('');
    setTab('tags');
    openEditor(panel, coder, mine);
    return '';
  };
  const focusSearch = () => document.getElementById('search')?.focus();
  useKeys({ e: edit, '/': focusSearch });
  const choose = (one: Tab) => {
    search.type('');
    setTab(one);
  };
  return (
    <>
      <div class="tabs">
        <TabList selected={isSearching ? undefined : tab} onChoose={choose} />
        <SearchField search={search} onGo={goTo} onLeave={() => setFollowing(true)} />
      </div>
      <div
        id="side-panel"
        class="panel"
        ref={panel}
        role="tabpanel"
        aria-labelledby={`tab-${tab}`}
        tabIndex={0}
        onClick={(click) => {
          const ns = rowNs(click.target as Element, model);
          if (ns !== undefined) go(ns);
        }}
      >
        {isSearching ? (
          <SearchResults search={search} beginNs={driver.beginNs} onGo={goTo} />
        ) : (
          <ListOfTab tab={tab} review={review} rows={rows} onGo={go} />
        )}
        {!following && !isSearching && (
          <p class="backtonow">
            <button type="button" class="small primary" onClick={() => setFollowing(true)}>
              Back to now
            </button>
          </p>
        )}
      </div>
    </>
  );
}

function TabList({ selected, onChoose }: { selected: Tab | undefined; onChoose: (tab: Tab) => void }) {
  return (
    <div role="tablist" aria-label="List">
      {TABS.map(([one, title]) => (
        <button
          key={one}
          type="button"
          role="tab"
          id={`tab-${one}`}
          aria-selected={selected === one}
          aria-controls="side-panel"
          onClick={() => onChoose(one)}
        >
          {title}
        </button>
      ))}
    </div>
  );
}

function ListOfTab({
  tab,
  review,
  rows,
  onGo,
}: {
  tab: Tab;
  review: Review;
  rows: ReturnType<typeof useCurrentRows>;
  onGo: (ns: bigint) => void;
}) {
  const { driver } = review;
  switch (tab) {
    case 'tags':
      return <TagList review={review} currentNs={rows.now} onGo={onGo} />;
    case 'events':
      return (
        <EventList
          items={review.feed}
          beginNs={driver.beginNs}
          onGo={onGo}
          currentNs={rows.now}
          empty="No events: no input was recorded in this session, or none occurred."
        />
      );
    case 'transcript':
      return (
        <TranscriptPanel
          transcript={driver.transcript}
          session={driver.session}
          index={rows.cue}
          beginNs={driver.beginNs}
          onGo={onGo}
        />
      );
  }
}

/** Bleeps, tags and notes, of all layers or the own one. */
function TagList({
  review: { driver, coder, layers, others, onOthers },
  currentNs,
  onGo,
}: {
  review: Review;
  currentNs: bigint;
  onGo: (ns: bigint) => void;
}) {
  return (
    <>
      <label class="check small layers">
        <input type="checkbox" checked={others} onChange={(change) => onOthers(change.currentTarget.checked)} />
        all layers
      </label>
      <BleepList coder={coder} beginNs={driver.beginNs} onGo={onGo} />
      <MarkList
        coder={coder}
        beginNs={driver.beginNs}
        onGo={onGo}
        layers={layers}
        currentNs={currentNs}
        hint={driver.summary ? emptyHint(driver.model.study?.codes.map(({ key }) => key.toUpperCase()) ?? []) : ''}
      />
    </>
  );
}

/** Hint for a list without tags. */
function emptyHint(keys: readonly string[]): string {
  const codes = keys.length ? `Press a code’s key (${keys.join(', ')}) when something happens, or N` : 'Press N';
  return `No tags yet. ${codes} to write a note.`;
}
