// Timeline of a session: lanes of tasks, tags, input, sound and screen over a common, zoomable time axis.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Act, Attempt_Outcome } from '../../gen/protocol/acts_pb';
import { type Gap, Gap_Reason } from '../../gen/protocol/session_pb';
import { LostTime_Part as Part, type Timeline, Timeline_Event_Kind } from '../../gen/protocol/wire_pb';
import { attemptBegin, attemptEnd, outcomeName, type SessionModel } from '../acts/model';
import { ticks } from '../base/axis';
import { codeStyle } from '../base/colors';
import { useEmitter } from '../base/emitter';
import { clock } from '../base/format';
import { gapParts, gapText } from '../base/gaps';
import type { RecordedDriver } from '../driver/recorded';
import { LEVEL_NS, loudest, mean, waveform } from '../media/levels';
import type { Player } from '../media/player';
import { Icon } from '../parts/parts';
import { place, type Scale, useTimelineView, useWidth } from './timeline_view';

const STEP_NS = 5_000_000_000n;
/* width of a mark or click, and of the number beside it, in px: closer marks are merged */
const MARK_PX = 8;
const NUMBER_PX = 4;
const DIGIT_PX = 7;
/* minimum drawn width of a gap, as a share; gaps that touch at this width are merged */
const LEAST = 0.001;

/* shown in addition to the colour */
const OUTCOME_SIGNS = new Map<Attempt_Outcome, string>([
  [Attempt_Outcome.COMPLETED, '✓'],
  [Attempt_Outcome.COMPLETED_WITH_ASSIST, '✓ with assist'],
  [Attempt_Outcome.FAILED, '✕ failed'],
  [Attempt_Outcome.ABANDONED, '✕ abandoned'],
  [Attempt_Outcome.VOID, 'void'],
  [Attempt_Outcome.SKIPPED, 'skipped'],
  [Attempt_Outcome.NOT_REACHED, 'not reached'],
]);

/** Bin heights as one SVG path, scaled to the largest. */
function area(values: readonly number[], width: number, height: number): string {
  const most = values.reduce((largest, value) => Math.max(largest, value), 1);
  const step = width / Math.max(1, values.length);
  const points = values.map(
    (value, i) => `L${(i * step).toFixed(2)} ${(height - Math.sqrt(value / most) * height).toFixed(1)}H${((i + 1) * step).toFixed(2)}`,
  );
  return `M0 ${height}${points.join('')}V${height}Z`;
}

interface Mark {
  share: number;
  color: string;
  names: string[];
}

/** Extent to its right. */
function roomPx({ names }: Mark): number {
  return names.length > 1 ? MARK_PX + NUMBER_PX + DIGIT_PX * String(names.length).length : MARK_PX;
}

/** Merge marks that are too close on a lane of this width; sorted by time. */
function group(marks: Mark[], widthPx: number): Mark[] {
  const groups: Mark[] = [];
  for (const mark of marks) {
    const last = groups.at(-1);
    if (last && (mark.share - last.share) * widthPx < roomPx(last)) last.names.push(...mark.names);
    else groups.push({ ...mark, names: [...mark.names] });
  }
  return groups;
}

/** Marks in the view, with the names and colours of their codes. */
function marksOf(model: SessionModel, { share, isIn }: Scale, wanted: (act: Act) => boolean): Mark[] {
  return model
    .marks()
    .filter(({ act }) => wanted(act) && isIn(act.body.value.mediaNs, act.body.value.mediaNs))
    .map(({ act }) => {
      const code = act.body.case === 'tag' ? model.code(act.body.value.code) : undefined;
      const name = act.body.case === 'tag' ? (code?.name ?? act.body.value.code) : 'note';
      return { share: share(act.body.value.mediaNs), color: code?.color ?? '', names: [name] };
    });
}

