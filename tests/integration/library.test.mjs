// Libraries with many sessions, one that is being recorded, and what is given out of it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { Recorder, build, end, root, sleep, start, until } from '../harness/lab.mjs';

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
  /* one copy, as links go not from one file system to another */
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

/* the most memory that a program has had, in kB, and what it printed */
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
      /* it has just ended */
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

test('a session that is recorded is listed so, one whose recorder was killed is unfinished, and exports are private', async () => {
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

  /* a program of somebody else has the limits that uxrec was started with */
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
    ['export', path, '--to', 'png', '--at', '1', '-o', out('one.png')],
    ['export', path, '--to', 'png', '--every', '1', '-o', out('pictures')],
    ['transcript', path, '--export', out('words.vtt')],
    ['cut', path, '--from', '0', '--to', '1', '-o', out('part.mcap')],
    ['recover', path, '-o', out('whole.mcap')],
  ];

  for (const command of commands) await run('bash', ['-c', 'umask 0; exec "$@"', 'bash', uxrec, ...command]);
  for (const name of ['film.mkv', 'film.vtt', 'film.mp4', 'sound.wav', 'one.png', 'words.vtt', 'part.mcap', 'whole.mcap'])
    assert.equal(modeOf(out(name)), '600', name);
  assert.equal(modeOf(out('pictures')), '700');
  for (const name of readdirSync(out('pictures'))) assert.equal(modeOf(join(out('pictures'), name)), '600', name);
  await end(recorder.child);
  rmSync(recorder.folder, { recursive: true, force: true });
});
