// Attacks on the server from the same machine without a key, and by the holder of one link on the others.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Client, field, hello, RawSocket, record, Recorder, sleep, until, watchLive } from '../../harness/pages/lab.mjs';

let recorder;
let session;

before(async () => {
  recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'none']);
  session = await recorder.begin();
});

after(() => recorder?.end());

async function stillRecording() {
  assert.equal(JSON.parse(await recorder.uxrec('status', '--json')).session, session);
}

/* HEAD_NS of daemon/net/server_places.c */
const HEAD_MS = 5000;

const ours = (line, ...headers) =>
  [line, `Host: 127.0.0.1:${recorder.port}`, ...headers, '', ''].join('\r\n');

/** Send pieces in order. @return all data until the server closes, or undefined when it does not */
async function converse(pieces, { pauseMs = 1, end = false } = {}) {
  const socket = net.connect(recorder.port, '127.0.0.1');
  let text = '';
  let closed = false;
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('close', () => {
    closed = true;
  });
  socket.on('end', () => {
    closed = true;
  });
  for (const piece of pieces) {
    if (closed) break;
    socket.write(piece);
    if (pieces.length > 1) await sleep(pauseMs);
  }
  if (end) socket.end();
  await until(() => closed, 'the server to close', 10000).catch(() => undefined);
  socket.destroy();
  return closed ? text : undefined;
}

const answers = (text) => (text.match(/HTTP\/1\.1 \d+ /g) ?? []).map((line) => Number(line.slice(9, 12)));

test('nothing but a browser’s handshake gets a 101, and nothing gets HTTP/2', async () => {
  const key = ['Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: uxrec.v1'];
  const settings = 'HTTP2-Settings: AAMAAABkAAQAAP__';
  const frames = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
  const upgrades = ['foo', 'h2c', 'H2C', 'h2', 'WebSocket', 'WEBSOCKET', 'websocket, foo', 'foo, websocket', 'websocket h2c', 'websocket\t,h2c', '""', 'TLS/1.0', ',', 'x'.repeat(5000)];
  const requests = [
    ...upgrades.map((upgrade) => ours('GET / HTTP/1.1', 'Connection: Upgrade, HTTP2-Settings', `Upgrade: ${upgrade}`, settings, ...key)),
    ours('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: h2c', settings, ...key),
    ours('GET / HTTP/1.1', 'Connection: close', 'Upgrade: foo'),
    ours('GET / HTTP/1.1', 'Connection: keep-alive', 'Upgrade: foo'),
    ours('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', ...key.slice(1)),
    ours('POST / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', ...key),
    ours('POST / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: h2c', settings, 'Content-Length: 0'),
    ours('GET / HTTP/1.0', 'Connection: Upgrade', 'Upgrade: websocket', ...key),
    ours('GET / HTTP/1.0', 'Connection: Upgrade', 'Upgrade: foo'),
    ours('CONNECT a:1 HTTP/1.1'),
    frames,
    `GET / HTTP/1.1\r\nHost: evil.example\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n`,
    `\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03${'\0'.repeat(300)}`,
  ];
  const get = ours('GET /icon.svg HTTP/1.1');
  const ways = [
    (request) => [request],
    (request) => [get, request],
    (request) => [get + request],
    (request) => [request + request],
    (request) => [request, frames],
    (request) => [...request.slice(0, 600)].concat(request.slice(600)),
  ];
  for (const way of ways)
    await Promise.all(
      requests.map(async (request) => {
        const begun = performance.now();
        const text = await converse(way(request).map((piece) => Buffer.from(piece, 'latin1')));
        const name = JSON.stringify(way(request).join('|').slice(0, 300));
        assert.notEqual(text, undefined, `not closed: ${name}`);
        const codes = answers(text);
        /* on a busy machine a head sent byte by byte may exceed its timeout */
        if (codes.length === 0 && performance.now() - begun > HEAD_MS) return;
        assert.ok(codes.length > 0 && codes.at(-1) >= 400 && codes.slice(0, -1).every((code) => code === 200), `${codes}: ${name}`);
      }),
    );
  await stillRecording();
});

