// The list of tags and notes: filtering, and rendering of the visible rows.

import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Act } from '../../gen/protocol/acts_pb';
import { useEmitter } from '../base/emitter';
import { type Slot, useWindowed } from '../base/windowed';
import { ALL_MARKS, fitsFilter, type MarkFilter, MarkFilterBar } from './filter';
import { type Mark, MarkRow } from './row';
import type { Coder } from './marks';

const NEAR_NS = 2_000_000_000n;

/** The last removed act, also after a reload. */
function Removed({ coder }: { coder: Coder }) {
  if (!coder.removed) return null;
  return (
    <p class="row removed">
      <span>Removed: {coder.describe(coder.removed)}</span>
      <button type="button" class="small" onClick={() => coder.restore()}>
        Restore <kbd>⇧Z</kbd>
      </button>
    </p>
  );
}

/** The mark being edited, which stays in the list when another user removes it or it no longer matches the filter. */
function useEdited(coder: Coder, all: readonly Mark[], editing: string): Mark | undefined {
  const kept = useRef<{ session: string; mark: Mark } | undefined>(undefined);
  const { session } = coder.model;
  const mark = all.find(({ act }) => act.id === editing);
  if (mark) kept.current = { session, mark };
  if (!editing || kept.current?.session !== session || kept.current.mark.act.id !== editing) return undefined;
  return mark || coder.removed?.id !== editing ? kept.current.mark : undefined;
}

/** Oldest first. */
function withMark(marks: Mark[], mark: Mark | undefined): Mark[] {
  if (!mark || marks.some(({ act }) => act.id === mark.act.id)) return marks;
  const later = marks.findIndex(({ act }) => act.body.value.mediaNs > mark.act.body.value.mediaNs);
  return later < 0 ? [...marks, mark] : [...marks.slice(0, later), mark, ...marks.slice(later)];
}

/**
 * The rendered rows, with gaps for the others.
 *
 * @param onEdit  edit another mark, or none: ""
 * @param onDone  close the editor of a mark and restore the focus
 */
function Rows({
  slots,
  marks,
  coder,
  beginNs,
  currentNs,
  editing,
  onGo,
  onEdit,
  onDone,
}: {
  slots: readonly Slot[];
  marks: readonly Mark[];
  coder: Coder;
  beginNs: bigint;
  currentNs?: bigint;
  editing: string;
  onGo?: (ns: bigint) => void;
  onEdit: (id: string) => void;
  onDone: (id: string) => void;
}) {
  return (
    <ol class="marks">
      {slots.map((slot) => {
        const mark = marks[slot.index];
        if (slot.gapPx) return <li key={`gap ${slot.index}`} class="gap" aria-hidden="true" style={{ height: `${slot.gapPx}px` }} />;
        if (!mark) return null;
        const { id, body } = mark.act;
        const agoNs = currentNs === undefined ? -1n : currentNs - body.value.mediaNs;
        return (
          <MarkRow
            key={id}
            coder={coder}
            mark={mark}
            beginNs={beginNs}
            place={slot.index + 1}
            of={marks.length}
            isNear={agoNs >= 0n && agoNs < NEAR_NS}
            isEditing={editing === id}
            onGo={onGo}
            onEdit={() => onEdit(editing === id ? '' : id)}
            onDone={() => onDone(id)}
          />
        );
      })}
    </ol>
  );
}

/**
 * Oldest first if times are links, otherwise newest first.
 *
 * @param coder        whose tags can be changed here
 * @param onGo         jump to a moment; without it times are not links
 * @param layers       true for acts in the layers of this list
 * @param hint         shown instead of an empty list
 * @param isFiltered   offer the filter by author and code
 */
export function MarkList({
  coder,
  beginNs,
  onGo,
  layers,
  currentNs,
  hint = 'No tags yet. Press a code’s key when something happens.',
  isFiltered = false,
}: {
  coder: Coder;
  beginNs: bigint;
  onGo?: (ns: bigint) => void;
  layers: (act: Act) => boolean;
  currentNs?: bigint;
  hint?: string;
  isFiltered?: boolean;
}) {
  const model = useEmitter(coder.model);
  const [editing, setEditing] = useState('');
  const [filter, setFilter] = useState<MarkFilter>(ALL_MARKS);
  const list = useRef<HTMLDivElement>(null);
  const inLayers = model.marks().filter((mark) => layers(mark.act));
  const shows = useMemo(
    () => (act: Act) => layers(act) && fitsFilter(filter, act, coder.connection),
    [layers, filter, coder],
  );
  const fitting = inLayers.filter((mark) => shows(mark.act));
  const marks = withMark(fitting, useEdited(coder, model.marks(), editing));
  if (!onGo) marks.reverse();
  const windowed = useWindowed(
    list,
    marks.map(({ act }) => act.id),
    editing,
  );
  const { reveal } = windowed;
  useLayoutEffect(
    () => coder.show({ element: () => list.current, shows, reveal }),
    [coder, shows, reveal],
  );
  const focusRow = (id: string) =>
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-act="${id}"] [aria-expanded]`)?.focus());
  return (
    <div ref={list} class="marklist">
      {isFiltered && inLayers.length > 0 && (
        <MarkFilterBar coder={coder} marks={inLayers} filter={filter} found={fitting.length} onFilter={setFilter} />
      )}
      <Removed coder={coder} />
      {!onGo && windowed.fresh > 0 && (
        <p class="fresh">
          <button type="button" class="primary small" onClick={windowed.toTop}>
            ↑ {windowed.fresh} new
          </button>
        </p>
      )}
      {!marks.length && <p class="empty">{inLayers.length ? 'No tag or note matches the filter.' : hint}</p>}
      {marks.length > 0 && (
        <Rows
          slots={windowed.slots}
          marks={marks}
          coder={coder}
          beginNs={beginNs}
          currentNs={currentNs}
          editing={editing}
          onGo={onGo}
          onEdit={setEditing}
          onDone={(id) => {
            setEditing('');
            focusRow(id);
          }}
        />
      )}
    </div>
  );
}
