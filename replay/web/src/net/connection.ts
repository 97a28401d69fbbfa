// The WebSocket connection: handshake, request and answer matching, reconnect with backoff.

import { WIRE_VERSION } from '../../gen/protocol/constants';
import { Role, type ServerMessage, type Welcome } from '../../gen/protocol/wire_pb';
import { Emitter } from '../base/emitter';
import { ownIdentity } from './identity';
import { forgetKey, keepKey } from './key';
import { setTitle } from './title';
import { type ChannelMessage, type ClientBody, packMessage, parseRecord } from './wire';

const PING_MS = 2000;
/* Receive timeout in seconds: the server answers pings within two, and one whose machine is gone closes no socket. A
   single message may take longer on a slow line, so the timeout doubles each time. */
const QUIET_S = 6;
const MOST_QUIET_S = 60;
/* welcome timeout: with many joins the server serves the links in turn */
const WELCOME_S = 20;
const RETRY_MS = [500, 1000, 2000, 3000, 5000];
const CLOSE_BAD_TOKEN = 4401;
const CLOSE_REVOKED = 4410;

/**
 * State machine:
 *
 *   connecting    welcome            → open
 *   open          socket closes      → waiting
 *   connecting    socket closes      → waiting
 *   waiting       after a backoff    → connecting
 *   open          nothing received for QUIET_S, or no welcome for WELCOME_S → waiting
 *   any           closed with 4401   → refused   (invalid link, or revoked with 4410: final)
 *   any           close()            → closed
 */
export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'refused' | 'closed';

/** Playback state of a live page, for the moderators: see Ping. */
export interface Shown {
  behindMs: number;
  hears: boolean;
}

export interface ConnectionEvents {
  shown?(): Shown;
  /** The connection was open and is lost. */
  closed?(): void;
  /** The connection is open, initially or again. */
  opened(): void;
  message(message: ChannelMessage): void;
  /** A server message that answers no request. */
  server(message: ServerMessage): void;
}

/** A negative answer: error code and one sentence. */
export class Refusal extends Error {
  constructor(
    readonly code: number,
    text: string,
  ) {
    super(text);
  }
}

/** Ways of a request that takes long. */
export interface RequestOptions {
  /** Called with each answer; true: more parts of it follow. */
  isPart?(answer: ServerMessage): boolean;
  /** Called while the recorder works on it: share of the work done, 0 to 1. */
  progress?(share: number): void;
  /** Ends the work; the promise rejects with a Refusal. */
  signal?: AbortSignal;
}

interface Pending {
  options: RequestOptions;
  resolve(message: ServerMessage): void;
  reject(error: Error): void;
}

/** Estimate of the recorder's clock: server time = local + offset, ± error. */
interface ClockEstimate {
  offsetMs: number;
  roundTripMs: number;
  takenMs: number;
}

export class Connection extends Emitter {
  state: ConnectionState = 'connecting';
  /** The link was revoked; false: unknown. */
  revoked = false;
  welcome?: Welcome;
  /** Connection lost, and no welcome since. */
  away = false;
  /** Time of the next attempt, in milliseconds of performance.now(). */
  retryAtMs = 0;

  #token: string;
  #name: string;
  #events: ConnectionEvents;
  #socket?: WebSocket;
  #topics = new Map<number, string>();
  #pending = new Map<bigint, Pending>();
  #nextRequest = 1n;
  #tries = 0;
  #timer = 0;
  #pinger = 0;
  #watchdog = 0;
  /* seconds without a message, counted only while this page runs: a suspended page still has unread messages */
  #quietS = 0;
  #mostQuietS = QUIET_S;
  #heardMs = performance.now();
  #clocks: ClockEstimate[] = [];

