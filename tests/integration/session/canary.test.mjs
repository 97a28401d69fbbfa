// Secrets are typed under each policy, a thousand with UXREC_LONG, and searched in all output of uxrec, in the forms of
// tests/tools/secrets.c. Under "full" the same search finds each of them.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { build, Desktop, hello, isLong, RawSocket, Recorder, sleep, until, watchLive } from '../../harness/pages/lab.mjs';

const run = promisify(execFile);
const COUNT = isLong ? 1000 : 300;
const KEYS = COUNT * 24;
let desktop;
let recorder;

async function secrets(...command) {
  const { stdout } = await run(join(build, 'tests/tools/secrets'), command.map(String), { env: desktop.env });
  return stdout && JSON.parse(stdout);
}

async function verify(path) {
  const { stdout } = await run(join(build, 'uxrec'), ['verify', '--redaction', path, '--json']).catch((error) => error);
  return JSON.parse(stdout);
}

/** Type them in an observed session. @return the paths to search */
async function record(keys, seed) {
  const path = (name) => join(recorder.folder, `${name}-${keys}`);
  const session = await recorder.begin('paper', '--keys', keys);
  const observer = await RawSocket.open(recorder.port);
  observer.send(hello(recorder.token('live')));
  observer.send(watchLive());
  await until(() => observer.messages.length > 1, 'the live stream');
  await secrets('type', seed, COUNT, 150);
  await sleep(500);
  await secrets('memory', recorder.child.pid, path('memory'));
  await recorder.uxrec('stop');
  const folder = join(recorder.library, session);
  observer.net.destroy();
  writeFileSync(path('live'), Buffer.concat(observer.messages));
  const { stdout } = await run(join(build, 'uxrec'), ['dump', '--json', folder], { maxBuffer: 1 << 29 });
  writeFileSync(path('dump'), stdout);
  writeFileSync(path('log'), recorder.output);
  return { folder, memory: path('memory'), live: path('live'), dump: path('dump'), log: path('log') };
}

before(async () => {
  desktop = await Desktop.start(640, 480);
  recorder = await Recorder.start(['--input', 'x11', '--screen', 'none', '--sound', 'none'], desktop.env);
});

after(async () => {
  await recorder?.end();
  await desktop?.end();
});

for (const [keys, told] of [['none', 0], ['counts', KEYS], ['classes', 2 * KEYS]])
  test(`nothing of ${COUNT} secrets is left under ${keys}: file, live stream, memory, logs, dump`, async () => {
    const left = await record(keys, 7);
    const { found, first, bytes, needles } = await secrets('search', 7, COUNT, ...Object.values(left));
    assert.equal(found, 0, first);
    assert.ok(bytes > 1e6 && needles > 300 * COUNT);
    const proof = await verify(left.folder);
    assert.deepEqual(proof.problems, []);
    assert.equal(proof.redacted, true);
    /* they were typed, and recorded as far as the policy permits */
    assert.equal(proof.keys, told);
  });

test('nothing of 300 secrets is left where shortcuts are kept, though Ctrl was held when reading began', async () => {
  const study = join(recorder.folder, 'shortcuts.yaml');
  writeFileSync(study, 'study: Keys\nshortcuts: true\ntasks: [{id: one, title: Do it}]\n');
  const robot = (...commands) =>
    execFileSync(join(build, 'uxrec-robot'), { env: desktop.env, input: `${commands.join('\n')}\n` });
  const key = (name, kind) => execFileSync('xdotool', [kind, name], { env: desktop.env });
  key('Control_L', 'keydown');
  const session = await recorder.uxrec(
    'start', '--study', study, '--participant', 'P01', '--consent', 'paper', '--keys', 'classes');
  key('Control_L', 'keyup');
  for (let round = 0; round < 3; round++) {
    await secrets('type', 20 + round, 100, 150);
    robot('key ctrl+s');
    key('Control_L', 'keydown');
    await recorder.uxrec('pause');
    key('Control_L', 'keyup');
    await recorder.uxrec('resume');
  }
  await sleep(500);
  await recorder.uxrec('stop');
  const folder = join(recorder.library, session);
  for (let round = 0; round < 3; round++) {
    const { found, first } = await secrets('search', 20 + round, 100, folder);
    assert.equal(found, 0, first);
  }
  const proof = await verify(folder);
  assert.deepEqual(proof.problems, []);
  const { stdout } = await run(join(build, 'uxrec'), ['dump', '--json', folder, '--channel', '/input/shortcuts']);
  /* the three shortcuts, and no letter */
  assert.deepEqual(stdout.match(/"code":\s*\[[^\]]*\]/g)?.map((codes) => codes.match(/\d+/)[0]), ['31', '31', '31']);
});

test('under full the same search finds every one of them, and something of them everywhere but in logs', async () => {
  const { log, ...left } = await record('full', 8);
  assert.equal((await secrets('search', 8, COUNT, left.folder)).found, COUNT);
  for (const path of Object.values(left)) assert.ok((await secrets('search', 8, COUNT, path)).found > COUNT / 2, path);
  assert.equal((await secrets('search', 8, COUNT, log)).found, 0);
  /* control: other secrets are not found */
  assert.equal((await secrets('search', 9, COUNT, ...Object.values(left))).found, 0);
});
