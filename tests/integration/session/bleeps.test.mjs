// Sound and transcripts served by the library: bleeped spans are left out.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RawSocket, record, Recorder, sleep, until } from '../../harness/pages/lab.mjs';

let recorder;
let session;
let begin; // session time, ns

function varint(value) {
  const bytes = [];
  for (value = BigInt.asUintN(64, BigInt(value)); value > 127n; value >>= 7n) bytes.push(Number(value & 127n) | 128);
  return Buffer.from([...bytes, Number(value)]);
}
const bytes = (number, content) => Buffer.concat([varint((number << 3) | 2), varint(content.length), Buffer.from(content)]);
const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);

/* field numbers of wire.proto and acts.proto */
const READ = 8, PUT_ACT = 11, GET_TRANSCRIPT = 22, PUT_TRANSCRIPT = 23;
const FAILURE = 2, READ_DONE = 10, ACT_STORED = 13, TRANSCRIPT = 17;
const SOUND = 16, SOUND_LEVELS = 17, MONITOR = 19, MONITOR_LEVELS = 20;
const MS = 1_000_000n;

function fieldsOf(message) {
  const fields = [];
  let at = 0;
  const take = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(take());
    if ((tag & 7) === 0) fields.push([tag >> 3, take()]);
    else {
      const length = Number(take());
      fields.push([tag >> 3, message.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

let requests = 100;

/** Send a request. @return the body of its answer: [field, content] */
async function ask(socket, body, content) {
  const request = ++requests;
  socket.send(record(0x80, Buffer.concat([number(1, request), bytes(body, content)])));
  const answer = () =>
    socket.messages
      .filter((message) => message[0] === 0x80)
      .map((message) => fieldsOf(message.subarray(9)))
      .find((fields) => fields.some(([field, value]) => field === 1 && value === BigInt(request)) && fields.some(([field]) => field > 1 && field !== 16));
  return (await until(answer, `an answer to ${body}`)).find(([field]) => field > 1);
}

async function connect(link, name, identity = '') {
  const socket = await RawSocket.open(recorder.port);
  socket.send(record(0x80, bytes(2, Buffer.concat([bytes(1, recorder.token(link)), bytes(2, name), bytes(3, identity)]))));
  await until(() => socket.messages.length > 0, 'welcome');
  return socket;
}

/** Channel and time of each message in a read of the whole session. */
async function readAll(socket) {
  const from = socket.messages.length;
  const [field] = await ask(socket, READ, Buffer.concat([bytes(1, session), number(2, begin), number(3, begin + 60_000n * MS), number(4, 1)]));
  assert.equal(field, READ_DONE);
  return socket.messages
    .slice(from)
    .filter((message) => message[0] === 0x05)
    .map((message) => ({ channel: message.readUInt16LE(9), time: message.readBigUInt64LE(15) }));
}

const soundsIn = (sent, fromMs, toMs) =>
  sent.filter(({ channel, time }) => [SOUND, SOUND_LEVELS, MONITOR, MONITOR_LEVELS].includes(channel) && time >= begin + BigInt(fromMs) * MS && time < begin + BigInt(toMs) * MS).length;

const bleep = (fromMs, toMs) => bytes(22, Buffer.concat([number(1, begin + BigInt(fromMs) * MS), number(2, begin + BigInt(toMs) * MS)]));
const putAct = (socket, id, kind, layer, body = Buffer.alloc(0)) =>
  ask(socket, PUT_ACT, Buffer.concat([bytes(1, session), bytes(2, Buffer.concat([bytes(1, id), number(2, kind), bytes(5, layer), body]))]));

before(async () => {
  recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone']);
  session = await recorder.uxrec('start', '--study', recorder.study, '--participant', 'P01', '--consent', 'paper:screen,sound');
  await sleep(4000);
  await recorder.uxrec('stop');
  begin = BigInt(/"begin_ns": (\d+)/.exec(await recorder.uxrec('info', join(recorder.library, session), '--json'))[1]);
});

after(() => recorder?.end());

test('a reviewer’s bleep silences its span for everybody from the next read on, until it is removed', async () => {
  const ana = await connect('library', 'Ana');
  const bob = await connect('library', 'Bob');
  const id = randomBytes(16).toString('hex');
  const sent = await readAll(bob);
  assert.ok(soundsIn(sent, 1000, 2000) >= 40);
  assert.equal((await putAct(ana, id, 1, 'coder:Ana', bleep(1000, 2000)))[0], ACT_STORED);
  const fewer = await readAll(bob);
  assert.equal(soundsIn(fewer, 1000, 2000), 0);
  /* packets that reach into the span are left out, too; all others are unchanged */
  assert.equal(soundsIn(fewer, 974, 1000), 0);
  assert.equal(soundsIn(fewer, 2000, 4000), soundsIn(sent, 2000, 4000));
  assert.equal(soundsIn(fewer, 0, 790), soundsIn(sent, 0, 790));
  const others = (list) => list.filter(({ channel }) => channel < SOUND).length;
  assert.equal(others(fewer), others(sent));
  assert.equal((await putAct(bob, id, 3, 'coder:Ana'))[0], FAILURE);
  assert.equal(soundsIn(await readAll(bob), 1000, 2000), 0);
  assert.equal((await putAct(ana, id, 3, 'coder:Ana'))[0], ACT_STORED);
  assert.equal(soundsIn(await readAll(bob), 1000, 2000), soundsIn(sent, 1000, 2000));
  ana.end();
  bob.end();
});

/** Welcome.principal of a connection. */
const principalOf = (socket) => {
  const welcome = fieldsOf(socket.messages[0].subarray(9)).find(([number]) => number === 4)[1];
  return fieldsOf(welcome).find(([number]) => number === 6)[1].toString();
};

test('a bleep belongs to the principal who made it, not to the name', async () => {
  const identity = randomBytes(16).toString('hex');
  const ana = await connect('library', 'Reviewer', identity);
  const other = await connect('library', 'Reviewer', randomBytes(16).toString('hex'));
  const renamed = await connect('library', 'Ana', identity);
  assert.match(principalOf(ana), /^[0-9a-f]{32}$/);
  assert.equal(principalOf(renamed), principalOf(ana));
  assert.notEqual(principalOf(other), principalOf(ana));
  assert.notEqual(principalOf(ana), identity);
  /* without an identity the principal is of link and name; no identity gives that one, not even the link's key */
  const plain = await connect('library', 'Reviewer');
  const again = await connect('library', 'Reviewer');
  const key = await connect('library', 'Reviewer', recorder.token('library'));
  assert.equal(principalOf(plain), principalOf(again));
  assert.equal(new Set([ana, other, plain, key].map(principalOf)).size, 4);
  const id = randomBytes(16).toString('hex');
  const [field, stored] = await putAct(ana, id, 1, 'coder:Reviewer', Buffer.concat([bleep(3000, 3100), bytes(8, 'f'.repeat(32)), bytes(31, 'f'.repeat(32))]));
  assert.equal(field, ACT_STORED);
  const act = new Map(fieldsOf(fieldsOf(stored).find(([number]) => number === 2)[1]));
  assert.equal(act.get(8).toString(), principalOf(ana));
  assert.equal(act.get(31).toString(), principalOf(ana));
  assert.equal((await putAct(other, id, 3, 'coder:Reviewer'))[0], FAILURE);
  assert.equal((await putAct(plain, id, 3, 'coder:Reviewer'))[0], FAILURE);
  assert.equal((await putAct(renamed, id, 3, 'coder:Ana'))[0], ACT_STORED);
  assert.doesNotMatch(recorder.output, new RegExp(identity));
  const wrong = await RawSocket.open(recorder.port);
  wrong.send(record(0x80, bytes(2, Buffer.concat([bytes(1, recorder.token('library')), bytes(3, 'Z'.repeat(32))]))));
  await wrong.closed;
  assert.equal(wrong.messages.length, 0);
  for (const socket of [ana, other, renamed, plain, again, key]) socket.end();
});

test('a bleep that reaches over the end of the session is refused with the length of the session', async () => {
  const socket = await connect('library', 'Ana');
  for (const [from, to] of [[100_000, 110_000], [1000, 110_000], [-5000, 1000]]) {
    const [field, answer] = await putAct(socket, randomBytes(16).toString('hex'), 1, 'coder:Ana', bleep(from, to));
    assert.equal(field, FAILURE);
    assert.match(answer.toString('latin1'), /the session, which is \d\.\d{3} s long/);
  }
  assert.equal(await recorder.uxrec('bleep', join(recorder.library, session)), '');
  socket.end();
});

test('the moderator bleeps by a command, and the open library applies it', async () => {
  const socket = await connect('library', 'Ana');
  assert.ok(soundsIn(await readAll(socket), 2000, 3000) >= 40);
  const [id] = (await recorder.uxrec('bleep', join(recorder.library, session), '--from', '2', '--to', '3')).split(' ');
  assert.equal(soundsIn(await readAll(socket), 2000, 3000), 0);
  /* a reviewer may not remove the moderator's bleep */
  assert.equal((await putAct(socket, id, 3, 'coder:moderator'))[0], FAILURE);
  await recorder.uxrec('bleep', join(recorder.library, session), '--remove', id);
  assert.ok(soundsIn(await readAll(socket), 2000, 3000) >= 40);
  socket.end();
});

const cuesOf = (transcript) =>
  fieldsOf(transcript).map(([, cue]) => Object.fromEntries(fieldsOf(cue).map(([field, value]) => [['', 'from', 'to', 'speaker', 'text'][field], field > 2 ? value.toString() : Number((value - begin) / MS)])));

test('a transcript is put, given with its bleeps, and taken away', async () => {
  const socket = await connect('library', 'Ana');
  const get = () => ask(socket, GET_TRANSCRIPT, bytes(1, session));
  const put = (vtt) => ask(socket, PUT_TRANSCRIPT, Buffer.concat([bytes(1, session), bytes(2, vtt)]));
  let [field, answer] = await get();
  assert.equal(field, TRANSCRIPT);
  assert.equal(answer.length, 0);
  [field, answer] = await put('WEBVTT\n\n00:00.500 --> 00:00.900\n<v Ana>one\n\n00:01.000 --> 00:01.200\nM&amp;M\n');
  assert.equal(field, TRANSCRIPT);
  const whole = [{ from: 500, to: 900, speaker: 'Ana', text: 'one' }, { from: 1000, to: 1200, text: 'M&M' }];
  assert.deepEqual(cuesOf(answer), whole);
  const id = randomBytes(16).toString('hex');
  assert.equal((await putAct(socket, id, 1, 'coder:Ana', bleep(1100, 1150)))[0], ACT_STORED);
  assert.deepEqual(cuesOf((await get())[1]), [whole[0], { ...whole[1], text: '[bleeped]' }]);
  assert.equal((await putAct(socket, id, 3, 'coder:Ana'))[0], ACT_STORED);
  /* an invalid transcript changes nothing, and its words are in no log */
  [field, answer] = await put('WEBVTT\n\n00:00.500\nsecret word\n');
  assert.equal(field, FAILURE);
  assert.match(answer.toString('latin1'), /line 3/);
  assert.doesNotMatch(recorder.output, /secret/);
  assert.deepEqual(cuesOf((await get())[1]), whole);
  [field, answer] = await put('');
  assert.equal(field, TRANSCRIPT);
  assert.equal(answer.length, 0);
  assert.ok(!existsSync(join(recorder.library, session, 'transcript.vtt')));
  socket.end();
});

test('an observer gets no transcript and puts none, and makes no bleep', async () => {
  const socket = await connect('live', 'Ana');
  for (const [body, content] of [
    [GET_TRANSCRIPT, bytes(1, session)],
    [PUT_TRANSCRIPT, Buffer.concat([bytes(1, session), bytes(2, 'WEBVTT\n')])],
  ])
    assert.equal((await ask(socket, body, content))[0], FAILURE);
  assert.equal((await putAct(socket, randomBytes(16).toString('hex'), 1, 'live', bleep(1000, 2000)))[0], FAILURE);
  socket.end();
});

test('when consent was withdrawn no transcript is attached', async () => {
  const socket = await connect('moderate', 'moderator');
  const consent = bytes(16, Buffer.concat([number(1, 2), number(8, 1)]));
  assert.equal((await putAct(socket, randomBytes(16).toString('hex'), 1, 'live', consent))[0], ACT_STORED);
  const [field, answer] = await ask(socket, PUT_TRANSCRIPT, Buffer.concat([bytes(1, session), bytes(2, 'WEBVTT\n')]));
  assert.equal(field, FAILURE);
  assert.match(answer.toString('latin1'), /withdrawn/);
  const vtt = join(recorder.folder, 'said.vtt');
  writeFileSync(vtt, 'WEBVTT\n');
  await assert.rejects(recorder.uxrec('transcript', join(recorder.library, session), '--attach', vtt), /withdrawn/);
  await assert.rejects(recorder.uxrec('transcribe', join(recorder.library, session), '--with', 'true'), /withdrawn/);
  socket.end();
});
