// uxrec-server killed, stopped and started again: it costs the recording nothing, and no act that was stored.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  build, childrenOf, Client, end, hello, isLong, messagesOf, QUIET, RawSocket, Recorder, root, sleep, start, until, watchLive,
} from '../../harness/pages/lab.mjs';

const { loadDecompressHandlers } = createRequire(join(root, 'tests/package.json'))('@mcap/support');

after(() => Recorder.endLeftovers());

const serverOf = (recorder) => childrenOf(recorder.child.pid, 'uxrec-server')[0];
const memoryKb = (recorder) =>
  Number(readFileSync(`/proc/${recorder.child.pid}/status`, 'latin1').match(/VmRSS:\s*(\d+)/)[1]);

/** End the session, and show that each channel has all its messages: their numbers have no hole. */
async function checkWhole(recorder, session) {
  await recorder.uxrec('stop');
  const folder = join(recorder.library, session);
  assert.match(await recorder.uxrec('verify', folder), /whole/);
  const next = new Map();
  let count = 0;
  for (const message of messagesOf(readFileSync(join(folder, 'recording-0001.mcap')), await loadDecompressHandlers())) {
    const channel = message.readUInt16LE(9);
    const sequence = message.readUInt32LE(11);
    if (next.has(channel)) assert.equal(sequence, next.get(channel), `a number of channel ${channel}`);
    next.set(channel, sequence + 1);
    count++;
  }
  assert.doesNotMatch(recorder.output, /gap|dropped|ERROR: AddressSanitizer/);
  return count;
}

const note = (id, ms = Date.now()) => ({
  id, kind: 1, layer: 'live', body: { case: 'note', value: { mediaNs: BigInt(ms) * 1000000n, text: `note ${id}` } },
});

/** Ask until there is an answer, by new connections, as a page does. */
async function insist(recorder, body) {
  for (;;) {
    let isClosed = false;
    const client = await Client.open(recorder, 'live', 'Ana', 'a'.repeat(32)).catch((error) => {
      assert.match(error.message, /closed before a welcome/);
    });
    if (!client) continue;
    client.socket.closed.then(() => {
      isClosed = true;
    });
    const request = client.send(body);
    const answer = await until(() => client.answers(request)[0] ?? (isClosed && 'none'), 'an answer or an end');
    client.end();
    if (answer !== 'none') return answer;
  }
}

test('kills of the server at any moment cost no packet and no stored act', async (t) => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin();
  /* ten, who come back after each kill */
  let rounds = 0;
  let watchers;
  const watch = () => {
    watchers = execFile(join(build, 'tests/bench/watchers'), [recorder.port, recorder.token('live'), 10, 600].map(String));
    watchers.once('exit', () => {
      rounds++;
      if (recorder.isWatched) setTimeout(watch, 20);
    });
  };
  recorder.isWatched = true;
  watch();
  const kills = isLong ? 1000 : 25;
  const ids = [];
  const backMs = [];
  for (let i = 0; i < kills; i++) {
    const id = (i + 1).toString(16).padStart(32, '0');
    await sleep(Math.random() * 60);
    const old = serverOf(recorder);
    const stored = insist(recorder, { case: 'putAct', value: { session, act: note(id) } });
    await sleep(Math.random() * 20);
    if (old) process.kill(old, 'SIGKILL');
    const begun = Date.now();
    const answer = await stored;
    /* stored by a server before, which did not live to answer: the same act once more */
    assert.equal(answer.case, 'actStored', answer.value.text);
    ids.push(id);
    backMs.push(Date.now() - begun);
  }
  recorder.isWatched = false;
  watchers.kill();
  assert.ok(rounds > kills / 10, `watchers came back ${rounds} times`);
  backMs.sort((a, b) => a - b);
  t.diagnostic(`${kills} kills: an answer after ${backMs[kills >> 1]} ms (median), ${backMs.at(-1)} ms at most`);
  assert.ok(backMs.at(-1) < 30_000);
  const opened = await insist(recorder, { case: 'getStatus', value: {} });
  assert.equal(opened.case, 'status');
  await checkWhole(recorder, session);
  const reviewer = await Client.open(recorder, 'library', 'Judge');
  const { value } = await reviewer.ask({ case: 'openSession', value: { session } });
  const notes = value.acts.filter(({ body }) => body.case === 'note').map(({ id }) => id);
  assert.deepEqual(notes.sort(), ids.sort());
  reviewer.end();
  await recorder.end();
});

test('a server that is stopped, with full sockets, is replaced, and its backlog is bounded', async (t) => {
  const recorder = await Recorder.start(['--screen', 'test', '--fps', '30', '--input', 'none', '--sound', 'none']);
  const session = await recorder.begin();
  const watcher = await RawSocket.open(recorder.port);
  watcher.send(hello(recorder.token('live')));
  watcher.send(watchLive());
  await until(() => watcher.recorded().length > 0, 'the picture');
  const old = serverOf(recorder);
  const before = memoryKb(recorder);
  process.kill(old, 'SIGSTOP');
  await until(() => serverOf(recorder) !== old && serverOf(recorder), 'another server', 60_000);
  const grown = memoryKb(recorder) - before;
  t.diagnostic(`uxrecd has ${grown} kB more`);
  assert.ok(grown < 100_000);
  assert.match(recorder.output, /the server of the pages: it does not (read|answer)/);
  const client = await Client.open(recorder, 'moderate', 'Bob');
  assert.equal((await client.ask({ case: 'getStatus', value: {} })).value.session, session);
  client.end();
  assert.ok((await checkWhole(recorder, session)) > 100);
  await recorder.end();
});

test('a folder is served by a server that is started again too', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin();
  const begunMs = Date.now();
  await sleep(500);
  await recorder.uxrec('stop');
  const play = start(join(build, 'uxrec-play'), [join(recorder.library, session)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  play.stdout.on('data', (data) => {
    text += data;
  });
  await until(() => /^library .*\n/m.test(text), 'the links');
  const [, port, key] = /^library http:\/\/127.0.0.1:(\d+)\/library#(\w+)$/m.exec(text);
  const served = { port: Number(port), token: () => key };
  for (let i = 0; i < 3; i++) {
    const client = await Client.open(served, 'library', 'Ana', 'a'.repeat(32));
    assert.equal((await client.ask({ case: 'openSession', value: { session } })).case, 'sessionOpened');
    client.end();
    process.kill(childrenOf(play.pid, 'uxrec-server')[0], 'SIGKILL');
  }
  const client = await Client.open(served, 'library', 'Ana', 'a'.repeat(32));
  const answer = await client.ask({ case: 'putAct', value: { session, act: { ...note('1'.repeat(32), begunMs + 100), layer: 'coder:Ana' } } });
  assert.equal(answer.case, 'actStored', answer.value.text);
  client.end();
  await end(play);
  await recorder.end();
});
