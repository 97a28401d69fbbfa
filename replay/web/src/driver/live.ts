// The live driver: shows each picture as soon as it arrives, and tracks the session time up to which the observer has
// seen everything.

import { fromBinary } from '@bufbuild/protobuf';
import { TOPIC_GAPS, TOPIC_SOUND_INFO, TOPIC_SOUND_LEVELS } from '../../gen/protocol/constants';
import { type Gap, GapSchema } from '../../gen/protocol/session_pb';
import { type Conducted, type People_Person, type Status, Status_State } from '../../gen/protocol/wire_pb';
import { SessionModel } from '../acts/model';
import { Emitter } from '../base/emitter';
import { afterBreak, type Before } from '../media/after_break';
import { Levels } from '../media/meter';
import { Moments, PICTURE_TOPICS } from '../media/moments';
import { type Player } from '../media/player';
import { Sound, SOUND_TOPICS } from '../media/sound';
import { type ConnectionEvents, Connection, type Shown } from '../net/connection';
import type { ChannelMessage } from '../net/wire';

/* Limits for delaying pictures to match the sound, in time and number: decoded pictures are large. A picture is due
   if it would be late at the next frame. */
const LATEST_MS = 400;
const HELD = 6;
const FRAME_MS = 8;

/* Thresholds at which "behind" begins and ends; the hysteresis avoids flicker. */
const LATE_MS = 1000;
const ON_TIME_MS = 700;
/* the picture counts as stalled without anything newer for this long */
const STALLED_MS = 5000;
const SLOW_DECODER = 3; // moments waiting for the decoder

/** State of a picture that lags behind. */
export interface Behind {
  ms: number;
  /**
   * Nothing received for so long that the screen's state is unknown. An unchanged screen is not stalled: its recorder
   * keeps sending the time up to which the picture holds.
   */
  stalled: boolean;
  reason: 'connection' | 'decoder';
}

/** Everything up to `timeNs` was sent once the picture at `pictureNs` is shown. */
interface Mark {
  timeNs: bigint;
  pictureNs: bigint;
}

/** The last ended session, while it accepts notes from this page. */
export interface LateSession {
  session: string;
  participant: string;
  endNs: bigint;
  /** Deadline for notes, on this machine's clock. */
  until: Date;
}

export class LiveDriver extends Emitter implements ConnectionEvents {
  readonly connection: Connection;
  readonly model = new SessionModel();
  status?: Status;
  trouble = '';
  /** Reason for unsupported video in this browser; "" if supported. */
  undecodable = '';
  readonly gaps: Gap[] = [];
  late?: LateSession;
  readonly sound = new Sound();
  readonly levels = new Levels();

  #player: Player;
  #moments: Moments;
  #asked = 0;
  #lastSentNs = 0n;
  #marks: Mark[] = [];
  #session = '';
  /** Connected people, on a moderator's page. */
  people: readonly People_Person[] = [];
  peopleMore = 0;
  peopleMs = 0; // time of that list, by performance.now()
  /** The last action of another moderator. */
  conducted?: Conducted;
  conductedMs = 0;
  /** Fate of the session across a connection loss; "": unchanged. */
  news = '';
  #before?: Before;
  #late = false;
  /** Sessions watched by this page. */
  readonly #watched = new Set<string>();

