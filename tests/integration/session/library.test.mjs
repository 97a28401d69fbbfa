// Libraries with many sessions, a session that is being recorded, and its exports.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { Client, Recorder, build, end, root, sleep, start, until } from '../../harness/pages/lab.mjs';

const run = promisify(execFile);
const uxrec = join(build, 'uxrec');
const plain = process.env.UXREC_BUILD === undefined || process.env.UXREC_BUILD === 'build';
const folder = mkdtempSync(join(tmpdir(), 'uxrec-library-'));

after(async () => {
  await Recorder.endLeftovers();
  rmSync(folder, { recursive: true, force: true });
});

/* a library of one session under many names */
function makeLibrary(name, count) {
  const library = join(folder, name);
  const source = join(root, 'tests/data/format-1/whole');

  mkdirSync(library);
  /* one copy: hard links do not cross file systems */
  const first = join(library, '20261101-000000-0000');
  mkdirSync(first);
  for (const file of ['recording-0001.mcap', 'annotations.mcap'])
    writeFileSync(join(first, file), readFileSync(join(source, file)));
  for (let i = 1; i < count; i++) {
    const session = join(library, `20261101-000000-${i.toString(16).padStart(4, '0')}`);
    mkdirSync(session);
    for (const file of ['recording-0001.mcap', 'annotations.mcap']) linkSync(join(first, file), join(session, file));
  }
  return library;
}

/* peak memory of a program in kB, and its output */
async function listed(...command) {
  const child = start(uxrec, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let most = 0;

  for await (const piece of child.stdout) {
    text += piece;
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
      most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      /* it has just exited */
    }
  }
  return { text, most };
}

test('a library is listed in memory that does not grow with it', async (t) => {
  const library = makeLibrary('many', 3000);
  const few = await listed('list', '--library', makeLibrary('few', 30), '--json');
  const many = await listed('list', '--library', library, '--json');

  assert.equal(JSON.parse(few.text).length, 30);
  assert.equal(JSON.parse(many.text).length, 3000);
  t.diagnostic(`30 sessions: ${few.most} kB, 3000: ${many.most} kB`);
  if (plain) assert.ok(many.most <= 40 * 1024, `${many.most} kB`);
  assert.deepEqual(JSON.parse((await listed('list', '--library', makeLibrary('none', 1), '--json')).text).length, 1);
});

test('sessions are listed by their begin and not by the local time in their names, and times of day have their zone', async () => {
  const library = join(folder, 'zones');

  mkdirSync(library);
  /* `killed` began 3 s after `whole`, in a time zone further west */
  cpSync(join(root, 'tests/data/format-1/whole'), join(library, '20261122-040334-0001'), { recursive: true });
  cpSync(join(root, 'tests/data/format-1/killed'), join(library, '20261121-210337-0001'), { recursive: true });
  const listed = JSON.parse((await run(uxrec, ['list', '--library', library, '--json'])).stdout);
  assert.deepEqual(listed.map((one) => one.session), ['20261121-210337-0001', '20261122-040334-0001']);
  assert.ok(listed[0].begin_ns > listed[1].begin_ns);
  const printed = async (zone, ...command) => (await run(uxrec, command, { env: { ...process.env, TZ: zone } })).stdout;
  const path = join(library, '20261122-040334-0001');
  assert.match(await printed('UTC', 'info', path), /^begun +2026-11-22 02:03:34 \+00:00$/m);
  assert.match(await printed('NST3:30', 'info', path), /^begun +2026-11-21 22:33:34 -03:30$/m);
  assert.match(await printed('CEST-2', 'list', '--library', library), /2026-11-22 04:03:34 \+02:00/);
});

test('after a kill the session that began last goes on, also when clocks were put back since the one before', async () => {
  const library = join(folder, 'clocks');
  const options = ['--screen', 'test', '--input', 'none', '--sound', 'none', '--library', library];
  const begin = async (zone) => {
    const recorder = await Recorder.start(options, { ...process.env, TZ: zone });
    return [recorder, await recorder.begin('paper:screen')];
  };
  const [summer, before] = await begin('CEST-2');
  await summer.uxrec('stop');
  await summer.end();
  const [winter, session] = await begin('CET-1');
  assert.ok(session < before);
  await sleep(1500);
  winter.child.kill('SIGKILL');
  await until(() => winter.child.signalCode !== null, 'the end of uxrecd');
  const next = await Recorder.start(options, { ...process.env, TZ: 'CET-1' });
  assert.match(await next.uxrec('status'), new RegExp(`recording session ${session}`));
  await next.uxrec('stop');
  await next.end();
  rmSync(winter.folder, { recursive: true, force: true });
});

