// The course of a session by command: reading, interruptions, phases, and how the last task ended.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { build, end, Recorder, sleep, start, until } from '../harness/lab.mjs';

const run = promisify(execFile);
const QUIET = ['--screen', 'none', '--input', 'none', '--sound', 'tone'];

after(() => Recorder.endLeftovers());

/** Expect the command to be refused; gives its message. */
async function refused(recorder, ...command) {
  const error = await recorder.uxrec(...command).then(
    () => assert.fail(`uxrec ${command.join(' ')} was not refused`),
    (refusal) => refusal,
  );
  assert.notEqual(error.code, 0);
  return error.stderr;
}

const status = async (recorder) => JSON.parse(await recorder.uxrec('status', '--json'));

/** The acts of a session as they were appended. */
async function acts(recorder, session) {
  const file = join(recorder.library, session, 'recording-0001.mcap');
  const lines = (await run(join(build, 'uxrec'), ['dump', file, '--channel', '/acts', '--json'])).stdout;
  return lines.trim().split('\n').map((line) => JSON.parse(line).message);
}

const metrics = async (recorder, session) =>
  JSON.parse((await run(join(build, 'uxrec'), ['metrics', join(recorder.library, session), '--json'])).stdout);

test('a stop while a task is running asks for its outcome', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  await recorder.uxrec('task', 'start', 'find');
  const text = await refused(recorder, 'stop');
  assert.match(text, /'find' is running.*--outcome/);
  assert.equal((await status(recorder)).state, 'recording');
  assert.match(await refused(recorder, 'stop', '--outcome', 'won'), /completed, completed_with_assist, failed/);
  assert.match(await refused(recorder, 'stop', '--outcome', 'completed', '--failure', 'time_limit'), /failed alone/);
  await recorder.uxrec('stop', '--outcome', 'failed', '--failure', 'time-limit');
  assert.equal((await status(recorder)).state, 'idle');
  const [attempt] = (await metrics(recorder, session)).attempts;
  assert.equal(attempt.outcome, 'failed');
  await recorder.end();
});

test('the task clock counts as metrics do: pauses and interruptions that overlap count once, reading does not', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  assert.match(await refused(recorder, 'task', 'ready'), /no task is running/);
  await recorder.uxrec('phase', 'warm-up');
  await recorder.uxrec('task', 'start', 'find');
  await sleep(500);
  await recorder.uxrec('task', 'ready');
  assert.match(await refused(recorder, 'task', 'ready'), /ready already/);
  await recorder.uxrec('interruption', 'begin', 'technical', '--note', 'fire alarm');
  assert.match(await refused(recorder, 'interruption', 'begin'), /is running/);
  await recorder.uxrec('pause');
  await sleep(1000);
  await recorder.uxrec('interruption', 'end');
  assert.match(await refused(recorder, 'interruption', 'end'), /no interruption/);
  await sleep(500);
  const paused = await status(recorder);
  assert.equal(paused.attempt_clock_stopped, true);
  await recorder.uxrec('resume');
  await recorder.uxrec('interruption', 'begin', '--keeps-clock');
  const keeping = await status(recorder);
  assert.ok(!keeping.attempt_clock_stopped && keeping.interruption_keeps_clock);
  assert.match(await recorder.uxrec('status'), /phase: warm_up.*\n.*task: find.*\n.*interruption: of no stated kind.*goes on/);
  await recorder.uxrec('phase', 'post-task');
  assert.match(await refused(recorder, 'phase', 'lunch'), /intro, warm_up, task, post_task, debrief, break/);
  const before = await status(recorder);
  await recorder.uxrec('stop', '--outcome', 'completed');
  const [attempt] = (await metrics(recorder, session)).attempts;
  const all = await acts(recorder, session);
  const bodies = (name) => all.filter((act) => act[name]).map((act) => act[name]);
  const last = bodies('attempt').at(-1);
  /* what the command printed a moment before the end is what the metrics have, but for that moment */
  const shown = before.attempt_time_ns / 1e9;
  const rest = (last.liveEndNs - before.now_ns) / 1e9;
  assert.ok(Math.abs(attempt.time_s - shown - rest) < 0.01, `${attempt.time_s} s, shown ${shown} s and ${rest} s more`);
  assert.ok(last.liveBeginNs - last.readingNs >= 0.5e9);
  const [interruption] = bodies('interruption').filter((one) => one.toNs && one.stopsClock);
  assert.deepEqual([interruption.kind, interruption.note], ['KIND_TECHNICAL', 'fire alarm']);
  assert.ok((last.liveEndNs - last.liveBeginNs) / 1e9 - attempt.time_s >= 1.5);
  /* what was running ends with the session, or where the next begins */
  const phases = bodies('phase').filter((one) => one.toNs);
  assert.deepEqual(phases.map((one) => one.kind), ['KIND_WARM_UP', 'KIND_POST_TASK']);
  assert.equal(bodies('phase').filter((one) => one.kind === 'KIND_POST_TASK')[0].fromNs, phases[0].toNs);
  assert.equal(bodies('interruption').filter((one) => one.toNs).length, 2);
  await recorder.end();
});

test('a recorder that ends by a signal leaves the outcome unspecified, and everything that was running ended', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('interruption', 'begin');
  assert.equal(await end(recorder.child), 0);
  const all = await acts(recorder, session);
  const attempt = all.filter((act) => act.attempt).at(-1).attempt;
  assert.ok(attempt.liveEndNs && !attempt.outcome);
  assert.ok(all.filter((act) => act.interruption).at(-1).interruption.toNs);
  await recorder.end();
});

test('a recorder that is killed in a pause goes on with the task, its pauses and its interruption', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('task', 'ready');
  await recorder.uxrec('interruption', 'begin');
  await recorder.uxrec('pause');
  await sleep(600);
  const before = await status(recorder);
  await end(recorder.child, 'SIGKILL');
  let output = '';
  const again = start(join(build, 'uxrecd'), [
    '--library', recorder.library, '--control', recorder.control, '--listen', '127.0.0.1:0', ...QUIET,
  ]);
  for (const stream of [again.stdout, again.stderr]) stream.on('data', (data) => { output += data; });
  await until(() => /\nlibrary http/.test(output), () => `the recorder: ${output}`);
  const now = await status(recorder);
  assert.equal(now.state, 'paused');
  assert.equal(now.interruption, before.interruption);
  assert.equal(now.attempt_reading_ns, before.attempt_reading_ns);
  assert.ok(Math.abs(now.attempt_time_ns - before.attempt_time_ns) < 50e6, `${now.attempt_time_ns} ns, ${before.attempt_time_ns} before`);
  await recorder.uxrec('resume');
  await recorder.uxrec('interruption', 'end');
  const shown = await status(recorder);
  await recorder.uxrec('stop', '--outcome', 'completed');
  const [attempt] = (await metrics(recorder, session)).attempts;
  const more = attempt.time_s - shown.attempt_time_ns / 1e9;
  assert.ok(more >= -0.01 && more < (attempt.end_ns - shown.now_ns) / 1e9 + 0.01, `${more} s more than what was shown`);
  assert.equal(await end(again), 0);
});