export function Lanes({
  driver,
  player,
  mine,
  layers,
}: {
  driver: RecordedDriver;
  player: Player;
  mine: (act: Act) => boolean;
  layers: (act: Act) => boolean;
}) {
  useEmitter(driver);
  const model = useEmitter(driver.model);
  const { element: track, width } = useWidth();
  const { scale, isZoomed, zoomIn, zoomOut, momentAt } = useTimelineView(driver, player, track);
  const marks = (wanted: (act: Act) => boolean) => group(marksOf(model, scale, wanted), width);
  return (
    <div class="lanes">
      <LaneNames hasSound={driver.hasSound} isZoomed={isZoomed} onZoomIn={zoomIn} onZoomOut={zoomOut} />
      <div
        class="track"
        ref={track}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          driver.seek(momentAt(event.clientX));
        }}
        onPointerMove={(event) => {
          if (event.buttons & 1) driver.seek(momentAt(event.clientX));
        }}
      >
        <Axis scale={scale} widthPx={width} />
        <TaskLane driver={driver} scale={scale} />
        <MarkLane marks={marks(mine)} widthPx={width} />
        <MarkLane marks={marks((act) => !mine(act) && layers(act))} widthPx={width} />
        <InputLane timeline={driver.timeline} scale={scale} widthPx={width} />
        {driver.hasSound && <SoundLane driver={driver} scale={scale} />}
        <ScreenLane timeline={driver.timeline} scale={scale} />
        <Hover scale={scale} track={track} />
        <Playhead driver={driver} player={player} scale={scale} />
      </div>
    </div>
  );
}

/** Names of the lanes, and the buttons of the zoom. */
function LaneNames({
  hasSound,
  isZoomed,
  onZoomIn,
  onZoomOut,
}: {
  hasSound: boolean;
  isZoomed: boolean;
  onZoomIn: () => void;
  onZoomOut: () => void;
}) {
  return (
    <div class="names">
      <span class="zoom" role="group" aria-label="Zoom of the timeline">
        <button type="button" class="quiet small" aria-label="Zoom out" title="Zoom out (shift+↓)" disabled={!isZoomed} onClick={onZoomOut}>
          <Icon name="minus" />
        </button>
        <button type="button" class="quiet small" aria-label="Zoom in" title="Zoom in (shift+↑), or the wheel with Ctrl" onClick={onZoomIn}>
          <Icon name="plus" />
        </button>
      </span>
      <span aria-hidden="true">tasks</span>
      <span aria-hidden="true">you</span>
      <span aria-hidden="true">others</span>
      <span aria-hidden="true">input</span>
      {hasSound && (
        <span class="tall" aria-hidden="true">
          sound
        </span>
      )}
      <span aria-hidden="true">screen</span>
    </div>
  );
}

function Axis({ scale, widthPx }: { scale: Scale; widthPx: number }) {
  return (
    <div class="axis" aria-hidden="true">
      {ticks(scale.fromNs - scale.beginNs, scale.lengthNs, widthPx).map(({ share, text }) => {
        const hasRoom = (1 - share) * widthPx > text.length * 8;
        /* inside also while the width is that of the moment before a change */
        const style = hasRoom ? { left: `min(${share * 100}%, 100% - ${text.length + 1}ch)` } : place(share);
        return (
          <span key={text} style={style}>
            {hasRoom ? text : ''}
          </span>
        );
      })}
    </div>
  );
}

/* ---- tasks ---- */

function TaskLane({ driver, scale }: { driver: RecordedDriver; scale: Scale }) {
  const { model, timeline } = driver;
  return (
    <div class="lane tasks">
      <Gaps gaps={timeline?.gaps ?? []} scale={scale} wanted={(gap) => gap.reason === Gap_Reason.PAUSE} />
      <Interruptions driver={driver} scale={scale} />
      {model.attempts().map(({ id, attempt }) => {
        const from = attemptBegin(attempt);
        const to = attemptEnd(attempt) || scale.endNs;
        if (!scale.isIn(from, to)) return null;
        const title = model.task(attempt.task)?.title ?? attempt.task;
        const sign = OUTCOME_SIGNS.get(attempt.outcome) ?? '';
        return (
          <span
            key={id}
            class={`task o${attempt.outcome}`}
            title={`${title}: ${outcomeName(attempt.outcome)}`}
            style={place(scale.share(from), scale.share(to) - scale.share(from))}
          >
            {sign && <b>{sign}</b>} {title}
          </span>
        );
      })}
    </div>
  );
}

/** Spans that, like pauses, do not count as time on task. */
function Interruptions({ driver, scale }: { driver: RecordedDriver; scale: Scale }) {
  return (
    <>
      {driver.model.entries('interruption').map(({ act }) => {
        const { fromNs, toNs, note, stopsClock } = act.body.value;
        const endNs = toNs || scale.endNs;
        if (!stopsClock || !scale.isIn(fromNs, endNs)) return null;
        const words = `interrupted for ${clock(endNs - fromNs, 1)}, not counted as time on task`;
        return (
          <span
            key={act.id}
            class="gap pause"
            title={note ? `${words}: ${note}` : words}
            style={place(scale.share(fromNs), scale.share(endNs) - scale.share(fromNs))}
          />
        );
      })}
    </>
  );
}

