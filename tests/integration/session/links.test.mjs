// Links persist with the library, over restarts and kills, until they are revoked.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { Client, hello, QUIET, RawSocket, Recorder, until } from '../../harness/pages/lab.mjs';

const ROLES = ['moderate', 'live', 'library'];

afterEach(() => Recorder.endLeftovers());

const keys = (recorder) => ROLES.map((role) => recorder.token(role));

/** @return 0 when a hello with this key is welcomed, else the connection's close code */
async function welcomes(recorder, key) {
  const socket = await RawSocket.open(recorder.port);
  socket.send(hello(key));
  await until(() => socket.messages.length > 0 || socket.closeCode, 'the answer to hello');
  const code = socket.closeCode ?? 0;
  socket.end();
  return code;
}

const links = async (recorder) => JSON.parse(await recorder.uxrec('links', '--json')).links;

test('links are the same after a restart, and after a kill in a session that goes on', async () => {
  const recorder = await Recorder.start(QUIET);
  const before = keys(recorder);
  await recorder.again();
  assert.deepEqual(keys(recorder), before);
  const session = await recorder.begin();
  await until(async () => JSON.parse(await recorder.uxrec('status', '--json')).pictures > 0, 'a picture');
  const moderator = await Client.open(recorder, 'moderate', 'Ann');
  await recorder.again('SIGKILL');
  assert.deepEqual(keys(recorder), before);
  for (const key of before) assert.equal(await welcomes(recorder, key), 0);
  moderator.end();
  const again = await Client.open(recorder, 'moderate', 'Ann');
  const { value: status } = await again.ask({ case: 'getStatus', value: {} });
  assert.equal(status.session, session);
  assert.ok(status.killedToNs > status.killedFromNs && status.killedFromNs > status.startedNs);
  again.end();
  /* the library holds no key, and other users cannot read its list */
  const file = join(recorder.library, 'links');
  for (const key of before) assert.ok(!readFileSync(file, 'utf8').includes(key));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await recorder.uxrec('stop');
  await recorder.end();
});

test('revoking closes connections at once and for good, with the reason', async () => {
  const recorder = await Recorder.start(QUIET);
  const old = recorder.token('live');
  const observer = await Client.open(recorder, 'live', 'Ben');
  const reviewer = await Client.open(recorder, 'library', 'Cleo');
  const listed = await links(recorder);
  assert.equal(listed.length, 3);
  const link = listed.find(({ role }) => role === 'observer');
  assert.ok(link.present && link.made_ns > 0 && link.used_ns > 0);
  const text = await recorder.uxrec('links');
  for (const key of keys(recorder)) assert.ok(!text.includes(key) && !JSON.stringify(listed).includes(key));
  await recorder.uxrec('links', 'revoke', 'observer');
  await observer.socket.closed;
  assert.equal(observer.socket.closeCode, 4410);
  assert.match(observer.socket.closeReason, /revoked/);
  assert.equal(await welcomes(recorder, old), 4410);
  /* other links stay valid, and the new link is printed in place of the first one */
  assert.equal((await reviewer.ask({ case: 'getStatus', value: {} })).case, 'status');
  reviewer.end();
  await until(() => !recorder.output.slice(recorder.output.lastIndexOf('\nlive ')).includes(old), 'the new link');
  const fresh = /\nlive http\S+#(\w+)\nlibrary \S+\n$/.exec(recorder.output)[1];
  assert.notEqual(fresh, old);
  assert.equal(await welcomes(recorder, fresh), 0);
  await recorder.again('SIGKILL');
  assert.equal(recorder.token('live'), fresh);
  assert.equal(await welcomes(recorder, old), 4410);
  assert.equal(await welcomes(recorder, '0'.repeat(32)), 4401);
  /* one link by its id; then all, including the moderator's */
  const id = (await links(recorder)).find(({ role, present }) => role === 'reviewer' && present).id;
  const first = keys(recorder);
  await recorder.uxrec('links', 'revoke', id.slice(0, 8));
  assert.deepEqual(await Promise.all(first.map((key) => welcomes(recorder, key))), [0, 0, 4410]);
  await recorder.uxrec('links', 'revoke', 'all');
  assert.deepEqual(await Promise.all(first.map((key) => welcomes(recorder, key))), [4410, 4410, 4410]);
  await assert.rejects(recorder.uxrec('links', 'revoke', 'nobody'), /observer, reviewer, moderator/);
  await recorder.end();
});

test('a ticket from before a revocation is refused', async () => {
  const recorder = await Recorder.start(QUIET);
  const folder = join(recorder.folder, 'bin');
  const given = join(recorder.folder, 'given');
  /* a browser that keeps the file it is given */
  mkdirSync(folder);
  writeFileSync(join(folder, 'xdg-open'), `#!/bin/sh\ncat "$1" >${given}.new\nmv ${given}.new ${given}\n`, { mode: 0o755 });
  process.env.PATH = `${folder}:${process.env.PATH}`;
  const ticket = async () => {
    rmSync(given, { force: true });
    await recorder.uxrec('open', 'moderate');
    await until(() => existsSync(given), 'the browser');
    return /#(\w{32})/.exec(readFileSync(given, 'utf8'))[1];
  };
  const first = await ticket();
  await recorder.uxrec('links', 'revoke', 'moderator');
  assert.equal(await welcomes(recorder, first), 4401);
  assert.equal(await welcomes(recorder, await ticket()), 0);
  await recorder.end();
});

test('a file that is no list of links is left alone: the recorder warns, and records all the same', async () => {
  const recorder = await Recorder.start(QUIET);
  const file = join(recorder.library, 'links');
  const before = keys(recorder);
  const session = await recorder.begin();
  const statusOf = async () => JSON.parse(await recorder.uxrec('status', '--json'));
  await until(async () => (await statusOf()).pictures > 0, 'a picture');
  const spoil = [
    () => writeFileSync(file, 'moderator letmein\n'),
    () => chmodSync(file, 0o666),
    () => (unlinkSync(file), symlinkSync('/etc/passwd', file)),
    () => (unlinkSync(file), execFileSync('mkfifo', [file])),
  ];
  for (const [i, change] of spoil.entries()) {
    await recorder.again('SIGKILL', async () => change());
    assert.match(recorder.output, /links: .*\/links: .*remove it and start again/, `${i}`);
    assert.ok(keys(recorder).every((key) => !before.includes(key)));
    for (const key of keys(recorder)) assert.equal(await welcomes(recorder, key), 0);
    assert.equal(await welcomes(recorder, before[0]), 4401);
    assert.equal((await statusOf()).session, session);
    await until(async () => (await statusOf()).pictures > 0, 'a picture');
    if (i === 0) writeFileSync(file, 'uxrec links 1\n', { mode: 0o600 });
  }
  await recorder.again('SIGKILL', async () => unlinkSync(file));
  await recorder.again();
  await recorder.end();
});