  constructor(player: Player, token: string, name: string) {
    super();
    this.#player = player;
    this.#moments = new Moments({
      ready: () => this.#ready(),
      failed: () => void this.#watch(),
      unable: (reason) => {
        this.undecodable = reason;
        this.changed();
      },
    });
    this.connection = new Connection(token, name, this);
    this.connection.subscribe(() => this.changed());
    this.sound.subscribe(() => this.changed());
  }

  /** Lag of the picture in milliseconds; NaN if unknown. */
  lagMs(): number {
    const now = this.connection.sessionNowNs();
    if (!now || !this.#player.presentationNs) return Number.NaN;
    return Math.max(0, Number(now - this.#player.presentationNs) / 1e6);
  }

  /** Lag of the picture, if above the threshold. */
  behind(): Behind | undefined {
    const ms = this.lagMs();
    this.#late = ms > (this.#late ? ON_TIME_MS : LATE_MS);
    if (!this.#late) return undefined;
    return {
      ms,
      stalled: performance.now() - this.#player.presentedMs > STALLED_MS,
      reason: this.#moments.waiting().length > SLOW_DECODER ? 'decoder' : 'connection',
    };
  }

  shown(): Shown {
    const ms = this.lagMs();
    return { behindMs: Number.isNaN(ms) ? 0 : Math.max(1, ms), hears: this.sound.hearing };
  }

  dismissNews(): void {
    this.news = '';
    this.changed();
  }

  /** Current length of the running session. */
  lengthNs(): bigint {
    const { startedNs = 0n, nowNs = 0n } = this.status ?? {};
    if (!startedNs) return 0n;
    const now = this.connection.sessionNowNs();
    /* the clock may still be that of the previous session, or unknown */
    return (now > nowNs ? now : nowNs) - startedNs;
  }

  state(): string {
    if (this.connection.state !== 'open') return this.connection.state;
    switch (this.status?.state) {
      case Status_State.RECORDING:
        return this.#player.pictureNs ? 'live' : 'waiting for the picture';
      case Status_State.PAUSED:
        return 'paused';
      case Status_State.ENDING:
        return 'ended';
      case Status_State.IDLE:
      case Status_State.STARTING:
        return this.#session ? 'ended' : 'idle';
      default:
        return 'connecting';
    }
  }

  /** True if tags can be set: also while disconnected, at the last picture seen. */
  mayTag(): boolean {
    const state = this.state();
    const down = this.connection.state === 'waiting' || this.connection.state === 'connecting';
    return (
      state === 'live' ||
      (down && this.status?.state === Status_State.RECORDING && this.#player.presentationNs > 0n)
    );
  }

  opened(): void {
    void this.#watch();
  }

  closed(): void {
    const { session = '', killedToNs = 0n } = this.status ?? {};
    /* of several breaks before an answer the first one counts */
    this.#before ??= this.connection.welcome && { session, killedToNs, run: this.connection.welcome.run };
    this.people = [];
    this.peopleMore = 0;
  }

  message(message: ChannelMessage): void {
    if (PICTURE_TOPICS.includes(message.topic)) {
      if (this.#moments.take(message)) this.#lastSentNs = message.timeNs;
    } else if (SOUND_TOPICS.includes(message.topic)) {
      this.sound.take(message);
    } else if (message.topic === TOPIC_SOUND_LEVELS || message.topic === TOPIC_SOUND_INFO) {
      this.levels.take(message);
    } else if (message.topic === TOPIC_GAPS) {
      this.gaps.push(fromBinary(GapSchema, message.data));
      this.changed();
    } else {
      this.#player.take(message);
    }
  }

  server(message: import('../../gen/protocol/wire_pb').ServerMessage): void {
    switch (message.body.case) {
      case 'complete':
        this.#marks.push({ timeNs: message.body.value.sessionNs, pictureNs: this.#lastSentNs });
        this.#moments.settle(message.body.value.sessionNs);
        this.#settle();
        break;
      case 'status':
        this.#takeStatus(message.body.value);
        break;
      case 'people':
        this.people = message.body.value.people;
        this.peopleMore = message.body.value.more;
        this.peopleMs = performance.now();
        this.changed();
        break;
      case 'conducted':
        if (message.body.value.principal === this.connection.principal) break;
        this.conducted = message.body.value;
        this.conductedMs = performance.now();
        this.changed();
        break;
      case 'actStored':
        if (message.body.value.act && message.body.value.session === this.model.session)
          this.model.stored(message.body.value.act);
        break;
      default:
        break;
    }
  }

  /** Join the running session, if there is one. */
  async #watch(): Promise<void> {
    this.#moments.reset();
    this.sound.reset();
    this.levels.reset();
    this.#marks = [];
    this.#lastSentNs = 0n;
    this.model.asked();
    try {
      const answer = await this.connection.request({ case: 'watchLive', value: {} });
      if (answer.body.case !== 'status') return;
      const status = answer.body.value;
      if (status.session) {
        this.model.reset(status.session, status.study, status.acts, status.startedNs);
        this.#session = status.session;
        this.#watched.add(status.session);
      }
      if (status.lastWatched) this.#watched.add(status.lastSession);
      this.#takeLate(status);
      this.model.flush(this.connection);
      this.status = status;
      /* a break without consequences keeps the news of the previous one */
      if (this.#before) this.news = afterBreak(this.#before, status, this.connection.welcome?.run ?? '') || this.news;
      this.#before = undefined;
      this.trouble = '';
      this.connection.ping(); // a new session has a new clock
    } catch (error) {
      this.trouble = error instanceof Error ? error.message : String(error);
    }
    this.changed();
  }

  #takeStatus(status: Status): void {
    const another = status.session !== '' && status.session !== this.#session;
    this.status = status;
    this.#takeLate(status);
    if (another) {
      this.#player.clear();
      this.gaps.length = 0;
      void this.#watch();
    }
    this.changed();
  }

  #takeLate({ lastSession, lastParticipant, lastEndNs, lastNotesMs }: Status): void {
    const isMine = this.connection.isModerator || this.#watched.has(lastSession);
    if (!lastNotesMs || !isMine) this.late = undefined;
    else if (this.late?.session !== lastSession)
      this.late = {
        session: lastSession,
        participant: lastParticipant,
        endNs: lastEndNs,
        until: new Date(Date.now() + lastNotesMs),
      };
  }

  #ready(): void {
    if (document.hidden) this.#present();
    else this.#ask();
  }

  #ask(): void {
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      this.#present();
      if (this.#moments.ready().length > 0) this.#ask();
    });
  }

  /* Delay until a moment is due: 0, or with audible sound the time until its sound is heard. Sound has a little more
     latency than pictures, with more processing stages. */
  #waitMs(timeNs: bigint): number {
    const wait = this.sound.heardAtMs(timeNs) - performance.now();
    return wait > 0 && wait < LATEST_MS ? wait : 0;
  }

  /* Draw only the newest due picture, when the display is ready for a frame: drawing each would fall behind after a
     burst. A hidden page has no frames and draws at once. */
  #present(): void {
    const ready = this.#moments.ready();
    let held = ready.filter((moment) => moment.frame).length;
    const waiting = ready.findIndex(
      ({ timeNs, frame }) => (frame ? held-- : held) <= HELD && this.#waitMs(timeNs) >= FRAME_MS,
    );
    for (let due = waiting < 0 ? ready.length : waiting; due > 0; due--) {
      const moment = this.#moments.shift();
      if (moment) this.#player.apply(moment);
    }
    if (!this.#player.undrawn) return;
    this.#player.draw();
    /* a shown picture implies that all before it was seen, even if the corresponding mark is still to come */
    const shownNs = this.#player.pictureNs;
    if (shownNs > this.#player.presentationNs) this.#player.present(shownNs);
    this.#settle();
  }

  #settle(): void {
    const nextNs = this.#moments.nextNs;
    let reached = 0;
    while (reached < this.#marks.length && (nextNs === undefined || (this.#marks[reached]?.pictureNs ?? 0n) < nextNs))
      reached++;
    if (reached === 0) return;
    const mark = this.#marks[reached - 1];
    this.#marks.splice(0, reached);
    if (mark && mark.timeNs > this.#player.presentationNs && this.#player.pictureNs)
      this.#player.present(mark.timeNs);
  }
}