test('a refused request’s body is not read as the next request', async () => {
  const inner = ours('GET /live HTTP/1.1');
  for (const [code, request] of [
    [405, ours('POST /live HTTP/1.1', `Content-Length: ${inner.length}`)],
    [405, ours('PUT /live HTTP/1.1', 'Transfer-Encoding: chunked')],
    [200, ours('GET /icon.svg HTTP/1.1', `Content-Length: ${inner.length}`)],
    [200, ours('GET /icon.svg HTTP/1.1', 'Transfer-Encoding: chunked')],
    [404, ours('GET /nothing HTTP/1.1')],
    [405, ours('HEAD /live HTTP/1.1')],
    [403, `GET /live HTTP/1.1\r\nHost: evil.example\r\n\r\n`],
    [403, ours('GET /live HTTP/1.1', 'Origin: https://evil.example')],
    [400, ours('GET /live HTTP/1.1', 'Host: evil.example')],
  ])
    for (const pieces of [[request + inner], [request, inner]]) {
      const text = await converse(pieces, { pauseMs: 100 });
      assert.deepEqual(answers(text ?? ''), [code], request);
      for (const header of [/content-security-policy: default-src 'none'.*frame-ancestors 'none'/, /x-content-type-options: nosniff/, /referrer-policy: no-referrer/, /cache-control: no-/, /connection: close/])
        assert.match(text, header);
    }
  const text = await converse([ours('GET /icon.svg HTTP/1.1') + ours('GET /live HTTP/1.1', 'Connection: close')]);
  assert.deepEqual(answers(text), [200, 200]);
});

test('32 kB of cookies are accepted, more are answered with 431', async () => {
  const cookies = (bytes) => Array.from({ length: 8 }, (_, i) => `Cookie: c${i}=${'x'.repeat(bytes / 8)}`);
  for (const [kB, code] of [[6, 200], [32, 200], [40, 431], [200, 431], [4000, 431]]) {
    const request = ours('GET /icon.svg HTTP/1.1', 'Connection: close', ...cookies(kB * 1000));
    assert.deepEqual(answers((await converse([request])) ?? ''), [code], `${kB} kB`);
    assert.deepEqual(answers((await converse(request.match(/[^]{1,9999}/g))) ?? ''), [code], `${kB} kB in pieces`);
  }
  const socket = await RawSocket.open(recorder.port, { Cookie: 'x'.repeat(30000) });
  assert.equal(socket.status, 101);
  socket.end();
});

/** Keep `count` connections that send `first` and no more, reopening closed ones. @return a function that ends them */
function occupy(count, first) {
  const sockets = new Set();
  let on = true;
  const open = () => {
    if (!on) return;
    const socket = net.connect(recorder.port, '127.0.0.1', () => first && socket.write(first));
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      setTimeout(open, 20);
    });
  };
  for (let i = 0; i < count; i++) open();
  return async () => {
    on = false;
    for (const socket of sockets) socket.destroy();
    await sleep(100);
  };
}

async function join(role, { wait = true } = {}) {
  const socket = await RawSocket.open(recorder.port);
  socket.send(hello(recorder.token(role)));
  if (wait) await until(() => socket.messages.length > 0, `the welcome (${socket.status}, ${socket.closeCode})`);
  return socket;
}

/** Join during a flood by this process: retries, as a page does. */
async function joinAtLast(role) {
  for (let i = 0; ; i++) {
    const socket = await RawSocket.open(recorder.port).catch(() => undefined);
    if (socket?.status === 101) {
      socket.send(hello(recorder.token(role)));
      await until(() => socket.messages.length > 0, 'the welcome', 3000).catch(() => undefined);
      if (socket.messages.length > 0) return socket;
    }
    socket?.end();
    assert.ok(i < 10, `${role} does not get in`);
  }
}

