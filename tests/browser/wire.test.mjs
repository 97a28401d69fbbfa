// The server against hostile clients: the site under test, garbage, stalled connections.

import assert from 'node:assert/strict';
import http from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadDecompressHandlers } from '@mcap/support';
import { Desktop, grey, field, hash, hello, messagesOf, RawSocket, record, Recorder, sleep, until, watchLive } from '../harness/pages/lab.mjs';

let desktop;
let recorder;
let session;

before(async () => {
  desktop = await Desktop.start(800, 600);
  recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  session = await recorder.begin();
});

after(async () => {
  await recorder?.end();
  await desktop?.end();
});

/** No client action may end the recording. */
async function stillRecording() {
  assert.equal(JSON.parse(await recorder.uxrec('status', '--json')).session, session);
}

const get = (path, headers = {}, method = 'GET') =>
  new Promise((resolve) => {
    const request = http.request(
      { port: recorder.port, host: '127.0.0.1', path, method, headers, agent: false },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response));
      },
    );
    request.on('error', () => resolve({ statusCode: 0 })); // closed without an answer
    request.end();
  });

test('pages are served to loopback names only, with a strict policy', async () => {
  const page = await get('/live');
  assert.equal(page.statusCode, 200);
  assert.match(page.headers['content-security-policy'], /default-src 'none'/);
  assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  assert.equal((await get('/live', { Host: 'evil.example' })).statusCode, 403);
  assert.equal((await get('/live', { Host: `evil.example:${recorder.port}` })).statusCode, 403);
  assert.equal((await get('/live', { Origin: 'http://localhost:3000' })).statusCode, 403);
  assert.equal((await get('/etc/passwd')).statusCode, 404);
  assert.notEqual((await get('/../../etc/passwd')).statusCode, 200);
  assert.notEqual((await get('/live', { Upgrade: 'h2c', Connection: 'Upgrade' })).statusCode, 200);
  assert.notEqual((await get('/live', {}, 'POST')).statusCode, 200);
  await stillRecording();
});

test('a foreign Origin or Host gets no WebSocket', async () => {
  for (const headers of [
    { Origin: 'http://localhost:3000' },
    { Origin: 'null' },
    { Origin: `https://127.0.0.1:${recorder.port}` },
    { Host: 'evil.example', Origin: 'http://evil.example' },
  ]) {
    const socket = await RawSocket.open(recorder.port, headers);
    assert.notEqual(socket.status, 101, JSON.stringify(headers));
    socket.end();
  }
  const other = await RawSocket.open(recorder.port, { 'Sec-WebSocket-Protocol': undefined });
  await Promise.race([other.closed, sleep(2000)]);
  assert.equal(other.messages.length, 0);
  other.end();
  await stillRecording();
});

test('without a valid token nothing is sent and the socket is closed with 4401', async () => {
  for (const first of [hello('0'.repeat(32)), hello(''), watchLive()]) {
    const socket = await RawSocket.open(recorder.port);
    assert.equal(socket.status, 101);
    socket.send(first);
    await socket.closed;
    assert.equal(socket.closeCode, 4401);
    assert.equal(socket.messages.length, 0);
  }
  const silent = await RawSocket.open(recorder.port);
  await Promise.race([silent.closed, sleep(9000)]);
  assert.equal(silent.closeCode, 4401);
  await stillRecording();
});

test('garbage is closed with 4400, text with 1003, a 100 MB message with 1009', async () => {
  const open = async () => {
    const socket = await RawSocket.open(recorder.port);
    socket.send(hello(recorder.token('live')));
    await until(() => socket.messages.length > 0, 'welcome');
    return socket;
  };
  for (const garbage of [Buffer.from('hello'), record(0x80, Buffer.from([0xff, 0xff])), record(0x05, Buffer.alloc(30)), Buffer.alloc(0), record(0x80, Buffer.alloc(0))]) {
    const socket = await open();
    socket.send(garbage);
    await socket.closed;
    assert.equal(socket.closeCode, 4400);
  }
  const text = await open();
  text.send(Buffer.from('hello'), 1);
  await text.closed;
  assert.equal(text.closeCode, 1003);
  const large = await open();
  const piece = Buffer.alloc(1024 * 1024);
  for (let i = 0; i < 100 && large.closeCode === undefined && !large.net.destroyed; i++) {
    if (!large.send(piece, i === 0 ? 2 : 0, i === 99)) await Promise.race([new Promise((resolve) => large.net.once('drain', resolve)), large.closed, sleep(1000)]);
  }
  await large.closed;
  assert.equal(large.closeCode, 1009);
  await stillRecording();
});

test('an observer’s link cannot stop, list or open sessions', async () => {
  const socket = await RawSocket.open(recorder.port);
  socket.send(hello(recorder.token('live')));
  /* stop is field 13, list_sessions 6 */
  for (const number of [13, 6]) socket.send(record(0x80, Buffer.from([0x08, number, (number << 3) | 2, 0])));
  await until(() => socket.answers().length === 2, 'the refusals');
  for (const message of socket.answers()) assert.match(message.toString('latin1'), /does not allow that/);
  socket.end();
  await stillRecording();
});

