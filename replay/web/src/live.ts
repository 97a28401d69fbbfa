// The live driver: shows every picture as soon as it is there, and knows up to which time the
// observer has seen everything.

import { fromBinary } from '@bufbuild/protobuf';
import { type Gap, GapSchema } from '../gen/protocol/session_pb';
import { type Status, Status_State } from '../gen/protocol/wire_pb';
import { type ConnectionEvents, Connection } from './connection';
import { Emitter } from './emitter';
import { Levels } from './meter';
import { SessionModel } from './model';
import { Moments, PICTURE_TOPICS } from './moments';
import { type Player } from './player';
import { Sound, SOUND_TOPICS } from './sound';
import type { ChannelMessage } from './wire';

/* A picture waits for its sound at most so long, in at most so many: decoded pictures are large. It is due
   when it would be later at the next frame. */
const LATEST_MS = 400;
const HELD = 6;
const FRAME_MS = 8;

/** Everything up to `timeNs` was sent once the picture at `pictureNs` is on the stage. */
interface Mark {
  timeNs: bigint;
  pictureNs: bigint;
}

export class LiveDriver extends Emitter implements ConnectionEvents {
  readonly connection: Connection;
  readonly model = new SessionModel();
  status?: Status;
  trouble = '';
  /** Why this browser shows no picture; "" when it can. */
  undecodable = '';
  readonly gaps: Gap[] = [];
  readonly sound = new Sound();
  readonly levels = new Levels();

  #player: Player;
  #moments: Moments;
  #asked = 0;
  #lastSentNs = 0n;
  #marks: Mark[] = [];
  #session = '';

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

  /** How far the picture is behind, in milliseconds; NaN when that is not known. */
  lagMs(): number {
    const now = this.connection.sessionNowNs();
    if (!now || !this.#player.presentationNs) return Number.NaN;
    return Math.max(0, Number(now - this.#player.presentationNs) / 1e6);
  }

  /** How long the running session is by now. */
  lengthNs(): bigint {
    const { startedNs = 0n, nowNs = 0n } = this.status ?? {};
    if (!startedNs) return 0n;
    const now = this.connection.sessionNowNs();
    /* the clock may still be that of the session before, or not known */
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
        return this.#session ? 'ended' : 'idle';
      default:
        return 'connecting';
    }
  }

  /** Tags can be set: also while the connection is down, at the picture that was seen last. */
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

  message(message: ChannelMessage): void {
    if (PICTURE_TOPICS.includes(message.topic)) {
      if (this.#moments.take(message)) this.#lastSentNs = message.timeNs;
    } else if (SOUND_TOPICS.includes(message.topic)) {
      this.sound.take(message);
    } else if (message.topic === '/sound/levels' || message.topic === '/sound/info') {
      this.levels.take(message);
    } else if (message.topic === '/gaps') {
      this.gaps.push(fromBinary(GapSchema, message.data));
      this.changed();
    } else {
      this.#player.take(message);
    }
  }

  server(message: import('../gen/protocol/wire_pb').ServerMessage): void {
    switch (message.body.case) {
      case 'complete':
        this.#marks.push({ timeNs: message.body.value.sessionNs, pictureNs: this.#lastSentNs });
        this.#moments.settle(message.body.value.sessionNs);
        this.#settle();
        break;
      case 'status':
        this.#takeStatus(message.body.value);
        break;
      case 'actStored':
        if (message.body.value.act && message.body.value.session === this.model.session)
          this.model.stored(message.body.value.act);
        break;
      default:
        break;
    }
  }

  /** Join the running session, or learn that there is none. */
  async #watch(): Promise<void> {
    this.#moments.reset();
    this.sound.reset();
    this.levels.reset();
    this.#marks = [];
    this.#lastSentNs = 0n;
    try {
      const answer = await this.connection.request({ case: 'watchLive', value: {} });
      if (answer.body.case !== 'status') return;
      const status = answer.body.value;
      if (status.session) {
        this.model.reset(status.session, status.study, status.acts, status.startedNs);
        this.#session = status.session;
      }
      this.model.flush(this.connection);
      this.status = status;
      this.trouble = '';
      this.connection.ping(); // a session that began has a clock
    } catch (error) {
      this.trouble = error instanceof Error ? error.message : String(error);
    }
    this.changed();
  }

  #takeStatus(status: Status): void {
    const another = status.session !== '' && status.session !== this.#session;
    this.status = status;
    if (another) {
      this.#player.clear();
      this.gaps.length = 0;
      void this.#watch();
    }
    this.changed();
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

  /* How long until a moment is due: at once, or, for who hears the sound, when that of its time is
     heard. Sound is a little later than pictures, because it goes through more hands. */
  #waitMs(timeNs: bigint): number {
    const wait = this.sound.heardAtMs(timeNs) - performance.now();
    return wait > 0 && wait < LATEST_MS ? wait : 0;
  }

  /* Of the pictures that are due only the newest is drawn, when the screen is ready for one: drawing
     each would fall behind after a burst. A hidden page has no frames and draws at once. */
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
    /* who sees a picture has seen everything up to it, also when the mark that says so is on its way */
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
