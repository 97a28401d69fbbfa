// The reviewer page: a session from its file, tagged in the coder's own layer.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Act, Tag_Watching } from '../../gen/protocol/acts_pb';
import { type SessionSummary, SessionSummary_Health } from '../../gen/protocol/wire_pb';
import { copyText } from '../base/clipboard';
import { useEmitter } from '../base/emitter';
import { clock, date } from '../base/format';
import { lostText } from '../base/gaps';
import { hints, useKeys } from '../base/keys';
import { momentLink, momentOf } from '../base/moment_link';
import { FASTEST_HEARD, RecordedDriver, SPEEDS } from '../driver/recorded';
import { Captions } from '../driver/transcript';
import { SessionDetails } from '../marks/correct';
import { type FeedItem, feedOfTimeline } from '../marks/events';
import { Coder } from '../marks/marks';
import { NoteField } from '../marks/note_field';
import { OpportunityList } from '../marks/opportunities';
import { Undelivered } from '../marks/undelivered';
import { Player, type Stats } from '../media/player';
import { HearButton } from '../parts/hear_button';
import { Crumbs, type KeyHelp, NameField, Notice, Palette, rememberedName, StateBadge, TopBar } from '../parts/parts';
import { PrintHead } from '../parts/print_head';
import { connectionWords, refusalText } from '../session/reach';
import { KeptBack, WithdrawButton } from '../session/withdraw';
import { BleepForm } from './bleeps';
import { Lanes } from './lanes';
import { ReplayStage } from './stage';
import { type Review, ReviewList } from './review_list';
import { TaskPanel } from './task_panel';
import { Transport } from './transport';

const STEP_NS = 5_000_000_000n;

const PLAYER_KEYS: KeyHelp = [
  ['space', 'play, pause'],
  ['← →', 'five seconds back, forward'],
  ['shift+← shift+→', 'previous, next click'],
  [', .', 'previous, next picture'],
  ['[ ]', 'slower, faster'],
  ['home end', 'begin, end'],
  ['shift+↑ shift+↓', 'zoom the timeline in, out'],
  ['shift+L', 'copy a link to this moment'],
];

const LIST_KEYS: KeyHelp = [
  ['J K', 'next, previous tag'],
  ['E', 'change the tag at this moment'],
  ['N', 'write a note'],
  ['/', 'search tags, notes, events and the transcript'],
];

function useReplay(token: string, session: string, name: string) {
  const parts = useMemo(() => {
    const player = new Player();
    const driver = new RecordedDriver(player, session, token, name);
    const coder: Coder = new Coder(driver.model, driver.connection, `coder:${name}`, () =>
      driver.whyNoTag() ? undefined : { mediaNs: driver.seenNs(), pressNs: 0n, watching: Tag_Watching.REPLAY },
      (act) => coder.isMine(act) || driver.connection.isModerator,
      () => driver.beginNs,
    );
    return { player, driver, coder };
  }, [token, session]);
  useEffect(() => () => parts.driver.connection.close(), [parts]);
  useEffect(() => {
    const stats: Stats = Object.defineProperties({} as Stats, {
      state: { get: () => parts.driver.state(), enumerable: true },
      firstPictureMs: { get: () => parts.player.firstPictureMs, enumerable: true },
      picturesDecoded: { get: () => parts.player.picturesDecoded, enumerable: true },
      lagMs: { get: () => 0, enumerable: true },
      soundPacketsPlayed: { get: () => parts.driver.sound.packetsPlayed, enumerable: true },
      soundPeak: { get: () => parts.driver.sound.peak(), enumerable: true },
      soundOffMs: { get: () => 1000 * parts.driver.sound.off(parts.driver.nowNs()), enumerable: true },
      presentationTimeNs: { get: () => Number(parts.driver.nowNs()), enumerable: true },
    });
    window.uxrec = { stats };
  }, [parts]);
  return parts;
}