const descriptors = () => readdirSync(`/proc/${recorder.child.pid}/fd`).length;

test('connections without a key keep out neither observers nor the moderator', async () => {
  const handshake = ours('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: uxrec.v1');
  /* baseline: duration on this machine without a flood */
  const alone = Date.now();
  for (const role of ['live', 'moderate', 'library']) (await joinAtLast(role)).end();
  await recorder.uxrec('pause');
  await recorder.uxrec('resume');
  const usualMs = Date.now() - alone;
  for (const [name, first] of [['idle', ''], ['half a request', 'GET /live HTT'], ['WebSockets without hello', handshake]]) {
    const leave = occupy(300, first);
    try {
      await sleep(300);
      const begun = Date.now();
      /* this process makes the flood, too, and its own request may time out: retry, as a browser does */
      let page;
      for (let i = 0; i < 10 && answers(page ?? '')[0] !== 200; i++)
        page = await converse([ours('GET /live HTTP/1.1', 'Connection: close')]);
      assert.deepEqual(answers(page ?? ''), [200], name);
      for (const role of ['live', 'moderate', 'library']) (await joinAtLast(role)).end();
      await recorder.uxrec('pause');
      await recorder.uxrec('resume');
      assert.ok(Date.now() - begun < 20000 + 10 * usualMs, `${name}: ${Date.now() - begun} ms, without it ${usualMs} ms`);
      assert.ok(descriptors() < 300, `${name}: ${descriptors()} descriptors`);
    } finally {
      await leave();
    }
  }
  await stillRecording();
});

test('more connections than descriptors end neither the commands nor a session’s begin', async () => {
  const few = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'none'], process.env, 200);
  const sockets = Array.from({ length: 400 }, () => net.connect(few.port, '127.0.0.1').on('error', () => undefined));
  const controls = Array.from({ length: 200 }, () => net.connect(few.control).on('error', () => undefined));
  await sleep(500);
  await few.begin();
  await few.uxrec('tag', 'slip');
  await few.uxrec('stop');
  for (const socket of [...sockets, ...controls]) socket.destroy();
  await few.end();
});

test('one link’s connections keep out neither another link’s nor an observer who is there', async () => {
  const ping = record(0x80, Buffer.concat([Buffer.from([0x08, 1]), field(3, Buffer.alloc(0))]));
  const there = await join('live');
  const pinger = setInterval(() => there.send(ping), 500);
  const crowd = [];
  const more = async (count) => {
    crowd.push(...(await Promise.all(Array.from({ length: count }, async (_, i) => {
      await sleep(i * 15);
      return join('live', { wait: false });
    }))));
  };
  await more(230);
  for (const role of ['moderate', 'library', 'live']) (await join(role)).end();
  /* on a busy machine some of them sent their hello too late */
  await until(async () => {
    if (crowd.filter((socket) => socket.closeCode === 1013).length > 20) return true;
    if (crowd.length < 1000) await more(20);
    return false;
  }, 'the oldest to go');
  assert.equal(there.closeCode, undefined);
  assert.ok(descriptors() < 512, `${descriptors()} descriptors`);
  clearInterval(pinger);
  for (const socket of [there, ...crowd]) socket.end();
  await stillRecording();
});

test('every frame counts: floods of pings, pongs and empty fragments are closed with 1008', async () => {
  for (const [name, first, flood] of [
    ['pings', undefined, [Buffer.alloc(100), 9, true]],
    ['pongs', undefined, [Buffer.alloc(0), 10, true]],
    ['empty fragments', [Buffer.alloc(0), 2, false], [Buffer.alloc(0), 0, false]],
  ]) {
    const socket = await join('live');
    if (first) socket.send(...first);
    for (let i = 0; i < 2000 && socket.closeCode === undefined; i++) {
      socket.send(...flood);
      if (i % 100 === 0) await sleep(1);
    }
    await Promise.race([socket.closed, sleep(5000)]);
    assert.equal(socket.closeCode, 1008, name);
  }
});

