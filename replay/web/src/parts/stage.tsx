// The picture and its overlay.

import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { KeyClass } from '../../gen/protocol/input_pb';
import { useEmitter } from '../base/emitter';
import { type InputAction, lastAtOrBefore, type Player } from '../media/player';
import { HiddenLegend } from './legend';
import { KeyHint } from './parts';
import { useZoom, ZoomBar } from './zoom';

const CHIP_NS = 2_500_000_000n;

const CLASS_NAMES = new Map<KeyClass, string>([
  [KeyClass.UNSPECIFIED, 'key'],
  [KeyClass.LETTER, 'letter'],
  [KeyClass.DIGIT, 'digit'],
  [KeyClass.SPACE, 'space'],
  [KeyClass.PUNCTUATION, 'sign'],
  [KeyClass.NAVIGATION, 'move'],
  [KeyClass.EDITING, 'edit'],
  [KeyClass.MODIFIER, 'modifier'],
  [KeyClass.FUNCTION, 'function'],
  [KeyClass.MEDIA, 'media'],
]);

export function keyClassName(keyClass: KeyClass): string {
  return CLASS_NAMES.get(keyClass) ?? 'key';
}

/** Key runs by class, newest last: "letter ×12". */
export function keyRuns(inputActions: readonly InputAction[], atNs: bigint): Array<{ name: string; count: number }> {
  const runs: Array<{ name: string; count: number }> = [];
  for (let i = lastAtOrBefore(inputActions, atNs); i >= 0; i--) {
    const action = inputActions[i];
    if (!action || atNs - action.timeNs > CHIP_NS) break;
    if (action.kind !== 'key' && action.kind !== 'shortcut') continue;
    const name = action.label ?? keyClassName(action.keyClass);
    if (runs[0]?.name === name) runs[0].count++;
    else runs.unshift({ name, count: 1 });
  }
  return runs.slice(-6);
}

/** Draw the overlay while anything moves: ripples fade. */
function useOverlay(
  overlay: RefObject<HTMLCanvasElement | null>,
  player: Player,
  atNs: () => bigint,
  live: boolean,
): void {
  useEffect(() => {
    let timer = 0;
    let until = 0;
    const draw = () => {
      timer = 0;
      if (overlay.current) player.drawOverlay(overlay.current, atNs(), live);
      if (performance.now() < until) timer = requestAnimationFrame(draw);
    };
    const wake = () => {
      until = performance.now() + 800;
      if (!timer) timer = requestAnimationFrame(draw);
    };
    const stop = player.subscribe(wake);
    wake();
    return () => {
      stop();
      cancelAnimationFrame(timer);
    };
  }, [player, atNs, live]);
}

function KeyChips({ runs }: { runs: ReturnType<typeof keyRuns> }) {
  return (
    <div class="chips" aria-hidden="true">
      {runs.map((run, i) => (
        <span key={i} class="keychip">
          {run.name}
          {run.count > 1 && <b> ×{run.count}</b>}
        </span>
      ))}
    </div>
  );
}

/**
 * @param atNs     time of the overlay
 * @param text     accessible description of the picture
 * @param live     draw the cursor at its newest position
 * @param covered  replaces the picture: reason for its absence
 * @param veil     over the dimmed picture: reason for its being another moment's
 */
export function Stage({
  player,
  atNs,
  text,
  covered,
  veil = '',
  live = false,
  children,
}: {
  player: Player;
  atNs: () => bigint;
  text: string;
  covered?: ComponentChildren;
  veil?: string;
  live?: boolean;
  children?: ComponentChildren;
}) {
  useEmitter(player);
  const overlay = useRef<HTMLCanvasElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const stage = useRef<HTMLElement>(null);
  const view = useRef<HTMLDivElement>(null);
  const zoom = useZoom(view, stage, player.width);
  useEffect(() => {
    player.attach(picture.current);
    return () => player.attach(null);
  }, [player]);
  useOverlay(overlay, player, atNs, live);
  const shape = player.width ? player.width / player.height : 16 / 9;
  return (
    <section ref={stage} class="stage" aria-label="The participant's screen">
      <div class={`screen ${zoom.factor ? 'zoomed' : ''}`} style={{ '--shape': shape }}>
        <div
          ref={view}
          class="view"
          {...(zoom.factor && { tabIndex: 0, role: 'group', 'aria-label': 'Part of the picture: the arrow keys move it' })}
        >
          <div class="canvases" style={zoom.factor ? { width: `${player.width * zoom.factor}px`, height: `${player.height * zoom.factor}px` } : {}}>
            <canvas ref={picture} id="picture" width="16" height="9" role="img" aria-label={text} />
            <canvas ref={overlay} id="overlay" width="16" height="9" aria-hidden="true" />
          </div>
        </div>
        <KeyChips runs={keyRuns(player.inputActions, atNs())} />
        {veil && !covered && (
          <p class="veil">
            <span>{veil}</span>
          </p>
        )}
        {covered && <div class="cover">{covered}</div>}
        {!covered && player.width > 0 && (
          <>
            <HiddenLegend reasons={player.hiddenAt(live ? player.pictureNs : atNs())} />
            <ZoomBar zoom={zoom} />
          </>
        )}
      </div>
      {children}
      <KeyHint fullScreen />
    </section>
  );
}
