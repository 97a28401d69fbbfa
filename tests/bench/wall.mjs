// Cost of the wall between the recorder and the network, beside a build without it: UXREC_BEFORE=FOLDER, the build folder
// of the commit before. Prints both figures and their ratio, and the time in which pages come back after a kill.
//   wall.mjs [--seconds N] [--kills N] [--observers N]

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { browse, build, childrenOf, Client, cpuOf, Recorder, root, sleep, stats, until } from '../harness/pages/lab.mjs';

const run = promisify(execFile);
const option = (name, usual) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? Number(process.argv[at + 1]) : usual;
};
const seconds = option('--seconds', 20);
const kills = option('--kills', 100);
const observers = option('--observers', 250);
const before = process.env.UXREC_BEFORE;
const FILM = ['--screen', 'test', '--fps', '30', '--input', 'none', '--sound', 'none'];
const STILL = ['--screen', 'none', '--input', 'none', '--sound', 'none'];

/** CPU seconds a second of a recorder with its processes, and the lag of its observers. */
async function measure(folder, options, watching) {
  const recorder = await Recorder.start(options, process.env, undefined, folder);
  if (options !== STILL) await recorder.begin('paper:screen');
  /* 20 ms for each to join */
  const joinMs = 1000 + watching * 25;
  const watchers =
    watching > 0
      ? run(join(build, 'tests/bench/watchers'), [recorder.port, recorder.token('live'), watching, seconds * 1.4].map(String))
      : undefined;
  await sleep(joinMs + 1000);
  const cpu = cpuOf(recorder.child.pid);
  await sleep(seconds * 1000);
  const spent = (cpuOf(recorder.child.pid) - cpu) / seconds;
  const lag = watchers ? JSON.parse((await watchers).stdout) : undefined;
  if (options !== STILL) await recorder.uxrec('stop');
  await recorder.end();
  return { spent, lag };
}

const percent = (share) => `${(share * 100).toFixed(2)} %`;

async function compare(what, options, watching) {
  /* in turns, twice: the machine changes meanwhile */
  const ours = [];
  const theirs = [];
  for (let i = 0; i < 2; i++) {
    if (before) theirs.push(await measure(before, options, watching));
    ours.push(await measure(build, options, watching));
  }
  const mean = (all) => all.reduce((sum, { spent }) => sum + spent, 0) / all.length;
  const best = (all, name) => Math.min(...all.map(({ lag }) => lag[name]));
  const peer = before ? `, before ${percent(mean(theirs))}, ratio ${(mean(ours) / mean(theirs)).toFixed(3)}` : '';
  console.log(`${what}: ${percent(mean(ours))} of a core${peer}`);
  if (!watching) return;
  for (const name of ['p50_ms', 'p99_ms']) {
    const other = before ? `, before ${best(theirs, name)}, ratio ${(best(ours, name) / best(theirs, name)).toFixed(3)}` : '';
    console.log(`${what}: lag ${name} ${best(ours, name)}${other}`);
  }
}

/** Times from a kill to the next welcome of a connection, and to the next picture of a page. */
async function measureReturns() {
  const recorder = await Recorder.start(FILM);
  await recorder.begin('paper:screen');
  const browser = await browse();
  const page = await browser.newPage();
  await page.goto(recorder.links.live);
  const pictures = async () => (await stats(page)).picturesDecoded ?? 0;
  await until(async () => (await pictures()) > 5, 'the picture');
  const connection = [];
  const picture = [];
  for (let i = 0; i < kills; i++) {
    await sleep(500 + Math.random() * 1000);
    const [server] = childrenOf(recorder.child.pid, 'uxrec-server');
    process.kill(server, 'SIGKILL');
    const begun = performance.now();
    const client = await Client.open(recorder, 'live', 'Ana');
    connection.push(performance.now() - begun);
    client.end();
    const shown = await pictures();
    await until(async () => (await pictures()) > shown + 2, 'the picture again');
    picture.push(performance.now() - begun);
  }
  await browser.close();
  await recorder.uxrec('stop');
  const gaps = /gap/.test(recorder.output);
  await recorder.end();
  for (const [what, times] of [['a connection', connection], ['a page’s picture', picture]]) {
    times.sort((a, b) => a - b);
    const at = (q) => times[Math.floor(q * (times.length - 1))].toFixed(0);
    console.log(`back after ${kills} kills, ${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`);
  }
  console.log(`packets lost by the recorder: ${gaps ? 'SOME' : 0}`);
}

if (!before) console.log(`UXREC_BEFORE is not set: nothing to compare with (${root})`);
await compare('idle, nobody', STILL, 0);
await compare('film, 50 observers', FILM, 50);
await compare(`film, ${observers} observers`, FILM, observers);
await measureReturns();
