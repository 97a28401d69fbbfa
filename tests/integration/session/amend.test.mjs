// Corrections by command, and deletion of a session.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { build, Client, Recorder } from '../../harness/pages/lab.mjs';

const run = promisify(execFile);

let recorder;
let folder;
let session;

before(async () => {
  recorder = await Recorder.start(['--screen', 'none', '--input', 'none', '--sound', 'tone']);
  session = await recorder.begin('paper:sound');
  folder = join(recorder.library, session);
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('tag', 's', '--note', 'first');
  await recorder.uxrec('interruption', 'begin');
  await recorder.uxrec('interruption', 'end');
  await recorder.uxrec('stop', '--outcome', 'completed');
});

after(async () => {
  await recorder?.end();
});

const uxrec = async (...command) => (await run(join(build, 'uxrec'), command)).stdout;
const things = async (thing) =>
  JSON.parse(await uxrec('amend', folder, '--json')).filter((one) => !thing || one.thing === thing);

/** Run a command that must be refused. @return its exit status and message */
async function refused(...command) {
  const error = await run(join(build, 'uxrec'), command).then(
    () => assert.fail(`uxrec ${command.join(' ')} was not refused`),
    (refusal) => refusal,
  );
  return `${error.code} ${error.stderr}`;
}

test('things are listed with ids, and each is corrected by its own options', async () => {
  const [attempt] = await things('attempt');
  const [tag] = await things('tag');
  const [interruption] = await things('interruption');
  const list = await uxrec('amend', folder);
  assert.match(list, new RegExp(`${attempt.id} +attempt .*find \\(1\\), completed`));
  await uxrec('amend', folder, attempt.id, '--outcome', 'failed', '--failure', 'time_limit', '--begin', '0.01', '--who', 'Ana');
  await uxrec('amend', folder, tag.id, '--code', 'm', '--impact', '3', '--opportunity', 'menu', '--recovered', 'no', '--at', '0.02');
  await uxrec('amend', folder, tag.id, '--note', 'the wrong field');
  await uxrec('amend', folder, interruption.id, '--kind', 'external', '--stops-clock', 'no', '--note', 'fire alarm');
  const [corrected] = await things('attempt');
  assert.deepEqual([corrected.outcome, corrected.failure], ['failed', 'time_limit']);
  assert.ok(corrected.begin_ns > 0 && corrected.begin_ns < corrected.live_begin_ns);
  assert.equal(corrected.live_begin_ns, attempt.live_begin_ns);
  const [moved] = await things('tag');
  assert.deepEqual(
    [moved.code, moved.impact, moved.opportunity, moved.recovery, moved.note],
    ['mistake', 'major', 'menu', 'not_recovered', 'the wrong field'],
  );
  assert.ok(moved.media_ns < tag.media_ns);
  const [alarm] = await things('interruption');
  assert.deepEqual([alarm.kind, alarm.note], ['external', 'fire alarm']);
  assert.ok(!alarm.stops_clock);
  /* a new outcome clears the kind of failure; 'none' removes corrected times */
  await uxrec('amend', folder, attempt.id, '--outcome', 'completed', '--begin', 'none');
  const [again] = await things('attempt');
  assert.ok(again.outcome === 'completed' && again.failure !== 'time_limit' && !again.begin_ns);
  const metrics = JSON.parse(await uxrec('metrics', folder, '--json'));
  assert.equal(metrics.attempts[0].outcome, 'completed');
  await uxrec('amend', folder, interruption.id, '--remove');
  assert.equal((await things('interruption')).length, 0);
});

test('the session itself: participant, segment, condition, pilot, exclusion, think-aloud, place, site', async () => {
  await uxrec(
    'amend', folder, '--participant', 'P07', '--segment', 'novice', '--condition', 'B', '--pilot', 'yes',
    '--think-aloud', 'concurrent', '--place', 'own-device', '--site', 'remote',
  );
  await uxrec('amend', folder, '--excluded', 'yes', '--reason', 'the prototype broke');
  const [info] = await things('session');
  assert.deepEqual(
    [info.participants, info.segment, info.condition, info.pilot, info.excluded, info.excluded_reason],
    [['P07'], 'novice', 'B', true, true, 'the prototype broke'],
  );
  assert.deepEqual([info.thinking, info.place, info.site], ['concurrent', 'own_device', 'remote']);
  /* acts with the participant's old label carry the new one */
  assert.equal((await things('attempt'))[0].participant, 'P07');
  assert.match(await uxrec('list', '--library', recorder.library), /P07/);
  await uxrec('amend', folder, '--excluded', 'no', '--pilot', 'no');
});

