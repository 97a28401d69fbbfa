// Timeline of a session: lanes of tasks, tags, input, sound and screen over a common, zoomable time axis.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Act, Attempt_Outcome } from '../../gen/protocol/acts_pb';
import { type Gap, Gap_Reason } from '../../gen/protocol/session_pb';
import { LostTime_Part as Part, Timeline_Event_Kind } from '../../gen/protocol/wire_pb';
import { attemptBegin, attemptEnd, outcomeName } from '../acts/model';
import { ticks, type View, zoomed } from '../base/axis';
import { codeStyle } from '../base/colors';
import { useEmitter } from '../base/emitter';
import { clock } from '../base/format';
import { gapParts, gapText } from '../base/gaps';
import { hints, useKeys } from '../base/keys';
import type { RecordedDriver } from '../driver/recorded';
import { LEVEL_NS, loudest, mean, waveform } from '../media/levels';
import type { Player } from '../media/player';
import { Icon } from '../parts/parts';

const STEP_NS = 5_000_000_000n;
/* width of a mark or click, and of the number beside it, in px: closer marks are merged */
const MARK_PX = 8;
const NUMBER_PX = 4;
const DIGIT_PX = 7;
/* minimum drawn width of a gap, as a share; gaps that touch at this width are merged */
const LEAST = 0.001;
const ZOOM = 2;

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

/** Current view of a session, and the positions of times in it as shares of the width. */
interface Scale extends View {
  beginNs: bigint;
  endNs: bigint;
  share: (ns: bigint) => number;
  isIn: (fromNs: bigint, toNs: bigint) => boolean;
}

function scaleOf(view: View, beginNs: bigint, endNs: bigint): Scale {
  return {
    ...view,
    beginNs,
    endNs,
    share: (ns) => Number(ns - view.fromNs) / Number(view.lengthNs),
    isIn: (fromNs, toNs) => toNs >= view.fromNs && fromNs <= view.fromNs + view.lengthNs,
  };
}

function place(left: number, width?: number) {
  if (width === undefined) return { left: `${left * 100}%` };
  /* a task that begins before the view is drawn from the left edge, to keep its name visible */
  const from = Math.max(0, left);
  return { left: `${from * 100}%`, width: `${Math.max(0, Math.min(1, left + width) - from) * 100}%` };
}

