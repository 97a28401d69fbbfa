// Peers that flood requests, and large libraries: acts take precedence, peers are served in turn, memory does not grow
// with the library, and SIGTERM ends the recorder at once.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build, Client, record, Recorder, root, sleep, until } from '../../harness/pages/lab.mjs';

const OPTIONS = ['--screen', 'test', '--input', 'none', '--sound', 'none'];
/* bounds for a loaded machine; faults take tens of seconds */
const SOON_MS = 5000;
const SESSIONS = 300;
/* messages are limited to 100 a second per connection */
const PAUSE_MS = 13;

let recorder;
let session;
let filled = 1;

const log = () => join(recorder.library, session, 'annotations.mcap');
const varint = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
const time = (value) => Buffer.from(value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...time(value >> 7n)]);
/* a length-delimited field with any number and length */
const bytes = (number, content) => Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(content.length)]), content]);
const newId = () => randomBytes(16).toString('hex');
const note = (text) => ({
  case: 'putAct',
  value: {
    session,
    act: {
      id: newId(),
      kind: 1,
      layer: 'live',
      body: { case: 'note', value: { mediaNs: BigInt(Date.now()) * 1000000n, text } },
    },
  },
});

/** Store a note. @return its latency in ms */
async function timeOfNote(client) {
  const begunMs = performance.now();
  const answer = await client.ask(note('seen'), 60000);
  assert.equal(answer.case, 'actStored', answer.value.text);
  return performance.now() - begunMs;
}

async function timesOfNotes(client, count) {
  const times = [];
  for (let i = 0; i < count; i++) {
    times.push(await timeOfNote(client));
    await sleep(50);
  }
  return times.sort((a, b) => a - b);
}