/* ---- input and screen ---- */

/** Input activity and clicks. */
function InputLane({ timeline, scale, widthPx }: { timeline: Timeline | undefined; scale: Scale; widthPx: number }) {
  const clicks = useMemo(
    () =>
      group(
        (timeline?.events ?? [])
          .filter(({ kind, atNs }) => kind === Timeline_Event_Kind.CLICK && scale.isIn(atNs, atNs))
          .map(({ atNs }) => ({ share: scale.share(atNs), color: '', names: ['click'] })),
        widthPx,
      ),
    [timeline, scale.fromNs, scale.lengthNs, widthPx],
  );
  return (
    <div class="lane input">
      <Gaps gaps={timeline?.gaps ?? []} scale={scale} wanted={(gap) => isOf(gap, Part.INPUT, Part.KEYS, Part.POINTER, Part.NAMES)} />
      <Area values={timeline?.inputEvents} binMs={timeline?.binMs} scale={scale} />
      {clicks.map((click) => (
        <i key={click.share} class="click" style={place(click.share)} />
      ))}
    </div>
  );
}

function ScreenLane({ timeline, scale }: { timeline: Timeline | undefined; scale: Scale }) {
  return (
    <div class="lane pictures">
      <Gaps gaps={timeline?.gaps ?? []} scale={scale} wanted={(gap) => isOf(gap, Part.SCREEN, Part.ALL, Part.OTHER)} />
      <Area values={timeline?.screenBytes} binMs={timeline?.binMs} scale={scale} />
    </div>
  );
}

/** Activity bins of the whole session, clipped to the view. */
function Area({ values, binMs, scale }: { values: number[] | undefined; binMs: number | undefined; scale: Scale }) {
  const path = useMemo(() => area(values ?? [], 1000, 20), [values]);
  const allNs = (values?.length ?? 0) * (binMs ?? 0) * 1e6;
  return <Cut path={[['area', path]]} allNs={allNs} scale={scale} />;
}

/** Paths that are 1000 wide for `allNs` from the session's begin, clipped to the view. */
function Cut({ path, allNs, scale }: { path: Array<[string, string]>; allNs: number; scale: Scale }) {
  if (!(allNs > 0)) return null;
  const x = (Number(scale.fromNs - scale.beginNs) / allNs) * 1000;
  const width = (Number(scale.lengthNs) / allNs) * 1000;
  return (
    <svg viewBox={`${x} 0 ${width} 20`} preserveAspectRatio="none" aria-hidden="true">
      {path.map(([name, d]) => (
        <path key={name} class={name} d={d} />
      ))}
    </svg>
  );
}

/* ---- tags and notes ---- */

function MarkLane({ marks, widthPx }: { marks: Mark[]; widthPx: number }) {
  return (
    <div class="lane marks">
      {marks.map((mark) => (
        <span
          key={mark.share}
          class={`tick ${(1 - mark.share) * widthPx < roomPx(mark) ? 'last' : ''}`}
          title={titleOf(mark.names)}
          style={{ ...place(mark.share), ...codeStyle(mark.color) }}
        >
          {mark.names.length > 1 && <small>{mark.names.length}</small>}
        </span>
      ))}
    </div>
  );
}

/** "Slip ×3, Mistake" */
function titleOf(names: string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(', ');
}

/* ---- gaps ---- */

function isOf(gap: Gap, ...parts: Part[]): boolean {
  return gap.reason !== Gap_Reason.PAUSE && gapParts(gap).some((part) => parts.includes(part));
}

interface GapMark {
  share: number;
  end: number;
  title: string;
  count: number;
  pause: boolean;
}

/** Gaps along the lower edge of their lane, behind the marks; merged where they would touch. */
function Gaps({ gaps, scale, wanted }: { gaps: readonly Gap[]; scale: Scale; wanted: (gap: Gap) => boolean }) {
  const shown = useMemo(() => {
    const all: GapMark[] = [];
    for (const gap of gaps) {
      const toNs = gap.toNs || scale.endNs;
      if (!wanted(gap) || !scale.isIn(gap.fromNs, toNs)) continue;
      const share = scale.share(gap.fromNs);
      const end = Math.max(scale.share(toNs), share + LEAST);
      const last = all.at(-1);
      if (last && share <= last.end + LEAST) {
        last.end = Math.max(last.end, end);
        last.count++;
      } else all.push({ share, end, title: gapText(gap), count: 1, pause: gap.reason === Gap_Reason.PAUSE });
    }
    return all;
  }, [gaps, scale.fromNs, scale.lengthNs, scale.endNs]);
  return (
    <>
      {shown.map(({ share, end, title, count, pause }) => (
        <span
          key={share}
          class={`gap ${pause ? 'pause' : ''}`}
          title={count > 1 ? `${count} gaps, the first: ${title}` : title}
          style={place(share, end - share)}
        />
      ))}
    </>
  );
}