test('names are equal whatever their white space and composition, and are printed as they are', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'none']);
  const sessions = [];

  writeFileSync(recorder.study, 'study: "Pru\u0308fung 発注"\ntasks:\n  - {id: find, title: Rechnung für März}\n');
  for (const participant of ['Zoë', ' Zoe\u0308\u00a0', 'Zoé']) {
    const command = ['start', '--study', recorder.study, '--participant', participant, '--consent', 'paper'];
    sessions.push(await recorder.uxrec(...command));
    await recorder.uxrec('task', 'start', 'find');
    assert.match(await recorder.uxrec('status'), /study 'Prüfung 発注', participant 'Zo[ëé]'/);
    await recorder.uxrec('task', 'end', 'completed');
    await recorder.uxrec('stop');
  }
  await assert.rejects(
    recorder.uxrec('start', '--study', recorder.study, '--participant', 'P\u200b01', '--consent', 'paper'),
    /invisible/,
  );
  const rows = JSON.parse(await recorder.uxrec('list', '--library', recorder.library, '--json'));
  assert.deepEqual(rows.map((row) => row.participants[0]).sort(), ['Zoé', 'Zoë', 'Zoë'].sort());
  assert.ok(rows.every((row) => row.study === 'Prüfung 発注'));
  const list = async (locale) =>
    (await run(uxrec, ['list', '--library', recorder.library], { env: { ...process.env, LC_ALL: locale } })).stdout;
  const [head, row] = (await list('C.UTF-8')).split('\n');
  /* two wide letters: the following columns stay aligned with their heads */
  assert.match(row, /Zo[ëé] +Prüfung 発注 +/);
  assert.equal(row.indexOf('whole'), head.indexOf('HEALTH') - 2);
  assert.match(await list('C'), /Zo\? +Pr\?fung \?\? /);
  const metrics = await recorder.uxrec('metrics', ...sessions.map((session) => join(recorder.library, session)));
  assert.match(metrics, /study Prüfung 発注/);
  assert.match(metrics, /Rechnung für März/);
  assert.match(await recorder.uxrec('info', join(recorder.library, sessions[0])), /^participant +Zoë$/m);
  await recorder.end();
});

test('numbers of any number of sessions take the descriptors of one', async () => {
  const library = makeLibrary('numbers', 600);
  const paths = readdirSync(library).map((name) => join(library, name));
  const { stdout } = await run('bash', ['-c', 'ulimit -n 40; exec "$@"', 'bash', uxrec, 'metrics', '--json', ...paths], {
    maxBuffer: 1 << 28,
  });

  assert.ok(JSON.parse(stdout).tasks.length > 0);
});

const healthOf = async (recorder, session) =>
  JSON.parse(await recorder.uxrec('list', '--library', recorder.library, '--json')).find((one) => one.session === session)
    .health;

const modeOf = (path) => (statSync(path).mode & 0o777).toString(8);

test('a running session is listed as recording, a killed one as unfinished, and exports are private', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone:200']);
  const session = await recorder.begin('paper:screen,sound');
  const path = join(recorder.library, session);
  const limits = readFileSync(`/proc/${recorder.child.pid}/limits`, 'latin1');
  const [, soft, hard] = /Max open files\s+(\d+)\s+(\d+)/.exec(limits);

  assert.equal(Number(soft), Math.min(Number(hard), 65536));
  assert.equal(await healthOf(recorder, session), 'recording');
  assert.equal(await healthOf(recorder, session), 'recording', 'asking leaves the lock to the recorder');
  await sleep(2500);
  recorder.child.kill('SIGKILL');
  await until(() => recorder.child.signalCode !== null, 'the end of uxrecd');
  assert.equal(await healthOf(recorder, session), 'unfinished');

  /* an external program has the limits that uxrec was started with */
  const recogniser = join(recorder.folder, 'recogniser');
  writeFileSync(
    recogniser,
    '#!/bin/bash\nprintf "WEBVTT\\n\\n00:00.000 --> 00:01.000\\nlimit %s\\n" "$(ulimit -Sn)"\n',
  );
  chmodSync(recogniser, 0o755);
  await run('bash', ['-c', 'ulimit -Sn 300; exec "$@"', 'bash', uxrec, 'transcribe', path, '--with', recogniser]);
  assert.match(await recorder.uxrec('transcript', path), /limit 300/);

  const out = (name) => join(recorder.folder, name);
  const commands = [
    ['export', path, '--to', 'mkv', '--vtt', 'transcript', '-o', out('film.mkv')],
    ['export', path, '--to', 'mp4', '-o', out('film.mp4')],
    ['export', path, '--to', 'wav', '-o', out('sound.wav')],
    ['export', path, '--to', 'png', '--every', '1', '-o', out('pictures')],
    ['transcript', path, '--export', out('words.vtt')],
    ['cut', path, '--from', '0', '--to', '1', '-o', out('part.mcap')],
    ['recover', path, '-o', out('whole.mcap')],
  ];

  /* some moment has a picture, also if the machine stalled at another */
  let png;
  for (const at of ['1', '0.3', '1.7', '2.3']) {
    const export_ = ['export', path, '--to', 'png', '--at', at, '-o', out('one.png')];
    png ||= await run('bash', ['-c', 'umask 0; exec "$@"', 'bash', uxrec, ...export_]).catch(() => null);
  }
  for (const command of commands) await run('bash', ['-c', 'umask 0; exec "$@"', 'bash', uxrec, ...command]);
  for (const name of ['film.mkv', 'film.vtt', 'film.mp4', 'sound.wav', 'one.png', 'words.vtt', 'part.mcap', 'whole.mcap'])
    assert.equal(modeOf(out(name)), '600', name);
  assert.equal(modeOf(out('pictures')), '700');
  for (const name of readdirSync(out('pictures'))) assert.equal(modeOf(join(out('pictures'), name)), '600', name);
  await end(recorder.child);
  rmSync(recorder.folder, { recursive: true, force: true });
});

test('a user is one reviewer in all replays, whatever the port', async () => {
  const library = makeLibrary('replays', 1);
  const principals = [];
  for (const identity of ['11'.repeat(16), '22'.repeat(16)]) {
    const player = start(join(build, 'uxrec-play'), [library], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    player.stdout.on('data', (data) => (output += data));
    await until(() => output.includes('\n'), 'the link');
    const [, port, key] = /:(\d+)\/library#(\S+)/.exec(output);
    const client = await Client.open({ port: Number(port), token: () => key }, 'reviewer', 'Ana', identity);
    principals.push(client.unpack(client.socket.messages[0]).body.value.principal);
    client.end();
    await end(player);
  }
  assert.match(principals[0], /^[0-9a-f]{32}$/);
  assert.equal(principals[1], principals[0]);
});
