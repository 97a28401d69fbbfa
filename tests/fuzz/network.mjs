// Conversations over HTTP and WebSockets, broken at random, end to end. UXREC_FUZZ_SECONDS=60, UXREC_FUZZ_SEED=1.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { field, hello, record, Recorder, sleep, watchLive } from '../harness/pages/lab.mjs';

const SECONDS = Number(process.env.UXREC_FUZZ_SECONDS ?? 60);
const SEED = Number(process.env.UXREC_FUZZ_SEED ?? randomBytes(4).readUInt32LE());

let recorder;

before(async () => {
  recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'none']);
  await recorder.begin();
});

after(() => Recorder.endLeftovers());

/* mulberry32 */
let state = SEED;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}
const below = (limit) => Math.floor(random() * limit);
const one = (list) => list[below(list.length)];
const maybe = (chance, value) => (random() < chance ? [value] : []);
const bytes = (size) => Buffer.from(Array.from({ length: size }, () => below(256)));

function request() {
  const upgrade = one(['websocket', 'websocket', 'h2c', 'foo', 'WebSocket', 'websocket, foo', '', 'x'.repeat(below(300))]);
  const lines = [
    `${one(['GET', 'GET', 'GET', 'POST', 'HEAD', 'CONNECT', 'PRI', 'get', ''])} ${one(['/', '/live', '/app.js', '*', '//', '/%00', '/..', `/?${'a=b&'.repeat(below(500))}`])} ${one(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.10', ''])}`,
    ...maybe(0.9, `Host: ${one([`127.0.0.1:${recorder.port}`, 'localhost', 'evil.example', '[::1]', '[', ''])}`),
    ...maybe(0.3, `Origin: ${one([`http://127.0.0.1:${recorder.port}`, 'null', 'http://evil.example', 'https://'])}`),
    ...maybe(0.5, `Upgrade: ${upgrade}`),
    ...maybe(0.1, `Upgrade: ${upgrade}`),
    ...maybe(0.5, `Connection: ${one(['Upgrade', 'close', 'keep-alive', 'keep-alive, Upgrade', 'Upgrade, HTTP2-Settings'])}`),
    ...maybe(0.4, 'HTTP2-Settings: AAMAAABkAAQAAP__'),
    ...maybe(0.6, `Sec-WebSocket-Key: ${one(['AAAAAAAAAAAAAAAAAAAAAA==', 'short', 'x'.repeat(below(60))])}`),
    ...maybe(0.6, `Sec-WebSocket-Version: ${one(['13', '13', '8', '99999999999'])}`),
    ...maybe(0.6, `Sec-WebSocket-Protocol: ${one(['uxrec.v1', 'a, uxrec.v1', ',', ''])}`),
    ...maybe(0.2, 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'),
    ...maybe(0.2, `Content-Length: ${one(['0', '5', '-1', '99999999999999999999'])}`),
    ...maybe(0.1, 'Transfer-Encoding: chunked'),
    ...maybe(0.1, `Cookie: ${'c'.repeat(below(40000))}`),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

const handshake = () =>
  Buffer.from(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${recorder.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: uxrec.v1\r\n\r\n`);

function frame(payload, opcode = 2, final = true) {
  const mask = bytes(4);
  const head = [(final ? 128 : 0) | opcode];
  if (payload.length < 126) head.push(128 | payload.length);
  else head.push(128 | 126, payload.length >> 8, payload.length & 255);
  return Buffer.concat([Buffer.from(head), mask, payload.map((byte, i) => byte ^ mask[i & 3])]);
}

const message = () => {
  const number = 2 + below(49);
  return record(0x80, Buffer.concat([Buffer.from([0x08, below(128)]), field(number, one([Buffer.alloc(0), bytes(below(40)), field(1, Buffer.from(one(['', '20260101-000000-abcd', '../..']))), Buffer.alloc(below(3000))]))]));
};

function websocket() {
  const parts = [handshake()];
  if (random() < 0.8) parts.push(frame(hello(recorder.token(one(['live', 'library', 'moderate'])))));
  for (let i = below(8); i >= 0; i--)
    parts.push(
      one([
        () => frame(message()),
        () => frame(watchLive()),
        () => frame(bytes(below(60))),
        () => frame(bytes(below(126)), one([8, 9, 10])),
        () => frame(message(), 2, false),
        () => frame(bytes(below(60)), 0, random() < 0.5),
        () => frame(bytes(below(60)), 1),
        () => bytes(below(40)),
      ])(),
    );
  return parts;
}

/* cut, flip, repeat, leave out */
function broken(parts) {
  const all = [];
  for (const part of parts) {
    const chance = random();
    if (chance < 0.1 && part.length) {
      const copy = Buffer.from(part);
      for (let i = below(4); i >= 0; i--) copy[below(copy.length)] = below(256);
      all.push(copy);
    } else if (chance < 0.15) all.push(part.subarray(0, below(part.length + 1)));
    else if (chance < 0.2) all.push(part, part);
    else if (chance > 0.05) all.push(part);
  }
  const whole = Buffer.concat(all);
  if (random() < 0.5) return [whole];
  const pieces = [];
  for (let at = 0; at < whole.length;) {
    const size = 1 + below(random() < 0.2 ? 5 : 2000);
    pieces.push(whole.subarray(at, at + size));
    at += size;
  }
  return pieces.slice(0, 60);
}

function converse() {
  const h2 = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x05\x01\x05\0\0\0\x03\x82\x84\x86', 'latin1');
  const parts = one([() => [request()], () => [request(), request()], () => [request(), h2], websocket, websocket, () => [request(), ...websocket()]])();
  const pieces = broken(parts);
  const reads = random() < 0.9;
  const lastMs = below(60);
  return new Promise((resolve) => {
    const socket = net.connect(recorder.port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', resolve);
    if (reads) socket.resume();
    let next = 0;
    const send = () => {
      if (socket.destroyed) return;
      if (next < pieces.length) {
        socket.write(pieces[next++]);
        setImmediate(send);
      } else setTimeout(() => (random() < 0.5 ? socket.destroy() : socket.resetAndDestroy()), lastMs);
    };
    send();
  });
}

test(`conversations over the network break nothing (seed ${SEED})`, { timeout: (SECONDS + 120) * 1000 }, async (t) => {
  const end = Date.now() + SECONDS * 1000;
  let count = 0;
  const lane = async () => {
    while (Date.now() < end && recorder.child.exitCode === null) {
      await converse();
      count++;
      if (count % 50 === 0) await sleep(1);
    }
  };
  await Promise.all(Array.from({ length: 12 }, lane));
  t.diagnostic(`${count} conversations`);
  assert.equal(recorder.child.exitCode, null, recorder.output);
  await recorder.uxrec('status');
  await recorder.end(); // sanitizer findings end it with a status
  assert.doesNotMatch(recorder.output, /ERROR: AddressSanitizer|runtime error/);
});