test('frames that RFC 6455 forbids close the connection with 1002, large ones before they come with 1009', async () => {
  for (const [code, bytes] of [
    [1002, [0x82, 0x01, 0x00]],
    [1002, [0xc2, 0x81, 0, 0, 0, 0, 0]],
    [1002, [0x83, 0x81, 0, 0, 0, 0, 0]],
    [1002, [0x80, 0x81, 0, 0, 0, 0, 0]],
    [1002, [0x09, 0x80, 0, 0, 0, 0]],
    [1002, [0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [1009, [0x82, 0x80 | 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]],
    [1003, [0x81, 0x81, 0, 0, 0, 0, 0x41]],
    [1000, [0x88, 0x80, 0, 0, 0, 0]],
  ]) {
    const socket = await join('live');
    socket.net.write(Buffer.from(bytes));
    await Promise.race([socket.closed, sleep(5000)]);
    assert.equal(socket.closeCode, code, bytes.join(' '));
  }
  /* the limit of messages before a hello is small */
  const silent = await RawSocket.open(recorder.port);
  silent.net.write(Buffer.from([0x82, 0x80 | 126, 0x10, 0, 0, 0, 0, 0]));
  await Promise.race([silent.closed, sleep(4000)]);
  assert.equal(silent.closeCode, 1009);
  /* a ping within a fragmented message is answered, also when its bytes come one at a time */
  const socket = await join('live');
  const pong = until(() => socket.pongs?.length, 'the pong');
  socket.net.removeAllListeners('data');
  socket.pongs = [];
  socket.net.on('data', (data) => data[0] === 0x8a && socket.pongs.push(data));
  for (const byte of [0x02, 0x81, 0, 0, 0, 0, 1, 0x89, 0x82, 0, 0, 0, 0, 7, 8]) {
    socket.net.write(Buffer.from([byte]));
    await sleep(2);
  }
  await pong;
  assert.deepEqual([...socket.pongs[0]], [0x8a, 2, 7, 8]);
  socket.end();
});

test('refused requests are one line of the log and a count', async () => {
  const before = recorder.output.length;
  const foreign = ours('GET / HTTP/1.1', 'Origin: http://evil.example', 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: uxrec.v1');
  for (let i = 0; i < 20; i++) {
    const all = await Promise.all(Array.from({ length: 10 }, () => converse([foreign])));
    for (const text of all) assert.deepEqual(answers(text), [403]);
  }
  const lines = () => recorder.output.slice(before).split('\n').filter((line) => /elsewhere|refused/.test(line));
  await until(() => lines().length > 0, 'a line, or a count when there was one a moment ago');
  await sleep(300);
  assert.ok(lines().length <= 4, lines().join('\n'));
});

test('unread data is bounded for all connections together, and the newest answer replaces older ones', async () => {
  const writer = await Client.open(recorder, 'moderate', 'Mo');
  for (let i = 0; i < 150; i++) {
    const note = { mediaNs: BigInt(Date.now()) * 1000000n, text: 'x'.repeat(8000) };
    const act = { id: i.toString(16).padStart(32, '0'), kind: 1, layer: 'live', body: { case: 'note', value: note } };
    assert.equal((await writer.ask({ case: 'putAct', value: { session, act } })).case, 'actStored');
    await sleep(10);
  }
  writer.end();
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${recorder.child.pid}/status`, 'utf8'))[1]);
  const begun = memory();
  const stalled = await Promise.all(Array.from({ length: 10 }, () => join('live')));
  for (const socket of stalled) socket.net.pause();
  let peak = 0;
  for (let i = 0; i < 40; i++) {
    for (const socket of stalled) socket.send(watchLive());
    await sleep(50);
    peak = Math.max(peak, memory() - begun);
  }
  await sleep(500);
  peak = Math.max(peak, memory() - begun);
  assert.ok(peak < 150_000, `${peak} kB more`);
  await stillRecording();
  for (const socket of stalled) socket.end();
});