/* sanitizers keep freed memory */
const plain = process.env.UXREC_BUILD === undefined || process.env.UXREC_BUILD === 'build';
const memoryKb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${recorder.child.pid}/status`, 'utf8'))[1]);

const idOf = (i) => `20251001-${String(i).padStart(6, '0')}-abcd`;

/** Grow the library to `count` sessions: one copy, the others hard links to its files. */
function fill(count) {
  const first = join(recorder.library, idOf(0));
  if (filled === 1) cpSync(join(root, 'tests/data/format-1/whole'), first, { recursive: true });
  for (; filled < count; filled++) {
    const folder = join(recorder.library, idOf(filled));
    mkdirSync(folder);
    for (const name of readdirSync(first)) linkSync(join(first, name), join(folder, name));
  }
}

before(async () => {
  recorder = await Recorder.start(OPTIONS);
  fill(SESSIONS);
  session = await recorder.begin('paper:screen');
});

after(async () => {
  await recorder?.end();
});

test('an act with unknown fields is refused, and nothing of them is stored or sent', async () => {
  const observer = await Client.open(recorder, 'live', 'Eve');
  const unknown = bytes(99, Buffer.alloc(5000, 0x55));
  const text = bytes(3, Buffer.from('kept'));
  const now = (await observer.ask({ case: 'ping', value: {} })).value.sessionNs;
  const note = Buffer.concat([Buffer.from([0x08]), time(now), text]);
  /* PutAct{session, act, unknown} of Act{id, kind, layer, note} */
  const put = (request, inside, outside) => {
    const act = Buffer.concat([
      bytes(1, Buffer.from(newId())), Buffer.from([0x10, 1]), bytes(5, Buffer.from('live')), bytes(19, inside), outside,
    ]);
    const body = Buffer.concat([bytes(1, Buffer.from(session)), bytes(2, act), unknown]);
    observer.socket.send(record(0x80, Buffer.concat([Buffer.from([0x08, request]), bytes(11, body)])));
    return until(() => observer.answers(BigInt(request)).length > 0, 'the answer');
  };
  const before = statSync(log()).size;
  await put(7, Buffer.concat([note, bytes(98, Buffer.from('UNKNOWN'))]), Buffer.alloc(0));
  await put(8, note, unknown);
  for (const [request, number] of [[7n, 98], [8n, 99]]) {
    const answer = observer.answers(request)[0];
    assert.equal(answer.case, 'failure');
    assert.equal(answer.value.code, 22);
    assert.match(answer.value.text, new RegExp(`field of the number ${number}`));
  }
  assert.equal(statSync(log()).size, before);
  await put(9, note, Buffer.alloc(0));
  assert.equal(observer.answers(9n)[0].case, 'actStored', observer.answers(9n)[0].value.text);
  assert.ok(statSync(log()).size - before < 1000, `${statSync(log()).size - before} bytes more`);
  const stored = readFileSync(log()).toString('latin1');
  assert.ok(stored.includes('kept') && !stored.includes('UNKNOWN') && !stored.includes('UUUU'));
  assert.ok(observer.socket.messages.every((message) => !message.includes('UNKNOWN')));
  observer.end();
});

test('a text that is not UTF-8, or has control characters, is refused by name and position', async () => {
  const before = readFileSync(log());
  const uxrec = (...words) => {
    const line = [join(build, 'uxrec'), '--control', recorder.control, ...words].join(' ');
    const { status, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
    return `${status} ${stderr}`;
  };
  assert.match(uxrec('tag', 's', '--note', "$'caf\\xe9'"), /^2 .*--note: byte 4 \(0xe9\) is not UTF-8/);
  assert.match(uxrec('tag', 's', '--author', "$'\\xff'"), /^2 .*--author: byte 1/);
  assert.match(uxrec('tag', "$'s\\xff'"), /^2 .*byte 2/);
  assert.match(uxrec('tag', 's', '--note', "$'red \\x1b[31m'"), /^2 .*--note: byte 5 is a control character/);
  assert.match(uxrec('start', '--study', "$'n\\xe4me'", '--participant', 'P01', '--consent', 'paper'), /^2 .*study: byte 2/);
  assert.match(uxrec('start', '--study', recorder.study, '--participant', "$'P\\xe4'", '--consent', 'paper'), /^2 .*byte 2/);
  assert.match(uxrec('task', 'start', "$'\\xe4'"), /^2 .*task: byte 1/);
  assert.match(uxrec('bleep', join(recorder.library, idOf(1)), '--from', '0', '--to', '1', '--reason', "$'\\xe4'"), /^2 .*--reason: byte 1/);
  const observer = await Client.open(recorder, 'live', 'Eve');
  const refused = await observer.ask(note('red \u001b[31m'));
  assert.equal(refused.case, 'failure');
  assert.match(refused.value.text, /text: byte 5 is a control character/);
  assert.ok(readFileSync(log()).equals(before));
  observer.end();
});

test('a study that cannot be used is listed with all its errors', async () => {
  const moderator = await Client.open(recorder, 'moderate', 'Mo');
  const bad = 'study: a\ntasks:\n  - {id: x, title: X, time_limit_s: 1:30}\n  - {id: x, title: Y}\n';
  writeFileSync(join(recorder.folder, 'bad.yaml'), bad);
  const { value } = await moderator.ask({ case: 'listStudies', value: {} });
  const lines = value.studies.find(({ name }) => name === 'bad').trouble.split('\n');
  assert.match(lines[0], /^bad\.yaml:3:37: time_limit_s: '1:30': must be a whole number/);
  assert.match(lines[1], /^bad\.yaml:4:10: task 'x' is defined twice$/);
  moderator.end();
});

test('an act is stored soon while another observer floods acts', async () => {
  const honest = await Client.open(recorder, 'live', 'Ana');
  const floods = [];
  for (let i = 0; i < 4; i++) floods.push(await Client.open(recorder, 'live', `Eve ${i}`));
  let stop = false;
  const flooded = Promise.all(
    floods.map(async (flood) => {
      while (!stop) {
        flood.send(note('x'.repeat(8000)));
        await sleep(PAUSE_MS);
      }
    }),
  );
  await sleep(1000);
  const times = await timesOfNotes(honest, 20);
  const begunMs = performance.now();
  await recorder.uxrec('tag', 's');
  const ofSocketMs = performance.now() - begunMs;
  stop = true;
  await flooded;
  assert.ok(times.at(-1) < SOON_MS, `${times.at(-1)} ms`);
  assert.ok(ofSocketMs < SOON_MS, `${ofSocketMs} ms by the control socket`);
  for (const client of [honest, ...floods]) client.end();
});

test('of lists requested faster than they are made the newest is sent, and acts and seeks take precedence', async () => {
  const reviewer = await Client.open(recorder, 'library', 'Rita');
  const other = await Client.open(recorder, 'library', 'Ron');
  const observer = await Client.open(recorder, 'live', 'Ana');
  const requests = [];
  for (let i = 0; i < 200; i++) {
    requests.push(reviewer.send({ case: 'listSessions', value: { parts: i % 2 === 0 } }));
    await sleep(PAUSE_MS);
  }
  assert.ok((await timesOfNotes(observer, 3)).at(-1) < SOON_MS);
  const begunMs = performance.now();
  const opened = await other.ask({ case: 'openSession', value: { session: idOf(7) } }, 60000);
  assert.equal(opened.case, 'sessionOpened');
  assert.ok(performance.now() - begunMs < SOON_MS, `${performance.now() - begunMs} ms`);
  const finals = (request) => reviewer.answers(request).filter(({ value }) => !value.more);
  await until(() => requests.every((request) => finals(request).length > 0), 'an answer to each');
  const last = reviewer.answers(requests.at(-1));
  assert.equal(last.flatMap(({ value }) => value.sessions ?? []).length, SESSIONS + 1);
  for (const request of requests) {
    assert.equal(finals(request).length, 1);
    if (finals(request)[0].case === 'failure') assert.equal(finals(request)[0].value.code, 125); // ECANCELED
  }
  for (const client of [reviewer, other, observer]) client.end();
});

test('a list comes in parts where requested, by begin, newest first, and its memory is freed', async () => {
  const reviewer = await Client.open(recorder, 'library', 'Rita');
  /* UXREC_LIST_SESSIONS for other measurements */
  const count = Number(process.env.UXREC_LIST_SESSIONS ?? 1000);
  fill(count);
  /* begun within 3 s of each other; the later one's local time is on the evening before */
  const zoned = [['20261121-210337-0001', 'killed'], ['20261122-040334-0001', 'whole']];
  for (const [id, name] of zoned) cpSync(join(root, 'tests/data/format-1', name), join(recorder.library, id), { recursive: true });
  const isZoned = (id) => zoned.some(([other]) => other === id);
  const before = memoryKb();
  const request = reviewer.send({ case: 'listSessions', value: { parts: true } });
  await until(() => reviewer.answers(request).some(({ value }) => !value.more), 'the last part', 120000);
  const parts = reviewer.answers(request);
  assert.ok(parts.length >= 3, `${parts.length} parts`);
  const ids = parts.flatMap(({ value }) => value.sessions.map((summary) => summary.session));
  const others = ids.filter((id) => !isZoned(id));
  assert.deepEqual(ids.filter(isZoned), zoned.map(([id]) => id));
  assert.equal(others.length, count + 1);
  assert.equal(others[0], session);
  assert.deepEqual(others, [...new Set(others)].sort().reverse());
  const whole = await reviewer.ask({ case: 'listSessions', value: {} }, 120000);
  assert.deepEqual(whole.value.sessions.map((summary) => summary.session), ids);
  await sleep(500);
  console.log(`# ${count} sessions: ${before} kB before, ${memoryKb()} kB after`);
  if (plain) assert.ok(memoryKb() - before < 40_000, `${memoryKb() - before} kB more`);
  /* an unread list waits without delaying others */
  const stalled = await Client.open(recorder, 'library', 'Sam');
  stalled.socket.net.pause();
  for (let i = 0; i < 30; i++) stalled.send({ case: 'listSessions', value: { parts: true } });
  const again = await reviewer.ask({ case: 'listSessions', value: { parts: true } }, 60000);
  assert.equal(again.case, 'sessionList');
  if (plain) assert.ok(memoryKb() - before < 60_000, `${memoryKb() - before} kB more`);
  stalled.end();
  reviewer.end();
});

test('SIGTERM ends the recorder at once, whatever is pending', async () => {
  const reviewers = [];
  for (let i = 0; i < 3; i++) reviewers.push(await Client.open(recorder, 'library', `Rita ${i}`));
  for (let i = 0; i < 60; i++)
    for (const reviewer of reviewers) {
      reviewer.send({ case: 'listSessions', value: {} });
      reviewer.send({ case: 'getMetrics', value: { sessions: [idOf(i)], layer: '' } });
      reviewer.send({ case: 'getTimeline', value: { session: idOf(i) } });
    }
  await sleep(100);
  const begunMs = performance.now();
  let endedMs;
  recorder.child.once('exit', () => {
    endedMs = performance.now();
  });
  await recorder.end();
  recorder = undefined;
  assert.ok(endedMs - begunMs < SOON_MS, `${endedMs - begunMs} ms`);
});
