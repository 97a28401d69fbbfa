// Real programs for the JavaScript tests: an X server, uxrecd, a browser, a raw WebSocket, a slow network. Everything
// started by a test ends with it.

import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
export const build = process.env.UXREC_BUILD ? join(root, process.env.UXREC_BUILD) : join(root, 'build');
/** Run the long variants of tests: all sizes, all kinds. */
export const isLong = process.env.UXREC_LONG === '1';
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const STUDY = `study: Browser study
consent: We record the screen <b>and</b> the input.
tasks:
  - id: find
    title: Find <img src=x onerror="window.hacked=1"> it
    instructions: Look for "it".
    success: It was found.
    opportunities: [{id: menu, title: Opens the menu}, {id: date, title: Chooses the date}]
  - {id: pay, title: Pay it}
`;

/**
 * Wait until `condition` returns a true value, and return it.
 *
 * @param what  its name for the error, or a function that returns one
 */
export async function until(condition, what, ms = 90000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${typeof what === 'function' ? what() : what}`);
    await sleep(20);
  }
}

/** First result of `attempt` that satisfies `good`, else the last: for measurements that load can only worsen. */
export async function bestOf(tries, attempt, good) {
  let value;
  for (let i = 0; i < tries && (i === 0 || !good(value)); i++) value = await attempt(i);
  return value;
}

const TICK_S = 0.01; // unit of /proc/PID/stat

/** CPU seconds of a process and its descendants so far. */
export function cpuOf(pid) {
  const children = new Map();
  const spent = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
      /* own, and of waited-for children */
      spent.set(Number(name), [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * TICK_S);
    } catch {
      // exited meanwhile
    }
  }
  const sum = (one) => (spent.get(one) ?? 0) + (children.get(one) ?? []).reduce((all, child) => all + sum(child), 0);
  return sum(pid);
}

/** Processes of a program that a process started, by their pids. */
export const childrenOf = (pid, program) =>
  readdirSync('/proc')
    .filter((child) => {
      try {
        const ppid = Number(readFileSync(`/proc/${child}/status`, 'latin1').match(/PPid:\s*(\d+)/)[1]);
        return ppid === pid && readFileSync(`/proc/${child}/cmdline`, 'latin1').includes(program);
      } catch {
        return false;
      }
    })
    .map(Number);

/* a failed or terminated test leaves no process behind */
const started = new Set();
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** spawn(); the process ends with the test. */
export function start(...command) {
  const child = spawn(...command);
  started.add(child);
  child.once('exit', () => started.delete(child));
  return child;
}

/** End a started process by its pid. Returns its exit status. */
export function end(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    const killer = setTimeout(() => child.kill('SIGKILL'), 15000);
    child.once('exit', (code) => {
      clearTimeout(killer);
      resolve(code);
    });
    child.kill(signal);
  });
}

/** A virtual X server with an empty screen. */
export class Desktop {
  static async start(width = 1280, height = 720) {
    const desktop = new Desktop();
    desktop.server = start(
      'Xvfb',
      ['-displayfd', '3', '-screen', '0', `${width}x${height}x24`, '-nolisten', 'tcp', '-noreset'],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true },
    );
    let text = '';
    desktop.server.stdio[3].on('data', (data) => {
      text += data;
    });
    await until(() => text.endsWith('\n'), 'Xvfb');
    desktop.display = `:${text.trim()}`;
    desktop.env = { ...process.env, DISPLAY: desktop.display };
    /* one robot for all commands: starting one costs 10 ms */
    desktop.hand = start(join(build, 'uxrec-robot'), { env: desktop.env, stdio: ['pipe', 'inherit', 'inherit'] });
    return desktop;
  }

  /** Send commands to uxrec-robot. */
  do(...commands) {
    this.hand.stdin.write(`${commands.join('\n')}\n`);
  }

  /** Fill the whole screen. */
  paint(color) {
    this.do(`background ${color}`);
  }

  async end() {
    this.hand.stdin.end();
    await end(this.hand);
    await end(this.server);
  }
}

const running = new Set();

/** Recorder options without a desktop, for tests independent of the picture: few pictures are encoded. */
export const QUIET = ['--screen', 'test', '--fps', '5', '--input', 'none', '--sound', 'none'];

/** uxrecd with its own library. */
export class Recorder {
  /**
   * @param descriptors  limit of open file descriptors, if not the default
   * @param programs     folder of uxrecd, if not this build's
   */
  static async start(options = [], env = process.env, descriptors = undefined, programs = build) {
    const recorder = new Recorder();
    recorder.programs = programs;
    recorder.folder = mkdtempSync(join(tmpdir(), 'uxrec-browser-'));
    recorder.library = join(recorder.folder, 'library');
    recorder.control = join(recorder.folder, 'control');
    recorder.study = join(recorder.folder, 'study.yaml');
    writeFileSync(recorder.study, STUDY);
    recorder.options = options;
    recorder.env = env;
    await recorder.#run(descriptors, 0);
    return recorder;
  }

  async #run(descriptors, port) {
    const recorder = this;
    recorder.output = '';
    const limit = descriptors ? ['prlimit', `--nofile=${descriptors}`] : [];
    const [program, ...before] = [...limit, join(recorder.programs, 'uxrecd')];
    recorder.child = start(
      program,
      [
        ...before,
        '--library', recorder.library, '--control', recorder.control,
        '--listen', `127.0.0.1:${port}`, '--studies', recorder.folder, ...recorder.options,
      ],
      { env: recorder.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    );
    for (const stream of [recorder.child.stdout, recorder.child.stderr])
      stream.on('data', (data) => {
        recorder.output += data;
      });
    await until(
      () => /\nlibrary http\S+\n/.test(recorder.output) || recorder.child.exitCode !== null,
      'the links of uxrecd',
    );
    recorder.links = Object.fromEntries(
      [...recorder.output.matchAll(/^(\w+) (http\S+)$/gm)].map((match) => [match[1], match[2]]),
    );
    if (!recorder.links.live) throw new Error(`uxrecd: ${recorder.output}`);
    running.add(recorder);
    recorder.port = Number(new URL(recorder.links.live).port);
  }

  /** Restart this recorder on the same library and port. @param meanwhile  called in between */
  async again(signal = 'SIGTERM', meanwhile = async () => undefined) {
    await end(this.child, signal);
    await meanwhile();
    await this.#run(undefined, this.port);
  }

  /** Run `uxrec …`; returns its output. */
  async uxrec(...command) {
    const { stdout } = await run(join(this.programs, 'uxrec'), ['--control', this.control, ...command]);
    return stdout.trim();
  }

  /** Start a session; returns its id. */
  begin(consent = 'paper', ...more) {
    return this.uxrec('start', '--study', this.study, '--participant', 'P01', '--consent', consent, ...more);
  }

  token(role) {
    return new URL(this.links[role]).hash.slice(1);
  }

  replayLink(session) {
    return `http://127.0.0.1:${this.port}/replay?session=${session}#${this.token('library')}`;
  }

  sessions() {
    return readdirSync(this.library).filter((name) => /^\d{8}-/.test(name));
  }

  /** End all recorders and proxies. */
  static async endAll() {
    for (const one of [...running]) await one.end();
  }

  /** End those left by a failed test, ignoring their status: they would block the runner. */
  static async endLeftovers() {
    for (const left of [...running]) await Promise.resolve(left.end()).catch(() => undefined);
  }

  async end(signal) {
    running.delete(this);
    const code = await end(this.child, signal);
    rmSync(this.folder, { recursive: true, force: true });
    /* sanitizers report by the exit status */
    if (code !== 0) throw new Error(`uxrecd ended with ${code}: ${this.output}`);
  }
}

