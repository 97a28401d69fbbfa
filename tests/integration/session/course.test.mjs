// Course of a session by command: reading, interruptions, phases, and the outcome of the last task.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { build, end, Recorder, sleep, start, until } from '../../harness/pages/lab.mjs';

const run = promisify(execFile);
const QUIET = ['--screen', 'none', '--input', 'none', '--sound', 'tone'];

after(() => Recorder.endLeftovers());

/** Run a command that must be refused. @return its message */
async function refused(recorder, ...command) {
  const error = await recorder.uxrec(...command).then(
    () => assert.fail(`uxrec ${command.join(' ')} was not refused`),
    (refusal) => refusal,
  );
  assert.notEqual(error.code, 0);
  return error.stderr;
}

const status = async (recorder) => JSON.parse(await recorder.uxrec('status', '--json'));

/** Current acts of one kind in a session's course: attempts, interruptions, phases. */
const things = async (recorder, session, thing) =>
  JSON.parse((await run(join(build, 'uxrec'), ['amend', join(recorder.library, session), '--json'])).stdout).filter(
    (one) => one.thing === thing,
  );

const metrics = async (recorder, session) =>
  JSON.parse((await run(join(build, 'uxrec'), ['metrics', join(recorder.library, session), '--json'])).stdout);

test('a stop while a task is running asks for its outcome', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  await recorder.uxrec('task', 'start', 'find');
  /* a begin corrected while its task runs stays corrected after the end */
  const folder = join(recorder.library, session);
  const [{ id }] = await things(recorder, session, 'attempt');
  await run(join(build, 'uxrec'), ['amend', folder, id, '--begin', '0.001']);
  const text = await refused(recorder, 'stop');
  assert.match(text, /'find' is running.*--outcome/);
  assert.equal((await status(recorder)).state, 'recording');
  assert.match(await refused(recorder, 'stop', '--outcome', 'won'), /completed, completed_with_assist, failed/);
  assert.match(await refused(recorder, 'stop', '--outcome', 'completed', '--failure', 'time_limit'), /only with the outcome failed/);
  await recorder.uxrec('stop', '--outcome', 'failed', '--failure', 'time-limit');
  assert.equal((await status(recorder)).state, 'idle');
  const [attempt] = (await metrics(recorder, session)).attempts;
  assert.equal(attempt.outcome, 'failed');
  const [corrected] = await things(recorder, session, 'attempt');
  assert.ok(corrected.begin_ns > 0 && corrected.begin_ns < corrected.live_begin_ns && corrected.live_end_ns > 0);
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
  assert.match(await refused(recorder, 'task', 'ready'), /already ready/);
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
  assert.match(await recorder.uxrec('status'), /phase: warm_up.*\n.*task: find.*\n.*interruption: kind not stated.*runs on/);
  await recorder.uxrec('phase', 'post-task');
  assert.match(await refused(recorder, 'phase', 'lunch'), /intro, warm_up, task, post_task, debrief, break/);
  const before = await status(recorder);
  await recorder.uxrec('stop', '--outcome', 'completed');
  const [attempt] = (await metrics(recorder, session)).attempts;
  const [last] = await things(recorder, session, 'attempt');
  /* the metrics' time is the one printed shortly before the end, plus the remainder */
  const shown = before.attempt_time_ns / 1e9;
  const rest = (last.live_end_ns - before.now_ns) / 1e9;
  assert.ok(Math.abs(attempt.time_s - shown - rest) < 0.01, `${attempt.time_s} s, shown ${shown} s and ${rest} s more`);
  assert.ok(last.live_begin_ns - last.reading_ns >= 0.5e9);
  const interruptions = await things(recorder, session, 'interruption');
  assert.deepEqual([interruptions[0].kind, interruptions[0].note], ['technical', 'fire alarm']);
  assert.ok((last.live_end_ns - last.live_begin_ns) / 1e9 - attempt.time_s >= 1.5);
  /* a running phase or interruption ends with the session, or at the begin of the next */
  const phases = await things(recorder, session, 'phase');
  assert.deepEqual(phases.map((one) => one.kind), ['warm_up', 'post_task']);
  assert.equal(phases[1].from_ns, phases[0].to_ns);
  assert.ok([...phases, ...interruptions].every((one) => one.to_ns > one.from_ns));
  await recorder.end();
});

test('a recorder that ends by a signal leaves the outcome unspecified, and everything that was running ended', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:sound');
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('interruption', 'begin');
  assert.equal(await end(recorder.child), 0);
  const [attempt] = await things(recorder, session, 'attempt');
  assert.ok(attempt.live_end_ns > 0 && attempt.outcome === 'unspecified');
  assert.ok((await things(recorder, session, 'interruption'))[0].to_ns > 0);
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
