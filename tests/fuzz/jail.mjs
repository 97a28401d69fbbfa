// Sessions whose pictures, patches, pointer shapes and sound are broken at random, exported in every way that decodes
// or passes them on: the command ends by itself, in time, and leaves neither a process nor a partial file.
// UXREC_FUZZ_SECONDS=60, UXREC_FUZZ_SEED=1.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { build, Recorder, sleep } from '../harness/pages/lab.mjs';

const SECONDS = Number(process.env.UXREC_FUZZ_SECONDS ?? 60);
const SEED = Number(process.env.UXREC_FUZZ_SEED ?? randomBytes(4).readUInt32LE());
const LANES = 2;
/* above the jail's limit for one picture */
const LIMIT_MS = 400_000;

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'uxrec-hostile-'));
const sources = [];

const DRAWN = ['--draw', 'patches,pointer,clicks,keys'];
const WAYS = [
  ['mkv', '--to', 'mkv', ...DRAWN],
  ['webm', '--to', 'webm', ...DRAWN],
  ['png', '--to', 'png', '--every', '0.5', '--draw', 'patches,pointer'],
  ['still', '--to', 'png', '--at', '1', '--draw', 'patches'],
  ['wav', '--to', 'wav'],
  ['mp4', '--to', 'mp4'],
  ['plain', '--to', 'mkv'],
  ['opus', '--to', 'opus'],
];

/* AV1, H.264 and patches by a tool; H.264, a pointer and sound by a recorder */
before(async () => {
  const made = join(folder, 'made');
  await run(join(build, 'tests/tools/patched_session'), [made, '7']);
  sources.push(join(made, 'recording-0001.mcap'));
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone', '--library', join(folder, 'library')]);
  const session = await recorder.begin('paper:screen,sound');
  await sleep(2500);
  await recorder.uxrec('stop');
  await recorder.end();
  sources.push(join(folder, 'library', session, 'recording-0001.mcap'));
});

after(async () => {
  await Recorder.endLeftovers();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Run a command as the leader of a process group.
 *
 * @return its exit status, signal and output, and whether a process of it is left
 */
function uxrec(args, temporary) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(build, 'uxrec'), args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: temporary },
    });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      process.kill(-child.pid, 'SIGKILL');
    }, LIMIT_MS);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => {
        output = (output + data).slice(-20000);
      });
    child.on('error', reject);
    let left = true;
    child.on('exit', () => {
      clearTimeout(timer);
      try {
        process.kill(-child.pid, 0);
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        left = false;
      }
    });
    child.on('close', (code, signal) => resolve({ code, signal, late, left, output }));
  });
}

const files = (path) => readdirSync(path, { recursive: true }).sort();

async function attempt(seed, counts) {
  const source = sources[seed % sources.length];
  const place = join(folder, `hostile-${seed}`);
  const temporary = join(place, 'tmp');
  const input = join(place, 'in', 'recording-0001.mcap');
  for (const path of [temporary, join(place, 'in'), join(place, 'out')]) mkdirSync(path, { recursive: true });
  await run(join(build, 'tests/tools/hostile_session'), [source, input, String(seed)]);
  const [name, ...way] = WAYS[Math.floor(seed / sources.length) % WAYS.length];
  const out = join(place, 'out', name);
  const end = await uxrec(['export', input, ...way, '-o', out], temporary);
  const told = `seed ${seed}, ${name}: ${JSON.stringify(end)}`;
  assert.equal(end.late, false, told);
  assert.equal(end.signal, null, told);
  assert.ok([0, 2, 3].includes(end.code), told);
  assert.doesNotMatch(end.output, /AddressSanitizer|LeakSanitizer|runtime error/, told);
  assert.equal(end.left, false, `a process is left: ${told}`);
  assert.deepEqual(files(temporary), [], told);
  assert.deepEqual(files(join(place, 'in')), ['recording-0001.mcap'], told);
  /* an export that lacks pictures is kept */
  assert.equal(existsSync(out), end.code === 0 || (end.code === 3 && /^lost: /m.test(end.output)), told);
  assert.deepEqual(readdirSync(join(place, 'out')).filter((left) => left !== name), [], told);
  counts[`exit ${end.code}`] = (counts[`exit ${end.code}`] ?? 0) + 1;
  for (const [, what] of end.output.matchAll(/decoder ((?:crashed|ended|took|was ended|answers)[^\n]{0,20})/g))
    counts[what] = (counts[what] ?? 0) + 1;
  rmSync(place, { recursive: true, force: true });
}

test(`hostile pictures and sound end no export otherwise than in order (seed ${SEED})`, { timeout: SECONDS * 1000 + 2 * LIMIT_MS }, async (t) => {
  const end = Date.now() + SECONDS * 1000;
  const counts = {};
  let next = SEED;
  let done = 0;
  const lane = async () => {
    while (Date.now() < end) {
      await attempt(next++, counts);
      done++;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  assert.ok(done > 0);
  t.diagnostic(`${done} exports: ${JSON.stringify(counts)}`);
});
