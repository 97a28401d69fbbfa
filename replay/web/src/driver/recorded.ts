// The recorded driver: plays a session from its file, read in spans ahead of the moment shown.

import type { Act } from '../../gen/protocol/acts_pb';
import { Gap_Reason } from '../../gen/protocol/session_pb';
import type { ServerMessage, SessionSummary, Timeline, Timeline_ScreenGap } from '../../gen/protocol/wire_pb';
import { attemptBegin, attemptEnd, SessionModel } from '../acts/model';
import { Emitter } from '../base/emitter';
import { clock } from '../base/format';
import { hints } from '../base/keys';
import { momentOf } from '../base/moment_link';
import { activityOf, idleUntilNs } from '../media/idle';
import { joined, quietSpans, type Span } from '../media/levels';
import { Moments, PICTURE_TOPICS } from '../media/moments';
import { lastAtOrBefore, type Player } from '../media/player';
import { Sound, SOUND_TOPICS } from '../media/sound';
import { Connection, type ConnectionEvents } from '../net/connection';
import type { ChannelMessage } from '../net/wire';
import { Transcript } from './transcript';

const SECOND = 1_000_000_000n;
/* length of one read, and how far ahead of the moment shown the next one starts */
const SPAN_NS = 10n * SECOND;
const AHEAD_NS = 5n * SECOND;
/* minimum interval between loads while dragging */
const SEEK_MS = 60;
/* maximum interval between drawn pictures while catching up */
const STALE_MS = 500;
/* decoded pictures are large: limits of decoded pictures kept, and of coded pictures in the decoder */
const DECODED_AHEAD = 4;
const DECODED_AT_ONCE = 16;
/* shortest span worth skipping */
const SKIP_NS = SECOND / 2n;
/* lead of sound decoding over the moment shown (as heard); maximum offset from it, in seconds; packet length */
const SOUND_AHEAD_MS = 250;
const SOUND_OFF_S = 0.02;
const SOUND_NS = SECOND / 50n;
/* ten minutes of packets, for going back a little */
const SOUNDS_KEPT = 30_000;

export const SPEEDS = [0.5, 0.75, 1, 1.5, 2, 3, 4, 8] as const;
/** Speech is unintelligible above this speed. */
export const FASTEST_HEARD = 3;

/** True if an act changes which parts of a session may be shown. */
const isAboutConsent = (act: Act): boolean => act.body.case === 'consent' || act.body.case === 'withdrawal';

/** Decode alternating begins and lengths, each begin relative to the previous end. */
function spansOf(beginNs: bigint, turns: readonly bigint[]): Span[] {
  const spans: Span[] = [];
  let atNs = beginNs;
  for (let i = 0; i + 1 < turns.length; i += 2) {
    const fromNs = atNs + (turns[i] ?? 0n);
    atNs = fromNs + (turns[i + 1] ?? 0n);
    spans.push({ fromNs, toNs: atNs });
  }
  return spans;
}

export class RecordedDriver extends Emitter implements ConnectionEvents {
  readonly connection: Connection;
  readonly model = new SessionModel();
  readonly sound = new Sound();
  /** The session has sound. */
  hasSound = false;
  summary?: SessionSummary;
  timeline?: Timeline;
  /** Times of all pictures, and of patches between them; absolute. */
  pictures: Array<{ timeNs: bigint }> = [];
  trouble = '';
  /** Reason for unsupported video in this browser; "" if supported. */
  undecodable = '';
  playing = false;
  speed = 1;
  skipIdle = localStorage.getItem('skipIdle') === 'yes';
  skipSilence = localStorage.getItem('skipSilence') === 'yes';
  /** Last skip: its text, and time by performance.now(). */
  skipped?: { text: string; atMs: number };
  readonly transcript: Transcript;
  /** Bleeped spans, joined. */
  bleeps: Span[] = [];
  /** Spans without speech. */
  quiet: Span[] = [];
  /** Spans with input, changes of the screen or speech. */
  activity: Span[] = [];
  /** Target of a pending seek: until its picture is shown, the stage has the previous one. */
  seekingNs?: bigint;
  /** The picture of the moment shown is unreadable. */
  pictureMissing = false;

