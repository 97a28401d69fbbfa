// The timeline of a session: lanes of tasks, tags, input and screen over one axis of time.

import { useMemo, useRef, useState } from 'preact/hooks';
import type { Act } from '../gen/protocol/acts_pb';
import { type Gap, Gap_Reason } from '../gen/protocol/session_pb';
import { Timeline_Event_Kind } from '../gen/protocol/wire_pb';
import { codeStyle } from './colors';
import { useEmitter } from './emitter';
import { clock } from './format';
import { gapText } from './gaps';
import { LEVEL_NS, loudest, mean, waveform } from './levels';
import { attemptBegin, attemptEnd, outcomeName } from './model';
import type { Player } from './player';
import type { RecordedDriver } from './recorded';

const STEP_NS = 5_000_000_000n;
/* closer than this share of the width, marks are drawn as one with their number */
const GROUP = 0.006;

/** Heights of bins as one SVG path, scaled to the largest. */
function area(values: readonly number[], width: number, height: number): string {
  const most = Math.max(1, ...values);
  const step = width / Math.max(1, values.length);
  const points = values.map(
    (value, i) => `L${(i * step).toFixed(1)} ${(height - Math.sqrt(value / most) * height).toFixed(1)}H${((i + 1) * step).toFixed(1)}`,
  );
  return `M0 ${height}${points.join('')}V${height}Z`;
}

interface Mark {
  share: number;
  color: string;
  names: string[];
}

function group(marks: Mark[]): Mark[] {
  const groups: Mark[] = [];
  for (const mark of marks) {
    const last = groups.at(-1);
    if (last && mark.share - last.share < GROUP) last.names.push(...mark.names);
    else groups.push({ ...mark, names: [...mark.names] });
  }
  return groups;
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
  const track = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<number>();
  const begin = driver.beginNs;
  const length = Number(driver.endNs - begin) || 1;
  const share = (ns: bigint) => Math.min(1, Math.max(0, Number(ns - begin) / length));
  const momentAt = (clientX: number) => {
    const box = track.current?.getBoundingClientRect();
    if (!box) return begin;
    const part = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    return begin + BigInt(Math.round(part * length));
  };
  const timeline = driver.timeline;
  const marks = (wanted: (act: Act) => boolean): Mark[] =>
    group(
      model
        .marks()
        .filter((mark) => wanted(mark.act))
        .map(({ act }) => ({
          share: share(act.body.value.mediaNs),
          color: act.body.case === 'tag' ? (model.code(act.body.value.code)?.color ?? '') : '',
          names: [act.body.case === 'tag' ? (model.code(act.body.value.code)?.name ?? '?') : 'note'],
        })),
    );
  const clicks: Mark[] = group(
    (timeline?.events ?? [])
      .filter((event) => event.kind === Timeline_Event_Kind.CLICK)
      .map((event) => ({ share: share(event.atNs), color: '', names: ['click'] })),
  );
  return (
    <div class="lanes">
      <div class="names" aria-hidden="true">
        <span>tasks</span>
        <span>you</span>
        <span>others</span>
        <span>input</span>
        {driver.hasSound && <span class="tall">sound</span>}
        <span>screen</span>
      </div>
      <div
        class="track"
        ref={track}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          driver.seek(momentAt(event.clientX));
        }}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          setHover((event.clientX - box.left) / box.width);
          if (event.buttons & 1) driver.seek(momentAt(event.clientX));
        }}
        onPointerLeave={() => setHover(undefined)}
      >
        <div class="lane tasks">
          {model.attempts().map(({ id, attempt }) => {
            const from = share(attemptBegin(attempt));
            const to = share(attemptEnd(attempt) || driver.endNs);
            const title = model.task(attempt.task)?.title ?? attempt.task;
            return (
              <span
                key={id}
                class={`task o${attempt.outcome}`}
                title={`${title}: ${outcomeName(attempt.outcome)}`}
                style={place(from, to - from)}
              >
                {title}
              </span>
            );
          })}
        </div>
        <MarkLane marks={marks(mine)} />
        <MarkLane marks={marks((act) => !mine(act) && layers(act))} />
        <div class="lane input">
          <svg viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">
            <path class="area" d={area(timeline?.inputEvents ?? [], 1000, 20)} />
          </svg>
          {clicks.map((click) => (
            <i key={click.share} class="click" style={place(click.share)} />
          ))}
        </div>
        {driver.hasSound && <SoundLane driver={driver} share={share} />}
        <div class="lane pictures">
          <svg viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">
            <path class="area" d={area(timeline?.screenBytes ?? [], 1000, 20)} />
          </svg>
        </div>
        <Gaps driver={driver} share={share} wanted={(gap) => !isOfSound(gap)} />
        {hover !== undefined && (
          <span class="hover" style={place(hover)}>
            <b>{clock(BigInt(Math.round(hover * length)), 1)}</b>
          </span>
        )}
        <Playhead driver={driver} player={player} share={share} />
      </div>
    </div>
  );
}

