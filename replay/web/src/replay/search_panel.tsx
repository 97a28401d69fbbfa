// Search of the reviewer page over tags, notes, events and the transcript.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { SessionModel } from '../acts/model';
import { clock } from '../base/format';
import { type Found, type HitKind, marked, SearchIndex, type SearchItem } from '../base/search';
import type { Transcript } from '../driver/transcript';
import type { FeedItem } from '../marks/events';

/* hits shown per kind; typing narrows the search */
const SHOWN = 100;
/* characters of a long text kept before its first match */
const BEFORE = 40;

const TITLES: Record<HitKind, string> = { tag: 'Tags', note: 'Notes', event: 'Events', transcript: 'Transcript' };

/* line breaks of notes and cues match as spaces */
const itemOf = (kind: HitKind, atNs: bigint, text: string): SearchItem => ({ kind, atNs, text: text.replace(/\s+/g, ' ') });

function itemsOf(model: SessionModel, feed: readonly FeedItem[], transcript: Transcript): SearchItem[] {
  const names = new Map(
    (model.study?.tasks ?? []).flatMap(({ opportunities }) => opportunities.map(({ id, title }) => [id, title || id])),
  );
  const marks = model.marks().map(({ act }) => {
    const { mediaNs } = act.body.value;
    const author = act.author || 'you';
    if (act.body.case === 'note') return itemOf('note', mediaNs, `${act.body.value.text} · ${author}`);
    const { code, note, opportunity } = act.body.value;
    const parts = [model.code(code)?.name ?? code, names.get(opportunity) ?? opportunity, note, author];
    return itemOf('tag', mediaNs, parts.filter(Boolean).join(' · '));
  });
  return [
    ...marks,
    ...feed.map(({ atNs, text, detail }) => itemOf('event', atNs, detail ? `${text} · ${detail}` : text)),
    ...transcript.cues.map(({ fromNs, speaker, text }) =>
      itemOf('transcript', fromNs, speaker ? `${speaker}: ${text}` : text),
    ),
  ];
}

export interface Search {
  query: string;
  found: Found[];
  hits: SearchItem[];
  /** Index of the hit that Enter jumps to. */
  at: number;
  type: (query: string) => void;
  move: (to: number) => void;
}

/** Search state; the index is built at the first key, and rebuilt after changes. */
export function useSearch(model: SessionModel, feed: readonly FeedItem[], transcript: Transcript): Search {
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const [version, setVersion] = useState(0);
  const isUsed = query !== '';
  useEffect(() => {
    if (!isUsed) return undefined;
    let timer = 0;
    const soon = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        setVersion((before) => before + 1);
      }, 500);
    };
    const stops = [model.subscribe(soon), transcript.subscribe(soon)];
    return () => {
      clearTimeout(timer);
      for (const stop of stops) stop();
    };
  }, [isUsed, model, transcript]);
  const index = useMemo(
    () => (isUsed ? new SearchIndex(itemsOf(model, feed, transcript)) : undefined),
    [isUsed, version, model, feed, transcript],
  );
  const found = useMemo(() => index?.find(query, SHOWN) ?? [], [index, query]);
  const hits = useMemo(() => found.flatMap(({ items }) => items), [found]);
  return {
    query,
    found,
    hits,
    at: Math.min(at, Math.max(0, hits.length - 1)),
    type: (text) => {
      setQuery(text);
      setAt(0);
    },
    move: setAt,
  };
}

/** @param onLeave  Escape ends the search */
export function SearchField({ search, onGo, onLeave }: { search: Search; onGo: (item: SearchItem) => void; onLeave: () => void }) {
  const { query, hits, at } = search;
  const isOpen = query.trim() !== '';
  return (
    <input
      id="search"
      type="search"
      class="small"
      {...({ role: 'combobox' } as object)}
      size={8}
      placeholder="search (/)"
      aria-label="Search tags, notes, events and transcript"
      autocomplete="off"
      aria-expanded={isOpen}
      aria-controls={isOpen ? 'hits' : undefined}
      aria-activedescendant={isOpen && hits.length ? `hit-${at}` : undefined}
      value={query}
      onInput={(event) => search.type(event.currentTarget.value)}
      onKeyDown={(event) => {
        const { key, currentTarget } = event;
        const hit = hits[at];
        if (event.isComposing) return;
        if (key === 'ArrowDown' || key === 'ArrowUp') {
          if (hits.length) search.move((at + (key === 'ArrowDown' ? 1 : -1) + hits.length) % hits.length);
        } else if (key === 'Enter') {
          if (hit) onGo(hit);
        } else if (key === 'Escape') {
          search.type('');
          currentTarget.blur();
          onLeave();
        } else return;
        event.preventDefault();
      }}
    />
  );
}

export function SearchResults({ search, beginNs, onGo }: { search: Search; beginNs: bigint; onGo: (item: SearchItem) => void }) {
  const { found, query, at } = search;
  const list = useRef<HTMLDivElement>(null);
  const total = found.reduce((sum, { count }) => sum + count, 0);
  useEffect(() => {
    list.current?.querySelector(`#hit-${at}`)?.scrollIntoView({ block: 'nearest' });
  }, [at, found]);
  let number = -1;
  return (
    <div class="hits" ref={list}>
      <p class="hint" role="status">
        {total ? `${total} ${total === 1 ? 'result' : 'results'}: ↑ ↓ choose, Enter jumps, Esc closes` : `No results for “${query.trim()}”. Esc closes`}
      </p>
      <div id="hits" role="listbox" aria-label="Search results">
        {found.map(({ kind, items, count }) => (
          <div key={kind} role="group" aria-label={`${TITLES[kind]}: ${count}`}>
            <h3 aria-hidden="true">
              {TITLES[kind]} <span class="muted">{count > items.length ? `the first ${items.length} of ${count}` : count}</span>
            </h3>
            {items.map((item) => {
              number++;
              const mine = number;
              return (
                <div
                  key={`${item.atNs}${mine}`}
                  id={`hit-${mine}`}
                  role="option"
                  aria-selected={mine === at}
                  class="hit"
                  title={item.text}
                  onClick={() => {
                    search.move(mine);
                    onGo(item);
                  }}
                >
                  <span class="time">{clock(item.atNs - beginNs, 1)}</span>
                  <span>
                    <Marked text={item.text} query={query} />
                  </span>
                </div>
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}

/** A text with highlighted matches; a long one starts shortly before the first. */
function Marked({ text, query }: { text: string; query: string }) {
  const parts = marked(text, query);
  const [before = '', ...rest] = parts;
  const short = before.length > 2 * BEFORE ? `…${before.slice(-BEFORE)}` : before;
  return (
    <>
      {[short, ...rest].map((part, i) => (i % 2 ? <mark key={i}>{part}</mark> : part))}
    </>
  );
}
