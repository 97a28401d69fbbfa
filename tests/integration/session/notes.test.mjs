// Notes in pauses and after the end of a session: permissions and times.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { build, Client, Recorder, sleep } from '../../harness/pages/lab.mjs';

const run = promisify(execFile);
const QUIET = ['--screen', 'none', '--input', 'none', '--sound', 'tone'];
const ADD = 1, CHANGE = 2, REMOVE = 3;

after(() => Recorder.endLeftovers());

const newId = () => randomBytes(16).toString('hex');
const status = async (client) => (await client.ask({ case: 'getStatus', value: {} })).value;
const watch = async (client) => (await client.ask({ case: 'watchLive', value: {} })).value;

/** Send an observer's act about a session. @return its id, and "" when it is stored, else the reason */
async function put(client, session, kind, body, id = newId()) {
  const answer = await client.ask({ case: 'putAct', value: { session, act: { id, kind, layer: 'live', body } } });
  return { id, reason: answer.case === 'failure' ? answer.value.text : '' };
}

const note = (mediaNs, text, pressNs = 0n) => ({ case: 'note', value: { mediaNs, pressNs, text } });
const tag = (mediaNs) => ({ case: 'tag', value: { code: 'mistake', mediaNs } });
const observer = (recorder, name) => Client.open(recorder, 'live', name, newId());

/** Acts of one kind in a session, as served to reviewers. */
async function actsOf(recorder, session, kind) {
  const judge = await Client.open(recorder, 'library', 'Judge');
  const { value } = await judge.ask({ case: 'openSession', value: { session } });
  judge.end();
  return value.acts.filter(({ body }) => body.case === kind).map(({ body }) => body.value);
}

test('in a pause a note is stored with its time in the pause, and a tag is refused with the reason', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  const ana = await observer(recorder, 'Ana');
  const moderator = await Client.open(recorder, 'moderate', 'moderator');
  await watch(ana);
  const before = (await status(ana)).nowNs;
  assert.equal((await put(ana, session, ADD, note(before, 'of two\nlines'))).reason, '');
  await sleep(100);
  await recorder.uxrec('pause');
  await sleep(1200);
  const { nowNs } = await status(ana);
  assert.equal((await put(ana, session, ADD, note(nowNs, 'in the pause', nowNs))).reason, '');
  assert.equal((await put(moderator, session, ADD, note(nowNs, 'the moderator too', nowNs))).reason, '');
  for (const client of [ana, moderator])
    assert.match((await put(client, session, ADD, tag(nowNs))).reason, /paused, and a tag needs a moment of the recording: write a note/);
  await assert.rejects(recorder.uxrec('tag', 'mistake'), /paused/);
  /* a tag in flight when the pause began marks a moment of the recording; so does its correction */
  const { id, reason } = await put(ana, session, ADD, tag(before));
  assert.equal(reason, '');
  assert.equal((await put(ana, session, CHANGE, { case: 'tag', value: { code: 'slip', mediaNs: before } }, id)).reason, '');
  await recorder.uxrec('resume');
  await sleep(300);
  assert.equal((await put(ana, session, ADD, tag((await status(ana)).nowNs))).reason, '');
  await recorder.uxrec('stop');
  const notes = await actsOf(recorder, session, 'note');
  assert.deepEqual(
    notes.map(({ text, mediaNs }) => [text, mediaNs]),
    [['of two\nlines', before], ['in the pause', nowNs], ['the moderator too', nowNs]],
  );
  /* plain lists show a note on one line, JSON keeps its lines */
  const amend = async (...more) => (await run(join(build, 'uxrec'), ['amend', join(recorder.library, session), ...more])).stdout;
  assert.match(await amend(), /\d  of two lines  \[Ana/);
  assert.ok(JSON.parse(await amend('--json')).some(({ text }) => text === 'of two\nlines'));
  assert.deepEqual((await actsOf(recorder, session, 'tag')).map(({ code }) => code), ['slip', 'mistake']);
  /* the recording has the notes of the pause, but no sound of it */
  const dump = async (topic, ...more) =>
    (await run(join(build, 'uxrec'), ['dump', join(recorder.library, session), '--json', '--channel', topic, ...more])).stdout;
  assert.ok((await dump('/acts')).includes('in the pause'));
  const gaps = (await dump('/gaps')).split('\n').filter(Boolean).map((line) => JSON.parse(line).message);
  const gap = gaps.find(({ reason }) => reason === 'REASON_PAUSE');
  const pauseS = Number(BigInt(gap.toNs) - BigInt(gap.fromNs)) / 1e9;
  assert.ok(BigInt(gap.fromNs) < nowNs && nowNs < BigInt(gap.toNs) && pauseS > 1.2, `${pauseS} s`);
  const heard = (await dump('/sound/levels')).split('\n').filter(Boolean).map((line) => JSON.parse(line).logTime);
  const [from, to] = [Number(gap.fromNs) + 0.1e9, Number(gap.toNs) - 0.3e9]; // a level covers 0.2 s
  assert.ok(heard.length > 0 && heard.every((at) => at < from || at > to));
  ana.end();
  moderator.end();
  await recorder.end();
});