test('invalid corrections are refused with the allowed values, and change nothing', async () => {
  const before = readFileSync(join(folder, 'annotations.mcap'));
  const [attempt] = await things('attempt');
  const [tag] = await things('tag');
  assert.match(await refused('amend', folder, attempt.id, '--outcome', 'won'), /^2 .*completed, completed_with_assist, failed/);
  assert.match(await refused('amend', folder, attempt.id, '--impact', '2'), /^2 .*--impact is not a field of the attempt; its fields: --outcome/);
  assert.match(await refused('amend', folder, tag.id, '--impact', '5'), /^2 .*0 to 4/);
  assert.match(await refused('amend', folder, tag.id, '--code', 'nothing'), /^2 .*one of slip, mistake/);
  assert.match(await refused('amend', folder, tag.id, '--opportunity', 'o9'), /^2 .*none, menu/);
  assert.match(await refused('amend', folder, tag.id, '--at', '1:00:00'), /^2 .*after the end/);
  assert.match(await refused('amend', folder, attempt.id, '--failure', 'time_limit'), /^2 .*only with the outcome failed/);
  assert.match(await refused('amend', folder, '--excluded', 'yes', '--reason', ''), /^2 .*reason/);
  assert.match(await refused('amend', folder, '--participant', '../x'), /^2 /);
  assert.match(await refused('amend', folder, '0'.repeat(32), '--note', 'x'), /^1 .*lists the ids/);
  assert.match(await refused('amend', folder, '--remove'), /^2 /);
  /* an end before its begin */
  assert.notEqual(await refused('amend', folder, attempt.id, '--begin', '0.03', '--end', '0.02'), '');
  assert.deepEqual(readFileSync(join(folder, 'annotations.mcap')), before);
});

test('a session is deleted by command with --yes, and by the moderator with its participant’s label', async () => {
  const running = await recorder.begin('paper:sound');
  assert.match(await refused('delete', join(recorder.library, running), '--yes'), /^3 .*being recorded/);
  const moderator = await Client.open(recorder, 'moderate', 'Ana');
  const reviewer = await Client.open(recorder, 'library', 'Ben');
  const ask = async (client, id, label) =>
    (await client.ask({ case: 'deleteSession', value: { session: id, label } })).value;
  assert.match((await ask(moderator, running, 'P01')).text, /being recorded/);
  await recorder.uxrec('stop');
  assert.equal((await ask(reviewer, running, 'P01')).code, 13);
  assert.match((await ask(moderator, running, 'P02')).text, /not the participant/);
  assert.match((await ask(moderator, '../..', 'P01')).text, /./);
  /* while a reviewer has it open */
  await reviewer.ask({ case: 'openSession', value: { session: running } });
  assert.equal((await ask(moderator, running, 'P01')).session, running);
  assert.ok(!existsSync(join(recorder.library, running)));
  assert.equal((await reviewer.ask({ case: 'openSession', value: { session: running } })).value.code, 2);
  moderator.end();
  reviewer.end();
  /* by command: needs --yes, deletes sessions only, follows no symbolic link */
  assert.match(await refused('delete', folder), /^2 .*--yes/);
  const other = join(recorder.folder, 'films');
  mkdirSync(other);
  writeFileSync(join(other, 'film.mp4'), 'x');
  assert.match(await refused('delete', other, '--yes'), /^2 .*not a session name/);
  symlinkSync(other, join(folder, 'link'));
  assert.match(await uxrec('delete', `${folder}/`, '--yes'), /deleted: \d+ files/);
  assert.ok(!existsSync(folder) && existsSync(join(other, 'film.mp4')));
});