  constructor(token: string, name: string, events: ConnectionEvents) {
    super();
    this.#token = token;
    this.#name = name;
    this.#events = events;
    window.addEventListener('online', this.#online);
    this.#connect();
  }

  /** Send a request; the promise rejects with a Refusal, or when the connection breaks. */
  request(body: ClientBody, options: RequestOptions = {}): Promise<ServerMessage> {
    const request = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      if (this.state !== 'open' || this.#socket?.readyState !== WebSocket.OPEN) {
        reject(new Error('not connected to the recorder'));
        return;
      }
      this.#pending.set(request, { options, resolve, reject });
      this.#socket.send(packMessage(request, body));
      options.signal?.addEventListener('abort', () => this.#cancel(request));
    });
  }

  #cancel(which: bigint): void {
    if (this.#pending.has(which) && this.#socket?.readyState === WebSocket.OPEN)
      this.#socket.send(packMessage(0n, { case: 'cancel', value: { which } }));
  }

  /** Principal of this connection's acts; empty before the first welcome. */
  get principal(): string {
    return this.welcome?.principal ?? '';
  }

  get name(): string {
    return this.#name;
  }

  get isModerator(): boolean {
    return this.welcome?.role === Role.MODERATOR;
  }

  /** Change this person's display name; reconnects. */
  rename(name: string): void {
    this.#name = name;
    /* otherwise the hello is not sent yet, or the link stays invalid */
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#drop();
    this.#connect();
  }

  /** Time since the last message of the recorder, in milliseconds. */
  silentMs(): number {
    return performance.now() - this.#heardMs;
  }