  #marked?: bigint[]; // cached until the model changes
  #seenNs = 0n; // time of the last drawn picture
  #sought = false; // the current read belongs to the newest seek
  #player: Player;
  #session: string;
  #moments: Moments;
  #coded: ChannelMessage[] = [];
  #sounds: ChannelMessage[] = [];
  #nextSound = 0;
  #loadedNs = 0n; // everything before was requested
  #reading = false;
  #generation = 0; // seek counter; answers to earlier requests are dropped
  #anchorNs = 0n; // moment shown at …
  #anchorMs = 0; // … this time of performance.now()
  #expectedNs = 0n; // begin of the read whose messages are wanted
  #foreign = true; // incoming messages still belong to an earlier read
  #shownMs = 0; // time of the last drawn picture
  #loadedMs = 0; // time of the last load request
  #seekTimer = 0;
  #timer = 0;
  #bleepsStored = 0;

  constructor(player: Player, session: string, token: string, name: string) {
    super();
    this.#player = player;
    this.#session = session;
    this.#moments = new Moments({
      ready: () => this.#tick(),
      failed: () => this.seek(this.nowNs()),
      unable: (reason) => {
        this.undecodable = `This browser cannot decode the picture: ${reason}`;
        this.seekingNs = undefined;
        this.changed();
      },
    });
    this.connection = new Connection(token, name, this);
    this.connection.subscribe(() => this.changed());
    this.sound.subscribe(() => this.changed());
    this.model.subscribe(() => {
      this.#marked = undefined;
      this.#takeBleeps();
    });
    this.transcript = new Transcript(this.connection, session);
  }

  get beginNs(): bigint {
    return this.timeline?.beginNs ?? this.summary?.beginNs ?? 0n;
  }

  get endNs(): bigint {
    return this.timeline?.endNs ?? this.summary?.endNs ?? 0n;
  }

  state(): string {
    if (this.connection.state !== 'open') return this.connection.state;
    if (this.trouble) return 'failed';
    if (!this.summary) return 'opening';
    return this.playing ? 'playing' : 'stopped';
  }

  /** The moment shown. */
  nowNs(): bigint {
    if (!this.playing) return this.#anchorNs;
    const elapsed = (performance.now() - this.#anchorMs) * this.speed;
    const now = this.#anchorNs + BigInt(Math.round(elapsed * 1000)) * 1000n;
    return now > this.endNs ? this.endNs : now;
  }

  play(): void {
    if (this.playing || !this.summary) return;
    if (this.nowNs() >= this.endNs) this.seek(this.beginNs);
    this.#anchorMs = performance.now();
    this.playing = true;
    this.#tick();
    this.changed();
  }

  pause(): void {
    if (!this.playing) return;
    this.#anchorNs = this.nowNs();
    this.playing = false;
    this.sound.reset();
    this.changed();
  }

  setSpeed(speed: number): void {
    this.#anchorNs = this.nowNs();
    this.#anchorMs = performance.now();
    this.speed = speed;
    this.sound.reset();
    this.changed();
  }

  setSkipIdle(skip: boolean): void {
    this.skipIdle = skip;
    localStorage.setItem('skipIdle', skip ? 'yes' : 'no');
    this.changed();
  }

  setSkipSilence(skip: boolean): void {
    this.skipSilence = skip;
    localStorage.setItem('skipSilence', skip ? 'yes' : 'no');
    this.changed();
  }

  /** Go to a moment. Rapid requests (dragging) are throttled; the last one always counts. */
  seek(toNs: bigint): void {
    /* the first picture is a little later than the begin: nothing can be shown before it */
    const firstNs = this.pictures[0]?.timeNs ?? this.beginNs;
    const target = toNs < firstNs ? firstNs : toNs > this.endNs ? this.endNs : toNs;
    this.pictureMissing = false;
    this.seekingNs = !this.undecodable && this.#lacksPicture(target) ? target : undefined;
    this.#sought = false;
    this.#anchorNs = target;
    this.#anchorMs = performance.now();
    clearTimeout(this.#seekTimer);
    const wait = this.#loadedMs + SEEK_MS - performance.now();
    if (wait > 0) this.#seekTimer = window.setTimeout(() => this.#load(this.nowNs()), wait);
    else this.#load(target);
    this.changed();
  }

  /** Time of the visible picture, to which tags are bound. */
  seenNs(): bigint {
    if (this.seekingNs !== undefined) return this.#seenNs;
    const now = this.nowNs();
    const next = this.pictures[lastAtOrBefore(this.pictures, this.#seenNs) + 1];
    /* the decoder may lag behind during playback */
    return this.playing && !this.screenGap() && this.#seenNs > 0n && next && next.timeNs <= now ? this.#seenNs : now;
  }

  /** Reason why the session is closed to any action, or "". */
  whyClosed(): string {
    if (!this.summary) return 'the session is not open yet';
    return this.summary.keptBack ? 'this session is not shown' : '';
  }

  /** Reason why no tag can be set now, or "". */
  whyNoTag(): string {
    const why = this.whyClosed();
    if (why || this.seekingNs === undefined) return why;
    return `not tagged: the picture at ${clock(this.seekingNs - this.beginNs, 1)} is not loaded yet`;
  }

  /* true if the picture of a moment is not the visible one */
  #lacksPicture(ns: bigint): boolean {
    const wanted = lastAtOrBefore(this.pictures, ns);
    return wanted >= 0 && !this.screenGap(ns) && wanted !== lastAtOrBefore(this.pictures, this.#seenNs);
  }

  #endSeek(): void {
    const target = this.seekingNs;
    if (target === undefined || !this.#sought) return;
    const isShown = this.#player.pictureNs > 0n && !this.#player.undrawn
      && lastAtOrBefore(this.pictures, this.#player.pictureNs) >= lastAtOrBefore(this.pictures, target);
    /* everything was read and decoded, without the picture */
    const isOver = !this.#reading && !this.#coded.length && !this.#moments.length && this.connection.state === 'open';
    if (!isShown && !isOver && !this.screenGap()) return;
    this.seekingNs = undefined;
    this.pictureMissing = !isShown && isOver && !this.screenGap();
    this.changed();
  }

  /** Show the next or previous picture. @return false if there is none */
  step(forward: boolean): boolean {
    this.pause();
    const shown = lastAtOrBefore(this.pictures, this.nowNs());
    const picture = this.pictures[forward ? shown + 1 : shown - 1];
    if (!picture) return false;
    const buffered = this.#moments.ready().some((moment) => moment.timeNs === picture.timeNs);
    if (forward && buffered) {
      this.#anchorNs = picture.timeNs;
      this.#tick();
      this.changed();
    } else {
      this.seek(picture.timeNs);
    }
    return true;
  }

  /** Seek to the next or previous time of a list. @return false if there is none */
  jump(times: bigint[], forward: boolean): boolean {
    const now = this.nowNs();
    /* backwards within a second after a mark goes to the previous one */
    const target = forward
      ? times.find((time) => time > now + SECOND / 20n)
      : times.filter((time) => time < now - (this.playing ? SECOND : SECOND / 20n)).at(-1);
    if (target !== undefined) this.seek(target);
    return target !== undefined;
  }

  clickTimes(): bigint[] {
    return (this.timeline?.events ?? [])
      .filter((event) => event.kind === 1)
      .map((event) => event.atNs);
  }

  opened(): void {
    void this.#open();
  }

  message(message: ChannelMessage): void {
    if (this.#foreign) return;
    if (PICTURE_TOPICS.includes(message.topic)) {
      this.#coded.push(message);
      this.#pump();
    } else if (SOUND_TOPICS.includes(message.topic)) {
      this.#sounds.push(message);
      if (!this.hasSound) {
        this.hasSound = true;
        this.changed();
      }
    } else {
      this.#player.take(message);
    }
  }

  server(message: ServerMessage): void {
    if (message.body.case === 'readBegun')
      this.#foreign = message.body.value.fromNs !== this.#expectedNs;
    else if (
      message.body.case === 'actStored' &&
      message.body.value.act &&
      message.body.value.session === this.#session
    ) {
      const { act } = message.body.value;
      const before = this.model.entry(act.id)?.act;
      this.model.stored(act);
      /* the consent changed; a removal has the body kind of the removed act */
      if (isAboutConsent(act) || (before && isAboutConsent(before))) void this.#open();
    }
  }

  get session(): string {
    return this.#session;
  }

  /** Reopen the session after a change of its consent. */
  reopen(): void {
    void this.#open();
  }

  async #open(): Promise<void> {
    try {
      const opened = await this.connection.request({
        case: 'openSession',
        value: { session: this.#session },
      });
      if (opened.body.case !== 'sessionOpened') return;
      this.model.reset(this.#session, opened.body.value.study, opened.body.value.acts);
      this.model.flush(this.connection);
      const fresh = !this.summary;
      this.summary = opened.body.value.summary;
      if (this.summary?.keptBack) {
        this.pause();
        this.timeline = undefined;
        this.trouble = '';
        this.changed();
        return;
      }
      const timeline = await this.connection.request({
        case: 'getTimeline',
        value: { session: this.#session },
      });
      if (timeline.body.case === 'timeline') this.#takeTimeline(timeline.body.value);
      if (this.timeline?.hasTranscript) void this.transcript.load();
      this.trouble = '';
      this.changed();
      this.seek(fresh ? this.#startNs() : this.nowNs());
    } catch (error) {
      this.trouble = error instanceof Error ? error.message : String(error);
      this.changed();
    }
  }

  /** Reason for a missing picture at a moment: none was recorded. */
  screenGap(now = this.nowNs()): Timeline_ScreenGap | undefined {
    return this.timeline?.screenGaps.find((gap) => gap.fromNs <= now && now < gap.toNs);
  }

  /** Initial position: the moment in the address, else the begin. */
  #startNs(): bigint {
    const moment = momentOf(location.hash, this.beginNs, this.endNs);
    if (moment && 'ns' in moment) return moment.ns;
    if (moment) hints.show(moment.why);
    const asked = new URLSearchParams(location.search).get('at');
    return asked && /^\d+$/.test(asked) ? BigInt(asked) : this.beginNs;
  }

  #takeTimeline(timeline: Timeline): void {
    this.timeline = timeline;
    let timeNs = timeline.beginNs;
    this.pictures = timeline.pictureDtNs.map((dt) => {
      timeNs += dt;
      return { timeNs };
    });
    this.quiet = quietSpans(timeline.soundRms, timeline.beginNs);
    const motions = spansOf(timeline.beginNs, timeline.motionDtNs);
    this.activity = activityOf(timeline, this.pictures, motions, timeline.soundRms.length ? this.quiet : undefined);
    this.hasSound ||= timeline.soundPeak.length > 0;
  }

  /** The server omits bleeped sound: reload it after a bleep was added or removed. */
  #takeBleeps(): void {
    this.bleeps = joined(this.model.bleeped());
    if (this.#bleepsStored === this.model.bleepsStored) return;
    this.#bleepsStored = this.model.bleepsStored;
    this.seek(this.nowNs());
    if (this.transcript.cues.length) void this.transcript.load();
  }

  #load(atNs: bigint): void {
    const generation = ++this.#generation;
    this.#loadedMs = this.#shownMs = performance.now();
    this.#sought = true;
    this.#moments.reset();
    this.#coded = [];
    this.#sounds = [];
    this.#nextSound = 0;
    this.sound.reset();
    this.#player.clear();
    this.#expectedNs = atNs;
    this.#foreign = true; // until the answer to this request begins
    this.#reading = true;
    this.#loadedNs = atNs + SPAN_NS;
    this.#read(atNs, this.#loadedNs, true)
      .catch((error: unknown) => {
        if (generation === this.#generation && this.connection.state === 'open')
          this.trouble = error instanceof Error ? error.message : String(error);
      })
      .finally(() => {
        if (generation !== this.#generation) return;
        this.#reading = false;
        this.#tick();
        this.changed();
      });
    this.#tick();
  }

  async #read(fromNs: bigint, toNs: bigint, state: boolean): Promise<void> {
    await this.connection.request({
      case: 'read',
      value: { session: this.#session, fromNs, toNs, state },
    });
  }

  /** Request the next span before the loaded one runs out. */
  #readAhead(nowNs: bigint): void {
    if (this.#reading || this.#loadedNs > this.endNs || nowNs + AHEAD_NS < this.#loadedNs) return;
    const generation = this.#generation;
    const fromNs = this.#loadedNs;
    this.#reading = true;
    this.#loadedNs = fromNs + SPAN_NS;
    this.#read(fromNs, this.#loadedNs, false)
      .catch(() => undefined) // the connection broke; reopening reloads
      .finally(() => {
        if (generation === this.#generation) this.#reading = false;
      });
  }

  /** Feed the decoder: everything up to the moment shown, and a few pictures ahead. */
  #pump(): void {
    const now = this.nowNs();
    let next = this.#coded[0];
    while (next) {
      if (next.timeNs > now && this.#moments.length >= DECODED_AHEAD) break;
      if (this.#moments.waiting().length >= DECODED_AT_ONCE) break;
      this.#coded.shift();
      this.#moments.take(next);
      next = this.#coded[0];
    }
    if (next) this.#moments.settle(next.timeNs - 1n);
    else if (!this.#reading) this.#moments.settle(this.#loadedNs);
  }

  /** True while pictures up to the moment shown are pending: drawing earlier ones would take time. */
  #isBehind(now: bigint): boolean {
    const next = this.#moments.waiting()[0] ?? this.#coded[0];
    return next !== undefined && next.timeNs <= now;
  }

  #showDue(now: bigint): void {
    const ready = this.#moments.ready();
    for (let due = lastAtOrBefore(ready, now) + 1; due > 0; due--) {
      const moment = this.#moments.shift();
      if (moment) this.#player.apply(moment);
    }
    if (!this.#player.undrawn || (this.#isBehind(now) && performance.now() - this.#shownMs < STALE_MS)) return;
    this.#player.draw();
    this.#seenNs = this.#player.pictureNs;
    if (this.pictureMissing) {
      this.pictureMissing = false;
      this.changed();
    }
    this.#shownMs = performance.now();
  }

  /** Keep the sound in sync with the moment shown. */
  #hear(now: bigint): void {
    if (!this.sound.hearing || this.speed > FASTEST_HEARD) {
      this.#nextSound = lastAtOrBefore(this.#sounds, now) + 1;
      return;
    }
    if (!(Math.abs(this.sound.off(now)) < SOUND_OFF_S)) {
      this.sound.follow(now, this.speed);
      for (const bleep of this.bleeps) this.sound.tone(bleep.fromNs, bleep.toNs);
      this.#nextSound = lastAtOrBefore(this.#sounds, now) + 1;
    }
    const aheadNs = now + BigInt(Math.round(SOUND_AHEAD_MS * this.speed)) * 1_000_000n;
    for (;;) {
      const next = this.#sounds[this.#nextSound];
      if (!next || next.timeNs > aheadNs) break;
      if (!this.#isBleeped(next.timeNs)) this.sound.take(next);
      this.#nextSound++;
    }
  }

  /** Bleeps not stored yet are applied locally. */
  #isBleeped(timeNs: bigint): boolean {
    return this.bleeps.some((bleep) => bleep.fromNs < timeNs + SOUND_NS && timeNs < bleep.toNs);
  }

  /** Show due moments, and schedule the next tick. */
  #tick(): void {
    cancelAnimationFrame(this.#timer);
    const now = this.nowNs();
    this.#pump();
    this.#showDue(now);
    this.#player.present(now);
    this.#pump();
    this.#endSeek();
    if (!this.playing) return;
    this.#hear(now);
    if (this.#nextSound > 2 * SOUNDS_KEPT) this.#nextSound -= this.#sounds.splice(0, SOUNDS_KEPT).length;
    this.#readAhead(now);
    this.#skip(now);
    if (now >= this.endNs) {
      this.pause();
      return;
    }
    this.#timer = requestAnimationFrame(() => this.#tick());
  }

  /** Skip pauses always, idle time and silence on request; with both enabled, only spans that are both. */
  #skip(now: bigint): void {
    const pause = this.timeline?.gaps.find(
      (gap) => gap.reason === Gap_Reason.PAUSE && gap.fromNs <= now && now < gap.toNs - SECOND / 10n,
    );
    if (pause) {
      this.seek(pause.toNs);
      return;
    }
    const idleNs = this.skipIdle ? this.#idleUntilNs(now) : undefined;
    const quietNs = this.skipSilence && this.quiet.length ? this.#quietUntilNs(now) : undefined;
    const toNs = idleNs === undefined || (quietNs !== undefined && quietNs < idleNs) ? quietNs : idleNs;
    if (toNs === undefined || toNs - now < SKIP_NS) return;
    const what = quietNs === undefined ? 'idle' : idleNs === undefined ? 'of silence' : 'of idle silence';
    const seconds = Math.round(Number(toNs - now) / 1e9);
    this.skipped = { text: `${seconds || '<1'} s ${what} skipped`, atMs: performance.now() };
    this.seek(toNs);
  }

  #idleUntilNs(now: bigint): bigint {
    return idleUntilNs(this.activity, this.#markedNs(), now, this.endNs);
  }

  /** Times of marks: tags, notes, tasks, interruptions and phases. */
  #markedNs(): bigint[] {
    const { model } = this;
    return (this.#marked ??= [
      ...model.marks().map(({ act }) => act.body.value.mediaNs),
      ...model.attempts().flatMap(({ attempt }) => [attemptBegin(attempt), attemptEnd(attempt)]),
      ...model.entries('interruption').flatMap(({ act }) => [act.body.value.fromNs, act.body.value.toNs]),
    ]);
  }

  #quietUntilNs(now: bigint): bigint {
    const span = this.quiet.findLast((candidate) => candidate.fromNs <= now);
    return span && span.toNs > now ? span.toNs : now;
  }
}