/** Keys of the page. @return the commands that also have buttons */
function useReplayKeys(driver: RecordedDriver, coder: Coder, layers: (act: Act) => boolean) {
  const tagTimes = () =>
    driver.model
      .marks()
      .filter(({ act }) => layers(act))
      .map(({ act }) => act.body.value.mediaNs);
  const faster = (by: number) => {
    const at = SPEEDS.indexOf(driver.speed as (typeof SPEEDS)[number]);
    const speed = SPEEDS[at + by];
    if (speed) driver.setSpeed(speed);
    return speed ? '' : `${driver.speed}× is the ${by > 0 ? 'highest' : 'lowest'} speed`;
  };
  const toggle = () => (driver.playing ? driver.pause() : driver.play());
  const whenOpen = (command: () => unknown) => () => driver.whyClosed() || command();
  const jump = (times: () => bigint[], forward: boolean, what: string) =>
    whenOpen(() => driver.jump(times(), forward) || `no ${forward ? 'later' : 'earlier'} ${what}`);
  const step = (forward: boolean) => whenOpen(() => driver.step(forward) || `this is the ${forward ? 'last' : 'first'} picture`);
  const seek = (to: () => bigint) => whenOpen(() => driver.seek(to()));
  const copyLink = async () => {
    const link = momentLink(driver.nowNs() - driver.beginNs);
    hints.show((await copyText(link)) ? `Copied: ${link}` : `The browser blocked copying: ${link}`);
  };
  useKeys({
    ...coder.keys(() => driver.whyNoTag(), () => coder.notJudged(layers)),
    ' ': whenOpen(toggle),
    ArrowLeft: seek(() => driver.nowNs() - STEP_NS),
    ArrowRight: seek(() => driver.nowNs() + STEP_NS),
    'shift+ArrowLeft': jump(() => driver.clickTimes(), false, 'click'),
    'shift+ArrowRight': jump(() => driver.clickTimes(), true, 'click'),
    ',': step(false),
    '.': step(true),
    '[': () => faster(-1),
    ']': () => faster(1),
    Home: seek(() => driver.beginNs),
    End: seek(() => driver.endNs),
    j: jump(tagTimes, true, 'tag'),
    k: jump(tagTimes, false, 'tag'),
    n: () => document.getElementById('note')?.focus(),
    'shift+l': whenOpen(copyLink),
  });
  return { toggle, faster, copyLink };
}

/** A part of the page that a button opens; that button gets the focus back. */
function useDisclosure() {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  return { isOpen, setOpen, button };
}

type Disclosure = ReturnType<typeof useDisclosure>;

/** Events and gaps of the timeline, as a list. */
function useFeed({ timeline }: RecordedDriver): FeedItem[] {
  return useMemo(() => feedOfTimeline(timeline?.events ?? [], timeline?.gaps ?? []), [timeline]);
}

/** Captions below the picture; this browser remembers the choice. */
function useCaptions() {
  const [isShown, setShown] = useState(localStorage.getItem('captions') === 'yes');
  const toggle = () => {
    localStorage.setItem('captions', isShown ? 'no' : 'yes');
    setShown(!isShown);
  };
  return { isShown, toggle };
}