  /** Retry now instead of after the backoff. */
  retry(): void {
    if (this.state !== 'waiting') return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  close(): void {
    this.#set('closed');
    clearTimeout(this.#timer);
    clearInterval(this.#watchdog);
    window.removeEventListener('online', this.#online);
    this.#socket?.close();
  }

  /** Current session clock in nanoseconds; 0 without a session, or while unknown. */
  sessionNowNs(): bigint {
    const best = this.#bestClock();
    if (!best) return 0n;
    return BigInt(Math.round((performance.now() + best.offsetMs) * 1000)) * 1000n;
  }

  #online = () => this.retry();

  #bestClock(): ClockEstimate | undefined {
    return this.#clocks.reduce<ClockEstimate | undefined>(
      (best, clock) => (!best || clock.roundTripMs < best.roundTripMs ? clock : best),
      undefined,
    );
  }

  #set(state: ConnectionState): void {
    if (this.state === state) return;
    this.state = state;
    this.changed();
  }

  #connect(): void {
    this.#set('connecting');
    /* behind a proxy: TLS if the page was loaded by TLS, and below the page's path */
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const folder = location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1);
    const socket = new WebSocket(`${scheme}//${location.host}${folder}`, 'uxrec.v1');
    socket.binaryType = 'arraybuffer';
    socket.onopen = () =>
      socket.send(
        packMessage(0n, {
          case: 'hello',
          value: {
            token: this.#token,
            name: this.#name,
            identity: ownIdentity(),
            program: 'uxrec-pages',
            wire: WIRE_VERSION,
          },
        }),
      );
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
      this.#quietS = 0;
      this.#heardMs = performance.now();
      this.#receive(event.data);
    };
    socket.onclose = (event) => this.#closed(event.code);
    this.#socket = socket;
    this.#quietS = 0;
    clearInterval(this.#watchdog);
    this.#watchdog = window.setInterval(() => this.#watch(), 1000);
  }

  #watch(): void {
    if (++this.#quietS < (this.state === 'open' ? this.#mostQuietS : WELCOME_S)) return;
    if (this.state === 'open') this.#mostQuietS = Math.min(MOST_QUIET_S, 2 * this.#mostQuietS);
    this.#drop();
    this.#wait();
  }

  /** Abandon the socket. Its close handshake may take minutes and is ignored. */
  #drop(): void {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    socket?.close();
    this.#ended();
  }

  #ended(): void {
    clearInterval(this.#pinger);
    clearInterval(this.#watchdog);
    for (const pending of this.#pending.values())
      pending.reject(new Error('the connection to the recorder was lost'));
    this.#pending.clear();
    this.#topics.clear();
    /* keep the clock estimate: it dates tags made offline */
    if (this.state === 'open') this.#events.closed?.();
  }

  #closed(code: number): void {
    this.#ended();
    if (this.state === 'closed') return;
    if (code === CLOSE_BAD_TOKEN || code === CLOSE_REVOKED) {
      forgetKey();
      this.revoked = code === CLOSE_REVOKED;
      this.#set('refused');
      return;
    }
    this.#wait();
  }

  #wait(): void {
    this.away = true;
    const base = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)] ?? 5000;
    const wait = base * (0.75 + Math.random() / 2);
    this.retryAtMs = performance.now() + wait;
    this.#timer = window.setTimeout(() => this.#connect(), wait);
    this.#set('waiting');
  }

  #receive(data: ArrayBuffer): void {
    const received = parseRecord(data);
    switch (received.kind) {
      case 'channel':
        this.#topics.set(received.id, received.topic);
        break;
      case 'message': {
        const topic = this.#topics.get(received.channel);
        if (topic !== undefined) this.#events.message({ ...received, topic });
        break;
      }
      case 'server':
        this.#serverMessage(received.message);
        break;
      default:
        break; // unknown, of a newer server
    }
  }

  #serverMessage(message: ServerMessage): void {
    if (message.body.case === 'welcome') {
      this.welcome = message.body.value;
      if (this.welcome.key) {
        this.#token = this.welcome.key;
        keepKey(this.#token);
      }
      setTitle(this.welcome.pageMarker);
      this.#tries = 0;
      this.away = false;
      this.#set('open');
      this.ping();
      this.#pinger = window.setInterval(() => this.ping(), PING_MS);
      this.#events.opened();
      return;
    }
    if (message.body.case === 'pong') {
      this.#mostQuietS = Math.max(QUIET_S, this.#mostQuietS - 1);
      this.#takePong(message.body.value.clientMs, message.body.value.sessionNs);
      return;
    }
    const pending = this.#pending.get(message.request);
    if (!pending || message.body.case === 'readBegun') {
      this.#events.server(message);
      return;
    }
    if (message.body.case === 'progress') {
      const { done, total } = message.body.value;
      pending.options.progress?.(total > 0 ? done / total : 0);
      return;
    }
    if (pending.options.isPart?.(message)) return;
    this.#pending.delete(message.request);
    if (message.body.case === 'failure')
      pending.reject(new Refusal(message.body.value.code, message.body.value.text));
    else pending.resolve(message);
  }

  /** Sample the recorder's clock now, in addition to the two-second interval. */
  ping(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const shown = this.#events.shown?.();
    this.#socket.send(
      packMessage(0n, {
        case: 'ping',
        value: {
          clientMs: performance.now(),
          behindMs: Math.round(shown?.behindMs ?? 0),
          hears: shown?.hears ?? false,
          hidden: document.hidden,
        },
      }),
    );
  }

  /**
   * Half of the round trip is assumed for the way back; the estimate with the shortest round trip of the last eight
   * counts.
   */
  #takePong(sentMs: number, sessionNs: bigint): void {
    const nowMs = performance.now();
    if (sessionNs === 0n) {
      this.#clocks = [];
      return;
    }
    const serverMs = Number(sessionNs / 1000n) / 1000;
    const roundTripMs = nowMs - sentMs;
    const offsetMs = serverMs - (sentMs + roundTripMs / 2);
    const before = this.#bestClock();
    /* a new session has a new clock */
    if (before && Math.abs(before.offsetMs - offsetMs) > before.roundTripMs + roundTripMs + 5)
      this.#clocks = [];
    this.#clocks.push({ offsetMs, roundTripMs, takenMs: nowMs });
    if (this.#clocks.length > 8) this.#clocks.shift();
  }
}