/** Width of an element, updated on resize. */
function useWidth() {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1000);
  useLayoutEffect(() => {
    if (!element.current) return undefined;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width || 1));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return { element, width };
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
  const [chosen, setChosen] = useState<View>();
  const { beginNs, endNs } = driver;
  const lengthNs = endNs > beginNs ? endNs - beginNs : 1n;
  const whole: View = { fromNs: beginNs, lengthNs };
  const view = chosen ?? whole;
  const scale = scaleOf(view, beginNs, endNs);
  const momentAt = (clientX: number) => {
    const box = track.current?.getBoundingClientRect();
    if (!box) return beginNs;
    const part = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    return view.fromNs + BigInt(Math.round(part * Number(view.lengthNs)));
  };
  const zoom = (factor: number, aroundNs = driver.nowNs()) => {
    const next = zoomed(view, whole, factor, aroundNs);
    setChosen(next.lengthNs === lengthNs ? undefined : next);
    if (next.lengthNs === view.lengthNs) hints.show(factor > 1 ? 'This is as near as it gets' : 'The whole session is shown');
  };
  useKeys({ 'shift+ArrowUp': () => zoom(ZOOM), 'shift+ArrowDown': () => zoom(1 / ZOOM) });
  useFollowedView(driver, player, chosen, setChosen);
  useWheel(track, (event) => {
    if (!event.ctrlKey && !event.metaKey) return false;
    zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, momentAt(event.clientX));
    return true;
  });
  const timeline = driver.timeline;
  const allMarks = model.marks();
  const marks = (wanted: (act: Act) => boolean): Mark[] =>
    group(
      allMarks
        .filter(({ act }) => wanted(act) && scale.isIn(act.body.value.mediaNs, act.body.value.mediaNs))
        .map(({ act }) => {
          const code = act.body.case === 'tag' ? model.code(act.body.value.code) : undefined;
          const name = act.body.case === 'tag' ? (code?.name ?? act.body.value.code) : 'note';
          return { share: scale.share(act.body.value.mediaNs), color: code?.color ?? '', names: [name] };
        }),
      width,
    );
  const clicks = useMemo(
    () =>
      group(
        (timeline?.events ?? [])
          .filter(({ kind, atNs }) => kind === Timeline_Event_Kind.CLICK && scale.isIn(atNs, atNs))
          .map(({ atNs }) => ({ share: scale.share(atNs), color: '', names: ['click'] })),
        width,
      ),
    [timeline, view.fromNs, view.lengthNs, width],
  );
  return (
    <div class="lanes">
      <div class="names">
        <span class="zoom" role="group" aria-label="Zoom of the timeline">
          <button type="button" class="quiet small" aria-label="Zoom out" title="Zoom out (shift+↓)" disabled={!chosen} onClick={() => zoom(1 / ZOOM)}>
            <Icon name="minus" />
          </button>
          <button type="button" class="quiet small" aria-label="Zoom in" title="Zoom in (shift+↑), or the wheel with Ctrl" onClick={() => zoom(ZOOM)}>
            <Icon name="plus" />
          </button>
        </span>
        <span aria-hidden="true">tasks</span>
        <span aria-hidden="true">you</span>
        <span aria-hidden="true">others</span>
        <span aria-hidden="true">input</span>
        {driver.hasSound && (
          <span class="tall" aria-hidden="true">
            sound
          </span>
        )}
        <span aria-hidden="true">screen</span>
      </div>
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
        <div class="axis" aria-hidden="true">
          {ticks(view.fromNs - beginNs, view.lengthNs, width).map(({ share, text }) => (
            <span key={text} style={place(share)}>
              {(1 - share) * width > text.length * 8 ? text : ''}
            </span>
          ))}
        </div>
        <div class="lane tasks">
          <Gaps gaps={timeline?.gaps ?? []} scale={scale} wanted={(gap) => gap.reason === Gap_Reason.PAUSE} />
          <Interruptions driver={driver} scale={scale} />
          {model.attempts().map(({ id, attempt }) => {
            const from = attemptBegin(attempt);
            const to = attemptEnd(attempt) || endNs;
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
        <MarkLane marks={marks(mine)} widthPx={width} />
        <MarkLane marks={marks((act) => !mine(act) && layers(act))} widthPx={width} />
        <div class="lane input">
          <Gaps gaps={timeline?.gaps ?? []} scale={scale} wanted={(gap) => isOf(gap, Part.INPUT, Part.KEYS, Part.POINTER, Part.NAMES)} />
          <Area values={timeline?.inputEvents} binMs={timeline?.binMs} scale={scale} />
          {clicks.map((click) => (
            <i key={click.share} class="click" style={place(click.share)} />
          ))}
        </div>
        {driver.hasSound && <SoundLane driver={driver} scale={scale} />}
        <div class="lane pictures">
          <Gaps gaps={timeline?.gaps ?? []} scale={scale} wanted={(gap) => isOf(gap, Part.SCREEN, Part.ALL, Part.OTHER)} />
          <Area values={timeline?.screenBytes} binMs={timeline?.binMs} scale={scale} />
        </div>
        <Hover scale={scale} track={track} />
        <Playhead driver={driver} player={player} scale={scale} />
      </div>
    </div>
  );
}

/** Scroll the view with the playhead while playing, and to the target of a seek. */
function useFollowedView(
  driver: RecordedDriver,
  player: Player,
  view: View | undefined,
  setView: (view: View) => void,
): void {
  useEffect(() => {
    if (!view) return undefined;
    return player.subscribe(() => {
      const now = driver.nowNs();
      if (now >= view.fromNs && now <= view.fromNs + view.lengthNs) return;
      const last = driver.endNs - view.lengthNs;
      const fromNs = now - view.lengthNs / 10n;
      setView({ ...view, fromNs: fromNs < driver.beginNs ? driver.beginNs : fromNs > last ? last : fromNs });
    });
  }, [driver, player, view]);
}

/** Wheel handler of an element; events rejected by `take` scroll as usual. */
function useWheel(element: { current: HTMLElement | null }, take: (event: WheelEvent) => boolean): void {
  const newest = useRef(take);
  newest.current = take;
  useEffect(() => {
    const listen = (event: WheelEvent) => {
      if (newest.current(event)) event.preventDefault(); // prevents browser zoom
    };
    const { current } = element;
    current?.addEventListener('wheel', listen, { passive: false });
    return () => current?.removeEventListener('wheel', listen);
  }, []);
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

/** Spans that, like pauses, do not count as time on task. */
function Interruptions({ driver, scale }: { driver: RecordedDriver; scale: Scale }) {
  return (
    <>
      {driver.model.entries('interruption').map(({ act }) => {
        const { fromNs, toNs, note, stopsClock } = act.body.value;
        const endNs = toNs || scale.endNs;
        if (!stopsClock || !scale.isIn(fromNs, endNs)) return null;
        const words = `interrupted for ${clock(endNs - fromNs, 1)}, no time on task`;
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
      aria-valuetext={`${clock(now - driver.beginNs, 1)}${pending ? ', its picture is not there yet' : ''}`}
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