export function ReplayPage({ token, session }: { token: string; session: string }) {
  const [name, setName] = useState(rememberedName('reviewer'));
  const { player, driver, coder } = useReplay(token, session, name);
  useEmitter(driver);
  const model = useEmitter(driver.model);
  const [others, setOthers] = useState(true);
  const transcript = useEmitter(driver.transcript);
  const captions = useCaptions();
  const bleeping = useDisclosure();
  const details = useDisclosure();
  const atNs = useMemo(() => () => driver.nowNs(), [driver]);
  const layers = useMemo(() => (act: Act) => coder.isMine(act) || others, [coder, others]);
  const { toggle, faster, copyLink } = useReplayKeys(driver, coder, layers);
  useMomentOfAddress(driver);
  const { summary } = driver;
  const ready = summary !== undefined;
  const isClosed = !ready && (driver.trouble !== '' || driver.connection.state === 'refused');
  const rename = (value: string) => {
    setName(value);
    coder.layer = `coder:${value}`;
    driver.connection.rename(value);
  };
  const feed = useFeed(driver);
  const review = { driver, player, coder, layers, feed, atNs, others, onOthers: setOthers };
  if (summary?.keptBack) return <KeptBack driver={driver} summary={summary} />;
  return (
    <div class="page replay">
      {summary && <SessionHead driver={driver} summary={summary} session={session} name={name} others={others} />}
      <SessionBar
        driver={driver}
        coder={coder}
        session={session}
        name={name}
        onRename={rename}
        details={details}
        atNs={atNs}
      />
      {isClosed ? (
        <main class="start">
          <Closed driver={driver} />
        </main>
      ) : (
        <Closed driver={driver} />
      )}
      {summary && <Damage summary={summary} />}
      <main class="work" hidden={isClosed}>
        <ReplayStage driver={driver} player={player} atNs={atNs}>
          {captions.isShown && transcript.cues.length > 0 && (
            <Captions transcript={transcript} player={player} atNs={atNs} />
          )}
        </ReplayStage>
        <Side review={review} details={details} />
      </main>
      <footer class="bottom" hidden={isClosed}>
        <Undelivered coder={coder} />
        <Transport driver={driver} player={player} onToggle={toggle} onFaster={faster}>
          <Tools driver={driver} captions={captions} bleeping={bleeping} onCopyLink={() => void copyLink()} />
        </Transport>
        {bleeping.isOpen && (
          <BleepForm
            driver={driver}
            coder={coder}
            onDone={() => {
              bleeping.setOpen(false);
              bleeping.button.current?.focus();
            }}
          />
        )}
        <Lanes driver={driver} player={player} mine={(act) => coder.isMine(act)} layers={layers} />
        <Palette
          codes={model.study?.codes ?? []}
          disabled={!ready}
          onTag={(code) => driver.whyNoTag() || coder.tag(code)}
        />
      </footer>
    </div>
  );
}

/** Head of the printed session. */
function SessionHead({
  driver,
  summary,
  session,
  name,
  others,
}: {
  driver: RecordedDriver;
  summary: SessionSummary;
  session: string;
  name: string;
  others: boolean;
}) {
  const { model } = driver;
  return (
    <PrintHead
      part="session"
      title={model.participant() || session}
      lines={[
        `Study: ${model.study?.name || 'none'}`,
        `Recorded: ${date(summary.beginNs)}`,
        `Layers: ${name}’s, with its metrics${others ? '; all others' : ''}`,
        `Picture and task: at ${clock(driver.seenNs() - driver.beginNs)}`,
      ]}
    />
  );
}

/** Top bar: the session and its state, sound, a moderator's corrections, the coder's name. */
function SessionBar({
  driver,
  coder,
  session,
  name,
  onRename,
  details,
  atNs,
}: {
  driver: RecordedDriver;
  coder: Coder;
  session: string;
  name: string;
  onRename: (name: string) => void;
  details: Disclosure;
  atNs: () => bigint;
}) {
  const { model, summary } = driver;
  const ready = summary !== undefined;
  return (
    <TopBar help={ready ? [...PLAYER_KEYS, ...coder.help(), ...LIST_KEYS] : []}>
      <Crumbs
        study={model.study?.name ?? ''}
        who={model.participant() || session}
        when={summary ? date(summary.beginNs) : ''}
      />
      <StateBadge
        state={driver.state()}
        label={driver.connection.state === 'open' ? driver.state() : connectionWords(driver.connection)}
      />
      {driver.hasSound && <HearButton sound={driver.sound} />}
      {driver.hasSound && driver.sound.hearing && driver.speed > FASTEST_HEARD && (
        <span class="hint">silent at {driver.speed}×</span>
      )}
      {driver.connection.isModerator && (
        <button
          type="button"
          ref={details.button}
          aria-expanded={details.isOpen}
          disabled={!ready}
          onClick={() => details.setOpen(!details.isOpen)}
        >
          Session…
        </button>
      )}
      {driver.connection.isModerator && ready && (
        <WithdrawButton
          connection={driver.connection}
          session={session}
          participant={model.participant()}
          beginNs={driver.beginNs}
          nowNs={atNs}
        />
      )}
      <span class="spring" />
      {driver.connection.state !== 'refused' && <NameField label="Coding as" value={name} onChange={onRename} />}
    </TopBar>
  );
}