/* ---- sound ---- */

/** Peak and mean level of the sound, and the bleeps. */
function SoundLane({ driver, scale }: { driver: RecordedDriver; scale: Scale }) {
  const { timeline } = driver;
  const paths = useMemo<Array<[string, string]>>(
    () => [
      ['area', waveform(timeline?.soundPeak ?? new Uint8Array(), 1000, 20, loudest)],
      ['mean', waveform(timeline?.soundRms ?? new Uint8Array(), 1000, 20, mean)],
    ],
    [timeline],
  );
  /* levels come in whole steps: the last may extend beyond the end */
  const soundNs = Number(BigInt(timeline?.soundPeak.length ?? 0) * LEVEL_NS);
  return (
    <div class="lane sound">
      <Gaps gaps={timeline?.gaps ?? []} scale={scale} wanted={(gap) => isOf(gap, Part.SOUND, Part.MACHINE_SOUND)} />
      <Cut path={paths} allNs={soundNs} scale={scale} />
      {driver.model
        .bleeped()
        .filter(({ fromNs, toNs }) => scale.isIn(fromNs, toNs))
        .map(({ fromNs, toNs, reason }) => (
          <span
            key={`${fromNs}${toNs}`}
            class="bleep"
            title={reason ? `bleeped: ${reason}` : 'bleeped'}
            style={place(scale.share(fromNs), scale.share(toNs) - scale.share(fromNs))}
          />
        ))}
    </div>
  );
}

/* ---- over all lanes ---- */

/** Time at the pointer. */
function Hover({ scale, track }: { scale: Scale; track: { current: HTMLElement | null } }) {
  const [hover, setHover] = useState<number>();
  useEffect(() => {
    const { current } = track;
    const move = (event: PointerEvent) => {
      const box = current?.getBoundingClientRect();
      if (box) setHover(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    };
    const leave = () => setHover(undefined);
    current?.addEventListener('pointermove', move);
    current?.addEventListener('pointerleave', leave);
    return () => {
      current?.removeEventListener('pointermove', move);
      current?.removeEventListener('pointerleave', leave);
    };
  }, []);
  if (hover === undefined) return null;
  const ns = scale.fromNs - scale.beginNs + BigInt(Math.round(hover * Number(scale.lengthNs)));
  return (
    <span class={`hover ${hover > 0.95 ? 'right' : hover < 0.05 ? 'left' : ''}`} style={place(hover)}>
      <b>{clock(ns, 1)}</b>
    </span>
  );
}

/** The only moving part during playback. */
function Playhead({ driver, player, scale }: { driver: RecordedDriver; player: Player; scale: Scale }) {
  useEmitter(player);
  const now = driver.nowNs();
  const seconds = Number((now - driver.beginNs) / 1_000_000n) / 1000;
  const pending = driver.seekingNs !== undefined;
  return (
    <div
      class={`playhead ${pending ? 'pending' : ''}`}
      style={place(Math.min(1, Math.max(0, scale.share(now))))}
      role="slider"
      tabIndex={0}
      aria-label="Time in the session"
      aria-valuemin={0}
      aria-valuemax={Number((driver.endNs - driver.beginNs) / 1_000_000n) / 1000}
      aria-valuenow={Math.round(seconds * 10) / 10}
      aria-valuetext={`${clock(now - driver.beginNs, 1)}${pending ? ', picture not loaded yet' : ''}`}
      onKeyDown={(event) => {
        const moves: Record<string, bigint> = {
          ArrowLeft: -STEP_NS,
          ArrowRight: STEP_NS,
          PageUp: -6n * STEP_NS,
          PageDown: 6n * STEP_NS,
        };
        const move = moves[event.key];
        if (event.key === 'Home') driver.seek(driver.beginNs);
        else if (event.key === 'End') driver.seek(driver.endNs);
        else if (move !== undefined && !event.shiftKey) driver.seek(driver.nowNs() + move);
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    />
  );
}
