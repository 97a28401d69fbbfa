// Panel beside the picture: tabs with tags, events and transcript, and a search over all.

import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Act } from '../../gen/protocol/acts_pb';
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

/** Hint for a list without tags. */
function emptyHint(keys: readonly string[]): string {
  const codes = keys.length ? `Press a code’s key (${keys.join(', ')}) when something happens, or N` : 'Press N';
  return `No tags yet. ${codes} to write a note.`;
}

export function ReviewList({
  driver,
  player,
  coder,
  layers,
  feed,
  atNs,
  others,
  onOthers,
}: {
  driver: RecordedDriver;
  player: Player;
  coder: Coder;
  layers: (act: Act) => boolean;
  feed: FeedItem[];
  atNs: () => bigint;
  others: boolean;
  onOthers: (others: boolean) => void;
}) {
  const model = useEmitter(driver.model);
  const transcript = useEmitter(driver.transcript);
  const [tab, setTab] = useState<Tab>('tags');
  const panel = useRef<HTMLDivElement>(null);
  const search = useSearch(model, feed, transcript);
  const now = useMoment(player, atNs);
  const marks = model.marks().filter(({ act }) => layers(act));
  const times = marks.map(({ act }) => ({ timeNs: act.body.value.mediaNs }));
  const current = marks[lastAtOrBefore(times, now)]?.act;
  const eventTimes = useMemo(() => feed.map(({ atNs: timeNs }) => ({ timeNs })), [feed]);
  const eventIndex = lastAtOrBefore(eventTimes, now);
  const cueIndex = useCueIndex(transcript, player, atNs);
  const isSearching = search.query.trim() !== '';
  const newest = model.lastOwn()?.act.id ?? '';
  const reveal = () => {
    if (isSearching) return;
    if (tab === 'tags') {
      if (current) coder.reveal(current);
      return;
    }
    const row = panel.current?.querySelector<HTMLElement>('[aria-current=true]');
    if (panel.current && row) scrollInPanel(panel.current, row);
  };
  const currentRow = { tags: current?.id, events: eventIndex, transcript: cueIndex }[tab];
  const { following, setFollowing } = useFollowing(panel, `${tab} ${currentRow} ${isSearching}`, reveal);
  /* scroll to a tag just set */
  const known = useRef(newest);
  useLayoutEffect(() => {
    const act = newest && newest !== known.current ? model.entry(newest)?.act : undefined;
    known.current = newest;
    if (!act || tab !== 'tags' || isSearching) return;
    coder.reveal(act);
    setFollowing(true);
  }, [newest]);
  const go = (ns: bigint) => {
    setFollowing(true);
    driver.seek(ns);
  };
  const goTo = (item: SearchItem) => driver.seek(item.atNs);
  const edit = (): string => {
    const here = driver.seenNs() + HERE_NS;
    const mine = marks.slice(0, lastAtOrBefore(times, here) + 1).findLast(({ act }) => coder.mayChange(act))?.act;
    if (!mine) return 'no tag that you can change up to here';
    if (isSearching) search.type('');
    setTab('tags');
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        const why = coder.unseen(mine);
        if (why) hints.show(why);
        else panel.current?.querySelector<HTMLElement>(`[data-act="${mine.id}"] [aria-expanded=false]`)?.click();
      }),
    );
    return '';
  };
  const focusSearch = () => document.getElementById('search')?.focus();
  useKeys({ e: edit, '/': focusSearch });
  return (
    <>
      <div class="tabs">
        <div role="tablist" aria-label="List">
          {TABS.map(([one, title]) => (
            <button
              key={one}
              type="button"
              role="tab"
              id={`tab-${one}`}
              aria-selected={tab === one && !isSearching}
              aria-controls="side-panel"
              onClick={() => {
                search.type('');
                setTab(one);
              }}
            >
              {title}
            </button>
          ))}
        </div>
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
          const target = click.target as Element;
          const id = target.closest(CONTROLS) ? undefined : target.closest<HTMLElement>('[data-act]')?.dataset.act;
          const act = id ? model.entry(id)?.act : undefined;
          if (act?.body.case === 'tag' || act?.body.case === 'note') go(act.body.value.mediaNs);
        }}
      >
        {isSearching ? (
          <SearchResults search={search} beginNs={driver.beginNs} onGo={goTo} />
        ) : tab === 'transcript' ? (
          <TranscriptPanel
            transcript={transcript}
            session={driver.session}
            index={cueIndex}
            beginNs={driver.beginNs}
            onGo={go}
          />
        ) : tab === 'tags' ? (
          <>
            <label class="check small layers">
              <input type="checkbox" checked={others} onChange={(change) => onOthers(change.currentTarget.checked)} />
              all layers
            </label>
            <BleepList coder={coder} beginNs={driver.beginNs} onGo={go} />
            <MarkList
              coder={coder}
              beginNs={driver.beginNs}
              onGo={go}
              layers={layers}
              currentNs={now}
              hint={driver.summary ? emptyHint(model.study?.codes.map(({ key }) => key.toUpperCase()) ?? []) : ''}
            />
          </>
        ) : (
          <EventList
            items={feed}
            beginNs={driver.beginNs}
            onGo={go}
            currentNs={now}
            empty="No events: nothing of the input was recorded in this session, or nothing was done."
          />
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