/** Import a page module that needs no browser. */
export async function pageModule(name) {
  const { build: bundle } = createRequire(join(root, 'replay/web/package.json'))('esbuild');
  const { outputFiles } = await bundle({
    entryPoints: [join(root, 'replay/web/src', name)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'node18',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

/** Launch options of Debian's Chromium. @param args  additional command line arguments */
export const chromiumOptions = (args = []) => ({
  executablePath: '/usr/bin/chromium',
  args: [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', ...args,
  ],
});

export async function browse(args = []) {
  const { chromium } = await import('playwright-core');
  return chromium.launch(chromiumOptions(args));
}

/**
 * Intercept messages between a page, not open yet, and the server.
 *
 * @param page    of playwright
 * @param answer  (body of the page's message) => body of the answer given in place of the server
 * @param change  (body of the server's message): may change it
 * @param opened  (send, pack): called on connection; send() passes a record to the page as from the server, pack()
 *                makes one from a body
 */
export async function standBetween(page, { answer = () => undefined, change = () => undefined, opened = () => undefined }) {
  const { create, fromBinary, toBinary } = await import('@bufbuild/protobuf');
  const wire = await pageModule('../gen/protocol/wire_pb.ts');
  const pack = (message) => record(OPCODE_PRIVATE, Buffer.from(toBinary(wire.ServerMessageSchema, message)));
  await page.routeWebSocket(/./, (socket) => {
    const server = socket.connectToServer();
    opened(
      (data) => socket.send(data),
      (body) => pack(create(wire.ServerMessageSchema, { body })),
    );
    socket.onMessage((data) => {
      const { request, body } = fromBinary(wire.ClientMessageSchema, data.subarray(9));
      const given = answer(body);
      if (given) socket.send(pack(create(wire.ServerMessageSchema, { request, body: given })));
      else server.send(data);
    });
    server.onMessage((data) => {
      if (data[0] !== OPCODE_PRIVATE) {
        socket.send(data);
        return;
      }
      const message = fromBinary(wire.ServerMessageSchema, data.subarray(9));
      change(message.body);
      socket.send(pack(message));
    });
  });
}

/** A copy of window.uxrec.stats. */
export const stats = (page) => page.evaluate(() => ({ ...window.uxrec?.stats }));

/** Colour in the middle of the picture, "rrggbb". */
export const colorOf = (page) =>
  page.evaluate(() => {
    const canvas = document.getElementById('picture');
    const [r, g, b] = canvas
      .getContext('2d')
      .getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data;
    return [r, g, b].map((value) => value.toString(16).padStart(2, '0')).join('');
  });

/**
 * Runs in a page before its scripts: logs the times when the middle of the picture turns white, and when the begin of a
 * click is heard, by performance.now().
 */
export function watchFlashes() {
  const flashes = [];
  const clicks = [];
  window.flashesAndClicks = { flashes, clicks };
  let white = true;
  const look = (nowMs) => {
    const canvas = document.getElementById('picture');
    if (canvas?.width > 100) {
      const [red] = canvas.getContext('2d').getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data;
      if (red > 200 && !white) flashes.push(nowMs);
      white = red > 200;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  const begin = AudioBufferSourceNode.prototype.start;
  let heardMs = 0;
  AudioBufferSourceNode.prototype.start = function start(when, ...more) {
    const at = this.buffer?.getChannelData(0).findIndex((sample) => Math.abs(sample) > 0.2) ?? -1;
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    if (at >= 0) {
      const ms = performanceTime + (when + at / this.buffer.sampleRate - contextTime) * 1000;
      /* a click is 5 ms long and may be split by the end of a packet */
      if (ms - heardMs > 100) clicks.push(ms);
      heardMs = ms;
    }
    return begin.call(this, when, ...more);
  };
}

/** Delay of each click after its flash, in ms. */
export const flashOffsets = (page) =>
  page.evaluate(() => {
    const { flashes, clicks } = window.flashesAndClicks;
    return flashes
      .map((flash) => clicks.map((click) => click - flash).sort((a, b) => Math.abs(a) - Math.abs(b))[0])
      .filter((ms) => ms !== undefined && Math.abs(ms) < 500);
  });

/** Greys that remain distinguishable after coding: 0 to 31. */
export const grey = (step) => (step * 8).toString(16).padStart(2, '0').repeat(3);
export const stepOf = (color) => Math.round(Number.parseInt(color.slice(2, 4), 16) / 8);

/** Link to the recorder by way of a proxy. */
export const through = (link, { port }) => link.replace(/:\d+\//, `:${port}/`);

/** Proxy to a port that delays all data in both directions. */
export async function delay(port, ms) {
  const sockets = new Set();
  const pass = (from, to) =>
    from.on('data', (data) => setTimeout(() => to.destroyed || to.write(data), ms));
  const server = net.createServer((client) => {
    const upstream = net.connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => setTimeout(() => (client.destroy(), upstream.destroy()), ms));
    }
    pass(client, upstream);
    pass(upstream, client);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = {
    port: server.address().port,
    end: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      running.delete(proxy);
    },
  };
  running.add(proxy);
  return proxy;
}

/**
 * Proxy to a port with simulated failures: closed at once, reset, cut within a frame, cut after a period of silence, or
 * silent without a close, like a vanished machine.
 */
export async function frayedLine(port) {
  const lines = new Set();
  let isGone = false;
  let isUnplugged = false;
  const server = net.createServer((client) => {
    if (isUnplugged) {
      client.destroy();
      return;
    }
    const line = { client, upstream: net.connect(port, '127.0.0.1'), silent: isGone, deaf: false, slowMs: 0, leftBytes: Infinity };
    const drop = () => {
      lines.delete(line);
      client.destroy();
      line.upstream.destroy();
    };
    const pass = (from, to) =>
      from.on('data', (data) => {
        if (line.silent || (line.deaf && to === client)) return;
        const part = data.subarray(0, line.leftBytes);
        line.leftBytes -= part.length;
        const send = () => to.destroyed || to.write(part, () => line.leftBytes > 0 || drop());
        if (line.slowMs) setTimeout(send, line.slowMs);
        else send();
      });
    pass(client, line.upstream);
    pass(line.upstream, client);
    for (const socket of [client, line.upstream]) {
      socket.on('error', () => undefined);
      socket.on('close', () => line.silent || setTimeout(drop, line.slowMs));
    }
    line.drop = drop;
    lines.add(line);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const each = (change) => {
    for (const line of [...lines]) change(line);
    return lines.size;
  };
  const proxy = {
    port: server.address().port,
    /** Number of connections. */
    count: () => lines.size,
    cut: () => each((line) => line.drop()),
    /** Cut, and refuse connections until plugged in again. */
    unplug: () => {
      isUnplugged = true;
      each((line) => line.drop());
    },
    plug: () => (isUnplugged = false),
    /** For existing connections. */
    loseAnswers: () => each((line) => (line.deaf = true)),
    reset: () => each((line) => (line.client.resetAndDestroy(), line.drop())),
    /** Cut after this many more bytes: within a frame. */
    cutAfter: (bytes) => each((line) => (line.leftBytes = bytes)),
    slow: (ms) => each((line) => (line.slowMs = ms)),
    /** Forward nothing more, without closing. */
    silence: () => each((line) => (line.silent = true)),
    /** The same including new connections, until restored. */
    gone: (is) => {
      isGone = is;
      each((line) => (is ? (line.silent = true) : line.drop()));
    },
    end: () => {
      each((line) => line.drop());
      server.close();
      running.delete(proxy);
    },
  };
  running.add(proxy);
  return proxy;
}

/**
 * A TLS reverse proxy, as nginx in front of a recorder: keeps the Host header, strips the path prefix.
 *
 * @param prefix  of the served paths: '/' or '/something/'
 */
export async function tlsProxy(port, prefix = '/') {
  const folder = mkdtempSync(join(tmpdir(), 'uxrec-tls-'));
  await run('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=lab.example',
    '-keyout', join(folder, 'key'), '-out', join(folder, 'certificate'),
  ]);
  const sockets = new Set();
  const upstream = ({ url, method, headers }) =>
    http.request({ host: '127.0.0.1', port, path: `/${url.slice(prefix.length)}`, method, headers, agent: false });
  const server = https.createServer({ key: readFileSync(join(folder, 'key')), cert: readFileSync(join(folder, 'certificate')) });
  rmSync(folder, { recursive: true });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('request', (request, response) => {
    if (!request.url.startsWith(prefix)) {
      response.writeHead(404).end();
      return;
    }
    upstream(request)
      .on('response', (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      })
      .on('error', () => response.destroy())
      .end();
  });
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => undefined);
    upstream(request)
      .on('upgrade', (answer, other, first) => {
        const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
        socket.write(first);
        other.on('error', () => socket.destroy());
        other.pipe(socket).pipe(other);
      })
      .on('response', () => socket.destroy())
      .on('error', () => socket.destroy())
      .end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = {
    port: server.address().port,
    end: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      running.delete(proxy);
    },
  };
  running.add(proxy);
  return proxy;
}

/* ---- raw WebSocket, for behaviour no browser has ---- */

const OPCODE_PRIVATE = 0x80;

export function record(opcode, content) {
  const head = Buffer.alloc(9);
  head[0] = opcode;
  head.writeBigUInt64LE(BigInt(content.length), 1);
  return Buffer.concat([head, content]);
}

const varint = (value) => (value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value & 127) | 128]), varint(value >> 7)]));
export const field = (number, content) =>
  Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);

