// Work in a process of its own, gone wrong: a page that asks for it gets an error, and the recording gets nothing of it.

import assert from 'node:assert/strict';
import { copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

/* A build folder whose worker is mad. */
const root = new URL('../../..', import.meta.url).pathname;
const real = process.env.UXREC_BUILD || 'build';
const mad = join(real, 'tests', `mad-${process.pid}`);
mkdirSync(join(root, mad));
for (const program of ['uxrecd', 'uxrec', 'uxrec-inputd', 'uxrec-server']) linkSync(join(root, real, program), join(root, mad, program));
copyFileSync(join(root, real, 'tests/tools/mad_worker'), join(root, mad, 'uxrec-worker'));
symlinkSync(join(root, 'build/web'), join(root, mad, 'web'));
process.env.UXREC_BUILD = mad;
const { childrenOf, Client, Recorder, until } = await import('../../harness/pages/lab.mjs');

after(async () => {
  await Recorder.endAll();
  rmSync(join(root, mad), { recursive: true });
});

const metrics = (study) => ({ case: 'getMetrics', value: { study } });
const workers = (recorder) =>
  childrenOf(recorder.child.pid, 'uxrec-server').flatMap((server) => childrenOf(server, 'uxrec-worker'));
const memoryKb = (recorder) =>
  Number(readFileSync(`/proc/${recorder.child.pid}/status`, 'latin1').match(/VmRSS:\s*(\d+)/)[1]);

test('a worker that is mad is an error of its request, and costs the recording nothing', async (t) => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'none']);
  const session = await recorder.begin('paper:screen');
  const reviewer = await Client.open(recorder, 'library', 'Ana', 'a'.repeat(32));
  const before = memoryKb(recorder);
  assert.equal((await reviewer.ask(metrics('good'))).case, 'metrics');
  for (const [what, reason] of [
    ['crashes', /signal/],
    ['memory', /status 7|signal/],
    ['nonsense', /invalid answer/],
    ['other-answer', /invalid answer/],
    ['other-request', /invalid answer/],
    ['too-much', /invalid answer/],
    ['half', /without an answer/],
  ]) {
    const answer = await reviewer.ask(metrics(what), 60_000);
    assert.equal(answer.case, 'failure', what);
    assert.match(answer.value.text, reason, what);
  }
  assert.equal((await reviewer.ask(metrics('good'))).case, 'metrics');
  const grown = memoryKb(recorder) - before;
  t.diagnostic(`uxrecd has ${grown} kB more after all of them`);
  assert.ok(grown < 60_000);
  assert.match(await recorder.uxrec('status'), /recording session/);
  await recorder.uxrec('stop');
  assert.match(await recorder.uxrec('verify', join(recorder.library, session)), /whole/);
  assert.doesNotMatch(recorder.output, /gap|ERROR: AddressSanitizer/);
});

test('work that takes long delays no act, and ends with its page, its request or the recorder', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'none']);
  const session = await recorder.begin('paper:screen');
  const reviewer = await Client.open(recorder, 'library', 'Ana', 'a'.repeat(32));
  const observer = await Client.open(recorder, 'live', 'Bob', 'b'.repeat(32));
  const long = reviewer.send(metrics('sleeps'));
  await until(() => workers(recorder).length === 1, 'the worker');
  const act = {
    id: '1'.repeat(32), kind: 1, layer: 'live',
    body: { case: 'note', value: { mediaNs: BigInt(Date.now()) * 1000000n, text: 'meanwhile' } },
  };
  assert.equal((await observer.ask({ case: 'putAct', value: { session, act } })).case, 'actStored');
  assert.equal((await reviewer.ask({ case: 'openSession', value: { session } })).case, 'sessionOpened');
  assert.equal(workers(recorder).length, 1);

  reviewer.send({ case: 'cancel', value: { which: long } });
  await until(() => reviewer.answers(long).length > 0, 'the end of cancelled work');
  assert.equal(reviewer.answers(long)[0].value.code, 125);
  await until(() => workers(recorder).length === 0, 'the end of the worker');
  /* one at work and one that waits */
  const both = [reviewer.send(metrics('sleeps')), reviewer.send(metrics('sleeps too'))];
  for (const which of both) reviewer.send({ case: 'cancel', value: { which } });
  for (const which of both) {
    await until(() => reviewer.answers(which).length > 0, 'the end of both');
    assert.equal(reviewer.answers(which)[0].value.code, 125);
  }

  reviewer.send(metrics('sleeps'));
  await until(() => workers(recorder).length === 1, 'another worker');
  reviewer.end();
  await until(() => workers(recorder).length === 0, 'the end of the worker of a page that has gone');

  const other = await Client.open(recorder, 'library', 'Eve', 'e'.repeat(32));
  other.send(metrics('sleeps'));
  await until(() => workers(recorder).length === 1, 'a third worker');
  const begun = Date.now();
  await recorder.again('SIGTERM');
  assert.ok(Date.now() - begun < 15_000);
});