function place(left: number, width?: number) {
  return { left: `${left * 100}%`, width: width === undefined ? undefined : `${width * 100}%` };
}

function MarkLane({ marks }: { marks: Mark[] }) {
  return (
    <div class="lane marks">
      {marks.map((mark) => (
        <span
          key={mark.share}
          class="tick"
          title={mark.names.join(', ')}
          style={{ ...place(mark.share), ...codeStyle(mark.color) }}
        >
          {mark.names.length > 1 && <small>{mark.names.length}</small>}
        </span>
      ))}
    </div>
  );
}

/* what is missing of the sound alone says nothing of the picture */
function isOfSound(gap: Gap): boolean {
  return gap.topics.length > 0 && gap.topics.every((topic) => topic.startsWith('/sound'));
}

function Gaps({
  driver,
  share,
  wanted,
}: {
  driver: RecordedDriver;
  share: (ns: bigint) => number;
  wanted: (gap: Gap) => boolean;
}) {
  return (
    <>
      {driver.timeline?.gaps.filter(wanted).map((gap) => (
        <span
          key={`${gap.fromNs}${gap.reason}`}
          class={`gap ${gap.reason === Gap_Reason.PAUSE ? 'pause' : ''}`}
          title={gapText(gap)}
          style={place(share(gap.fromNs), share(gap.toNs || driver.endNs) - share(gap.fromNs))}
        />
      ))}
    </>
  );
}

/** How loud it was, peak and mean, and what nobody is to hear of it. */
function SoundLane({ driver, share }: { driver: RecordedDriver; share: (ns: bigint) => number }) {
  const { timeline } = driver;
  const [peak, rms] = useMemo(
    () => [
      waveform(timeline?.soundPeak ?? new Uint8Array(), 1000, 20, loudest),
      waveform(timeline?.soundRms ?? new Uint8Array(), 1000, 20, mean),
    ],
    [timeline],
  );
  /* levels come in whole steps: the last may reach beyond the end */
  const soundNs = BigInt(timeline?.soundPeak.length ?? 0) * LEVEL_NS;
  const width = Number(soundNs) / (Number(driver.endNs - driver.beginNs) || 1);
  return (
    <div class="lane sound">
      <svg
        viewBox="0 0 1000 20"
        preserveAspectRatio="none"
        aria-hidden="true"
        style={{ width: `${width * 100}%` }}
      >
        <path class="area" d={peak} />
        <path class="mean" d={rms} />
      </svg>
      <Gaps driver={driver} share={share} wanted={isOfSound} />
      {driver.model.bleeped().map(({ fromNs, toNs, reason }) => (
        <span
          key={`${fromNs}${toNs}`}
          class="bleep"
          title={reason ? `bleeped: ${reason}` : 'bleeped'}
          style={place(share(fromNs), share(toNs) - share(fromNs))}
        />
      ))}
    </div>
  );
}

/** The only part that moves while playing. */
function Playhead({
  driver,
  player,
  share,
}: {
  driver: RecordedDriver;
  player: Player;
  share: (ns: bigint) => number;
}) {
  useEmitter(player);
  const now = driver.nowNs();
  const seconds = Number((now - driver.beginNs) / 1_000_000n) / 1000;
  return (
    <div
      class="playhead"
      style={place(share(now))}
      role="slider"
      tabIndex={0}
      aria-label="Time in the session"
      aria-valuemin={0}
      aria-valuemax={Number((driver.endNs - driver.beginNs) / 1_000_000n) / 1000}
      aria-valuenow={Math.round(seconds * 10) / 10}
      aria-valuetext={clock(now - driver.beginNs, 1)}
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