/** ClientMessage{hello{token}} and ClientMessage{watch_live{}} by the field numbers of wire.proto. */
export const hello = (token) => record(OPCODE_PRIVATE, field(2, field(1, Buffer.from(token))));
export const watchLive = () => record(OPCODE_PRIVATE, Buffer.concat([Buffer.from([0x08, 0x01]), field(5, Buffer.alloc(0))]));

export class RawSocket {
  /** @param headers  override those of the handshake; undefined omits one */
  static async open(port, headers = {}, path = '/') {
    const socket = new RawSocket();
    socket.messages = [];
    socket.texts = Buffer.alloc(0);
    socket.net = net.connect(port, '127.0.0.1');
    socket.net.on('error', () => undefined);
    socket.closed = new Promise((resolve) => socket.net.once('close', resolve));
    const all = {
      Host: `127.0.0.1:${port}`,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      Origin: `http://127.0.0.1:${port}`,
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Protocol': 'uxrec.v1',
      ...headers,
    };
    const lines = Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}: ${value}\r\n`);
    socket.net.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    socket.head = await new Promise((resolve) => {
      let got = Buffer.alloc(0);
      const listen = (data) => {
        got = Buffer.concat([got, data]);
        const at = got.indexOf('\r\n\r\n');
        if (at < 0) return;
        socket.net.off('data', listen);
        socket.net.on('data', (more) => socket.#take(more));
        resolve(got.subarray(0, at).toString());
        socket.#take(got.subarray(at + 4));
      };
      socket.net.on('data', listen);
      socket.net.once('close', () => resolve(got.toString()));
    });
    return socket;
  }

  get status() {
    return Number(this.head.split(' ')[1]);
  }

  #take(data) {
    this.texts = Buffer.concat([this.texts, data]);
    for (;;) {
      if (this.texts.length < 2) return;
      let length = this.texts[1] & 127;
      let at = 2;
      if (length === 126) {
        if (this.texts.length < 4) return;
        length = this.texts.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (this.texts.length < 10) return;
        length = Number(this.texts.readBigUInt64BE(2));
        at = 10;
      }
      if (this.texts.length < at + length) return;
      const first = this.texts[0];
      const payload = this.texts.subarray(at, at + length);
      this.texts = this.texts.subarray(at + length);
      this.#frame(first & 15, (first & 128) !== 0, payload);
    }
  }

  #frame(opcode, final, payload) {
    if (opcode === 8) {
      this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.closeReason = payload.subarray(2).toString();
      this.net.end();
    } else if (opcode === 9) {
      this.send(payload, 10);
    } else if (opcode < 3) {
      this.partial = this.partial ? Buffer.concat([this.partial, payload]) : Buffer.from(payload);
      if (!final) return;
      this.messages.push(this.partial);
      this.partial = undefined;
    }
  }

  /** Send one frame, masked as required of clients. */
  send(payload, opcode = 2, final = true) {
    const mask = randomBytes(4);
    const masked = Buffer.from(payload);
    for (let i = 0; i < masked.length; i++) masked[i] ^= mask[i & 3];
    let head;
    if (payload.length < 126) head = Buffer.from([0, 128 | payload.length]);
    else if (payload.length < 65536) {
      head = Buffer.alloc(4);
      head[1] = 128 | 126;
      head.writeUInt16BE(payload.length, 2);
    } else {
      head = Buffer.alloc(10);
      head[1] = 128 | 127;
      head.writeBigUInt64BE(BigInt(payload.length), 2);
    }
    head[0] = (final ? 128 : 0) | opcode;
    return this.net.write(Buffer.concat([head, mask, masked]));
  }

  /** ServerMessages received in answer to requests; field 1 is the request, omitted if 0. */
  answers() {
    return this.messages.filter((message) => message[0] === OPCODE_PRIVATE && message[9] === 0x08);
  }

  /** MCAP Message records received so far. */
  recorded() {
    return this.messages.filter((message) => message[0] === 0x05);
  }

  end() {
    this.net.destroy();
  }
}

let wireModule;

/** A client with the page's protocol, messages of wire.proto, and any request rate. */
export class Client {
  static async open(recorder, role, name, identity) {
    const { create, fromBinary, toBinary } = await import('@bufbuild/protobuf');
    wireModule ??= pageModule('../gen/protocol/wire_pb.ts');
    const wire = await wireModule;
    const client = new Client();
    client.pack = (request, body) =>
      record(OPCODE_PRIVATE, Buffer.from(toBinary(wire.ClientMessageSchema, create(wire.ClientMessageSchema, { request, body }))));
    client.unpack = (message) => fromBinary(wire.ServerMessageSchema, message.subarray(9));
    client.next = 1n;
    client.seen = 0;
    client.bodies = new Map();
    client.socket = await RawSocket.open(recorder.port);
    client.socket.send(client.pack(0n, { case: 'hello', value: { token: recorder.token(role), name, identity } }));
    let isClosed = false;
    client.socket.closed.then(() => {
      isClosed = true;
    });
    await until(() => client.socket.messages.length > 0 || isClosed, 'welcome');
    if (client.socket.messages.length === 0) throw new Error('the connection was closed before a welcome');
    return client;
  }

  /** Send a message; returns its number. */
  send(body) {
    const request = this.next++;
    this.socket.send(this.pack(request, body));
    return request;
  }

  /** Bodies received so far in answer to a request. */
  answers(request) {
    for (const message of this.socket.messages.slice(this.seen)) {
      this.seen++;
      if (message[0] !== OPCODE_PRIVATE) continue;
      const { request: answered, body } = this.unpack(message);
      this.bodies.set(answered, [...(this.bodies.get(answered) ?? []), body]);
    }
    return this.bodies.get(request) ?? [];
  }

  /** Send a message; returns its answer, the last part of a list in parts. */
  async ask(body, ms) {
    const request = this.send(body);
    const last = () => this.answers(request).find((body) => body.case !== 'progress' && !body.value.more);
    await until(last, `the answer to ${body.case}`, ms);
    return last();
  }

  end() {
    this.socket.end();
  }
}

/**
 * All Message records in the chunks of an MCAP file.
 *
 * @param decompress  from loadDecompressHandlers() of @mcap/support
 */
export function* messagesOf(file, decompress) {
  let at = 8;
  while (at + 9 <= file.length) {
    const opcode = file[at];
    const length = Number(file.readBigUInt64LE(at + 1));
    if (opcode === 0x06) {
      const named = at + 9 + 28;
      const name = file.toString('latin1', named + 4, named + 4 + file.readUInt32LE(named));
      let records = file.subarray(named + 4 + name.length + 8, at + 9 + length);
      if (name) records = Buffer.from(decompress[name](records, file.readBigUInt64LE(at + 9 + 16)));
      for (let inside = 0; inside < records.length;) {
        const size = 9 + Number(records.readBigUInt64LE(inside + 1));
        if (records[inside] === 0x05) yield records.subarray(inside, inside + size);
        inside += size;
      }
    }
    if (opcode === 0x0f) return;
    at += 9 + length;
  }
}

export const hash = (data) => createHash('sha256').update(data).digest('hex');