/** Column beside the picture. */
function Side({ review, details }: { review: Review; details: Disclosure }) {
  const { driver, player, coder, layers, atNs } = review;
  return (
    <aside class="side" aria-label="Task, tags, events and transcript">
      {details.isOpen && (
        <SessionDetails
          model={driver.model}
          connection={driver.connection}
          onDone={() => {
            details.setOpen(false);
            requestAnimationFrame(() => details.button.current?.focus());
          }}
        />
      )}
      <TaskPanel driver={driver} player={player} coder={coder} layers={layers} atNs={atNs} />
      <ReviewList {...review} />
      <OpportunityList coder={coder} />
      <NoteField coder={coder} why={() => driver.whyClosed()} />
    </aside>
  );
}

/** Buttons beside the playback controls. */
function Tools({
  driver,
  captions,
  bleeping,
  onCopyLink,
}: {
  driver: RecordedDriver;
  captions: ReturnType<typeof useCaptions>;
  bleeping: Disclosure;
  onCopyLink: () => void;
}) {
  const ready = driver.summary !== undefined;
  return (
    <>
      <button
        type="button"
        disabled={!ready}
        title="Copy a link to this moment, without an access key (shift+L)"
        onClick={onCopyLink}
      >
        Copy link
      </button>
      {driver.transcript.cues.length > 0 && (
        <button
          type="button"
          aria-pressed={captions.isShown}
          aria-label="CC captions"
          title={captions.isShown ? 'Hide the captions' : 'Show captions below the picture'}
          onClick={captions.toggle}
        >
          CC
        </button>
      )}
      {driver.hasSound && (
        <button
          type="button"
          ref={bleeping.button}
          disabled={!ready}
          aria-expanded={bleeping.isOpen}
          title="Remove the sound of a span, such as a spoken name, from replays and exports"
          onClick={() => bleeping.setOpen(!bleeping.isOpen)}
        >
          Bleep…
        </button>
      )}
    </>
  );
}

/** Follow a moment link pasted into the address of this tab. */
function useMomentOfAddress(driver: RecordedDriver): void {
  useEffect(() => {
    const go = () => {
      const moment = driver.summary && momentOf(location.hash, driver.beginNs, driver.endNs);
      if (!moment) return;
      if ('ns' in moment) driver.seek(moment.ns);
      else hints.show(moment.why);
    };
    window.addEventListener('hashchange', go);
    return () => window.removeEventListener('hashchange', go);
  }, [driver]);
}

/** Reason why the session is not, or no longer, shown. */
function Closed({ driver }: { driver: RecordedDriver }) {
  return (
    <>
      {driver.trouble && (
        <Notice kind="error">
          This session cannot be shown: {driver.trouble}. If its folder was moved or deleted, it is no longer in the
          library. <a href="library">Back to the library</a>
        </Notice>
      )}
      {driver.connection.state === 'refused' && <Notice kind="error">{refusalText(driver.connection)}</Notice>}
    </>
  );
}

/** Losses and damage of the recording, each with a remedy. */
function Damage({ summary }: { summary: SessionSummary }) {
  const lost = lostText(summary.lost);
  const { health } = summary;
  return (
    <>
      {summary.trouble && (
        <Notice kind="warning">
          Part of this recording is damaged: {summary.trouble}. The rest can be played. <code>uxrec verify</code> lists
          the damage, <code>uxrec recover</code> saves the readable part.
        </Notice>
      )}
      {health === SessionSummary_Health.UNFINISHED && (
        <Notice kind="warning">
          The end of this recording is missing: it stops at {clock(summary.endNs - summary.beginNs)}, where the recorder was
          ended or the disk was full. Everything before is kept.
        </Notice>
      )}
      {lost && <p class="lost" role="status">Lost: {lost}</p>}
    </>
  );
}