/* PutAct{session, act} as request 7; field numbers of wire.proto and acts.proto */
const putAct = (act) =>
  record(0x80, Buffer.concat([Buffer.from([0x08, 7]), field(11, Buffer.concat([field(1, Buffer.from(session)), field(2, act)]))]));

test('an observer’s link cannot remove the consent, whatever name it gives', async () => {
  const acts = () => readFileSync(join(recorder.library, session, 'annotations.mcap')).toString('latin1');
  const before = acts();
  /* each act's id is the first field of its message */
  const ids = [...before.matchAll(/\n ([0-9a-f]{32})/g)].map((match) => match[1]);
  assert.ok(ids.length >= 2, 'session info and consent');
  const socket = await RawSocket.open(recorder.port);
  socket.send(record(0x80, field(2, Buffer.concat([field(1, Buffer.from(recorder.token('live'))), field(2, Buffer.from('moderator'))]))));
  for (const id of ids)
    socket.send(putAct(Buffer.concat([field(1, Buffer.from(id)), Buffer.from([0x10, 3]), field(5, Buffer.from('live'))])));
  await until(() => socket.answers().length === ids.length, 'the refusals');
  for (const message of socket.answers()) assert.match(message.toString('latin1'), /tags, notes and scores only/);
  socket.end();
  assert.equal(acts(), before);
  await stillRecording();
});

test('a text that is not UTF-8, or has a 0 byte, is refused with its position and never stored', async () => {
  const socket = await RawSocket.open(recorder.port);
  socket.send(hello(recorder.token('live')));
  await until(() => socket.messages.length > 0, 'welcome');
  const log = () => readFileSync(join(recorder.library, session, 'annotations.mcap'));
  const before = log();
  for (const text of [[0x47, 0xf6, 0xdf, 0xff], [0x47, 0, 0x47]]) {
    /* Note{media_ns 1, text} */
    const note = Buffer.concat([Buffer.from([0x08, 1]), field(3, Buffer.from(text))]);
    const count = socket.answers().length;
    socket.send(
      putAct(Buffer.concat([field(1, Buffer.from('0'.repeat(32))), Buffer.from([0x10, 1]), field(5, Buffer.from('live')), Buffer.from([0x9a, 0x01, note.length]), note])),
    );
    await until(() => socket.answers().length > count, 'the refusal');
    assert.match(socket.answers().at(-1).toString('latin1'), /text: byte 2 /);
  }
  assert.ok(log().equals(before));
  assert.equal(socket.closeCode, undefined);
  socket.end();
  await stillRecording();
});

test('the messages to two observers equal those in the file, byte by byte', async () => {
  const sockets = [];
  for (let i = 0; i < 2; i++) {
    const socket = await RawSocket.open(recorder.port);
    socket.send(hello(recorder.token('live')));
    socket.send(watchLive());
    sockets.push(socket);
  }
  await until(() => sockets.every((socket) => socket.recorded().length > 0), 'the stream');
  /* pictures of more than one frame: noise is incompressible */
  for (let i = 0; i < 40; i++) {
    desktop.paint(grey(i % 32));
    desktop.do(`move ${100 + i * 10} ${100 + i * 5} 10`);
    await sleep(20);
  }
  await sleep(500);
  await recorder.uxrec('stop');
  await sleep(300);
  const file = readFileSync(join(recorder.library, session, 'recording-0001.mcap'));
  const stored = new Set();
  for (const message of messagesOf(file, await loadDecompressHandlers())) stored.add(hash(message));
  for (const socket of sockets) {
    const received = socket.recorded();
    assert.ok(received.length > 30, `${received.length} messages`);
    for (const message of received) assert.ok(stored.has(hash(message)), 'a message that is not in the file');
    socket.end();
  }
  session = await recorder.begin();
});

test('an observer that stops reading delays nobody and is not held in memory', async () => {
  const open = async () => {
    const socket = await RawSocket.open(recorder.port);
    socket.send(hello(recorder.token('live')));
    socket.send(watchLive());
    await until(() => socket.recorded().length > 0, 'the stream');
    return socket;
  };
  const stalled = await open();
  const healthy = await open();
  stalled.net.pause();
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${recorder.child.pid}/status`, 'utf8'))[1]);
  const before = memory();
  const gaps = [];
  let last = Date.now();
  healthy.net.on('data', () => {
    gaps.push(Date.now() - last);
    last = Date.now();
  });
  for (let i = 0; i < 120; i++) {
    desktop.paint((Math.imul(i + 1, 0x9e3779b1) >>> 8).toString(16).padStart(6, '0').slice(0, 6));
    await sleep(33);
  }
  assert.ok(healthy.recorded().length > 20, `${healthy.recorded().length} messages`);
  assert.ok(Math.max(...gaps) < 5000, `a gap of ${Math.max(...gaps)} ms`);
  assert.ok(memory() - before < 40_000, `${memory() - before} kB more`);
  stalled.end();
  healthy.end();
  await stillRecording();
});