test('after the end observers who watched add, change and remove notes of theirs, and nothing else', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  const ana = await observer(recorder, 'Ana');
  await watch(ana);
  const mark = await put(ana, session, ADD, tag((await status(ana)).nowNs));
  assert.equal(mark.reason, '');
  const early = await observer(recorder, 'Ben'); // never watches
  await recorder.uxrec('stop');
  const ended = await watch(ana);
  assert.ok(ended.lastSession === session && ended.lastParticipant === 'P01' && ended.lastWatched);
  assert.ok(ended.lastNotesMs > 240_000 && ended.lastNotesMs <= 300_000, String(ended.lastNotesMs));
  assert.ok(!(await watch(early)).lastWatched);
  const { id, reason } = await put(ana, session, ADD, note(ended.lastEndNs, 'after the end'));
  assert.equal(reason, '');
  assert.equal((await put(ana, session, CHANGE, note(ended.lastEndNs, 'corrected'), id)).reason, '');
  const gone = await put(ana, session, ADD, note(ended.lastEndNs, 'not meant'));
  assert.equal((await put(ana, session, REMOVE, { case: undefined }, gone.id)).reason, '');
  assert.match((await put(ana, session, ADD, tag(ended.lastEndNs))).reason, /only notes are allowed/);
  assert.match((await put(ana, session, CHANGE, tag(ended.lastEndNs), mark.id)).reason, /only notes are allowed/);
  assert.match((await put(ana, session, REMOVE, { case: undefined }, mark.id)).reason, /only notes are allowed/);
  assert.match((await put(early, session, ADD, note(ended.lastEndNs, 'from outside'))).reason, /5 minutes .* those who watched it/);
  /* also while the next session runs: each note goes to its own session */
  const next = await recorder.uxrec('start', '--study', recorder.study, '--participant', 'P02', '--consent', 'paper:sound');
  const running = await watch(ana);
  assert.ok(running.session === next && running.lastSession === session && running.lastWatched && running.lastNotesMs > 0);
  assert.equal((await put(ana, session, ADD, note(ended.lastEndNs, 'meanwhile'))).reason, '');
  assert.equal((await put(ana, next, ADD, note(running.nowNs, 'about the next'))).reason, '');
  await recorder.uxrec('stop');
  assert.deepEqual((await actsOf(recorder, session, 'note')).map(({ text }) => text), ['corrected', 'meanwhile']);
  assert.deepEqual((await actsOf(recorder, session, 'tag')).length, 1);
  assert.deepEqual((await actsOf(recorder, next, 'note')).map(({ text }) => text), ['about the next']);
  ana.end();
  early.end();
  await recorder.end();
});
