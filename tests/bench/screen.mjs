// Cost and quality of screen recording: the same scripted desktop each time, recorded by us and by Debian's recorders
// in turn.
//   screen.mjs [--seconds N] [--rounds N] [--peers NAME,NAME|none] [--seed N] [--no-latency] [--json] [--markdown]
//             [--phases NAME,NAME]    these only; bytes and likeness then cover these
//             [--keep DIR]            keep films and golden pictures in DIR
//   screen.mjs --hour [--minutes N]     uxrec alone at ten times the speed: does its memory grow?
// CPU is that of the recorder and its children, plus the X server's (or compositor's) increase over a run without it.
// Exits with 1 when a target is missed (MISS, judged beside x11grab and where latency is measured), when other load on
// the machine made the run invalid, or, with --hour, when memory has grown at the end; the last line names the reason.

import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { build, Desktop, end, sleep, start, until } from '../harness/pages/lab.mjs';
import { judge } from './screen_quality.mjs';
import { missing, recorders } from './screen_recorders.mjs';
import { Sway } from './screen_sway.mjs';

const run = promisify(execFile);
const has = (name) => process.argv.includes(name);
const option = (name, usual) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : usual;
};
const seconds = Number(option('--seconds', 20));
const rounds = Number(option('--rounds', 1));
const seed = option('--seed', '1');
const minutes = Number(option('--minutes', 60));
const asked = option('--peers', 'x11grab,mpdecimate,wf-recorder,recordmydesktop,x11vnc');

const keep = option('--keep');

const [WIDTH, HEIGHT] = [1920, 1080];
const ALL_PHASES = ['idle', 'caret', 'typing', 'scrolling', 'dragging', 'video', 'pointer'];
const wanted = option('--phases', ALL_PHASES.join(',')).split(',');
const PHASES = ALL_PHASES.filter((phase) => wanted.includes(phase));
/* upper bounds, relative to x11grab's CPU */
const TARGETS = { idle: 0.005, caret: 0.03, typing: 0.1, scrolling: 0.8, video: 0.8, pointer: 0.02 };
const BYTES_TARGET = 0.6;
/* Largest valid spread of control rounds; beyond it the figures measured between them are meaningless. */
const CONTROL_SPREAD = 0.1;
/* Largest growth of resident memory in --hour, from a tenth of it to its end. */
const GROWTH = 0.05;
const SPEED = 10; // of --hour
const log = (text) => process.stderr.write(`${text}\n`);

/* ---- a turn: the script and its recorder ---- */

/** An X server with a window manager. */
async function openX11() {
  const desktop = await Desktop.start(WIDTH, HEIGHT);
  const manager = start('openbox', [], { env: desktop.env, stdio: 'ignore' });
  return {
    display: desktop.display,
    env: desktop.env,
    pids: [desktop.server.pid],
    script: [],
    end: async () => {
      await end(manager);
      await desktop.end();
    },
  };
}

const openServer = { x11: openX11, sway: () => Sway.open(WIDTH, HEIGHT) };

/** Start the script and collect its lines as they come. */
async function startScript(server, folder, more) {
  const child = start(
    join(build, 'tests/bench/desktop_script'),
    ['--seconds', String(seconds), '--seed', seed, '--phases', PHASES.join(','), ...more, ...server.script],
    { env: server.env, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const script = { child, lines: [], hear: () => undefined };
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    const words = line.split(' ');
    script.lines.push(words);
    script.hear(words);
  });
  script.said = (word) => script.lines.find(([first]) => first === word);
  await until(() => script.said('ready') || child.exitCode !== null, 'the desktop', 30000);
  if (child.exitCode !== null) throw new Error(`the desktop: ${script.lines.map((words) => words.join(' ')).join('\n')}`);
  return script;
}

/** A turn from the script's lines: its length and each process's CPU, by phase. */
function readPhases(lines, recorderPid, serverPids) {
  const phases = {};
  const begun = {};
  for (const [word, name, one, two] of lines) {
    if (word === 'begin') begun[name] = BigInt(one);
    if (word === 'begin') phases[name] ??= { seconds: 0, recorder: 0, server: 0, bytes: 0 };
    if (word === 'end') phases[name].seconds += Number(BigInt(one) - begun[name]) / 1e9;
    if (word === 'cpu' && Number(one) === recorderPid) phases[name].recorder += Number(two) / 1e9;
    if (word === 'cpu' && serverPids.includes(Number(one))) phases[name].server += Number(two) / 1e9;
  }
  return phases;
}

function readGoldens(lines, folder) {
  return lines
    .filter(([word]) => word === 'golden')
    .map(([, phase, kind, file, x, y, width, height, , ns]) => ({
      phase, kind, path: join(folder, file), x: Number(x), y: Number(y),
      width: Number(width), height: Number(height), ns: BigInt(ns),
    }));
}

/** @param name  recorder, or undefined for the script alone */
async function turn(name, kind) {
  const folder = mkdtempSync(join(keep ?? tmpdir(), `uxrec-bench-${name ?? 'control'}-`));
  const golden = join(folder, 'golden');
  mkdirSync(golden);
  chmodSync(folder, 0o755); // the compositor's user has a folder in it
  const server = await openServer[kind]();
  let recording;
  try {
    const own = join(folder, 'film');
    mkdirSync(own, { mode: 0o777 });
    server.give?.(own);
    const script = await startScript(server, folder, ['--golden', golden]);
    if (name) recording = await recorders[name].start(server, own);
    await sleep(3000);
    const bytes = {};
    script.hear = ([word, phase]) => {
      if (!recording) return;
      if (word === 'begin') bytes[phase] = -recording.bytes();
      if (word === 'end') bytes[phase] += recording.bytes();
    };
    script.child.stdin.write(`go ${[...server.pids, ...(recording ? [recording.pid] : [])].join(' ')}\n`);
    await until(() => script.said('done') || script.child.exitCode !== null, 'the end', (seconds * 7 + 60) * 1000);
    if (!script.said('done')) throw new Error(`the desktop: ${script.lines.at(-1)}`);
    const phases = readPhases(script.lines, recording?.pid, server.pids);
    const result = { name: name ?? `control (${kind})`, kind, phases, after: 0, bytes: 0, goldens: [] };
    if (recording) {
      for (const phase of PHASES) phases[phase].bytes = bytes[phase];
      const atEnd = await recording.stop(() => script.child.stdin.write('change\n'));
      result.after = atEnd.after;
      result.bytes = recording.bytes();
      if (atEnd.film) {
        if (recorders[name].bytesAtEnd) result.bytes = statSync(atEnd.film.path).size;
        const mark = BigInt(script.said('mark')[2]);
        result.goldens = await judge(atEnd.film, [WIDTH, HEIGHT], readGoldens(script.lines, golden), mark);
      }
    }
    if (keep) writeFileSync(join(folder, 'script.log'), script.lines.map((words) => `${words.join(' ')}\n`).join(''));
    script.child.stdin.end();
    await end(script.child);
    return result;
  } finally {
    await recording?.close();
    await server.end();
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
}

/* ---- summaries ---- */

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** CPU seconds a minute by phase and in total, bytes and likeness, over all turns of one recorder. */
function summarize(turns, controls) {
  const [{ name, kind }] = turns;
  const cpu = {};
  for (const phase of PHASES) {
    const alone = mean(controls.filter((one) => one.kind === kind).map((one) => one.phases[phase].server));
    const spent = turns.map(({ phases }) => {
      const { recorder, server, seconds: length } = phases[phase];
      return ((recorder + Math.max(0, server - alone)) * 60) / length;
    });
    cpu[phase] = mean(spent);
  }
  const length = mean(turns.map(({ phases }) => PHASES.reduce((sum, phase) => sum + phases[phase].seconds, 0)));
  const likeness = (wanted) => {
    const found = turns.flatMap(({ goldens }) => goldens).filter(wanted).map(({ ssim }) => ssim);
    return found.length ? mean(found) : recorders[name].lossless ? 1 : undefined;
  };
  return {
    name,
    cpu,
    after: mean(turns.map(({ after }) => after)),
    all: mean(PHASES.map((phase) => cpu[phase])) + (mean(turns.map(({ after }) => after)) * 60) / length,
    phaseBytes: Object.fromEntries(PHASES.map((phase) => [phase, mean(turns.map(({ phases }) => phases[phase].bytes))])),
    bytes: mean(turns.map(({ bytes }) => bytes)),
    text: likeness(({ kind: what }) => what === 'text'),
    video: likeness(({ kind: what }) => what === 'video'),
    textByPhase: Object.fromEntries(PHASES.map((phase) => [phase, likeness((one) => one.phase === phase && one.kind === 'text')])),
  };
}

/** Spread of the script alone: (most - least) / least of the server's CPU. */
function spreadOf(controls) {
  const kinds = [...new Set(controls.map(({ kind }) => kind))];
  return Math.max(
    ...kinds.map((kind) => {
      const sums = controls
        .filter((one) => one.kind === kind)
        .map(({ phases }) => PHASES.reduce((sum, phase) => sum + phases[phase].server, 0));
      return Math.max(...sums) / Math.min(...sums) - 1;
    }),
  );
}

const verdict = (good, text) => ({ good, text: `${good ? 'ok  ' : 'MISS'} ${text}` });
const share = (value) => `${(100 * value).toFixed(value < 0.1 ? 2 : 0)} %`;
const ssimText = (value) => (value === undefined ? '–' : value.toFixed(4));

function verdicts(ours, peer) {
  const found = {};
  for (const [phase, most] of Object.entries(TARGETS).filter(([name]) => PHASES.includes(name)))
    found[phase] = verdict(ours.cpu[phase] <= most * peer.cpu[phase], `<= ${100 * most} % of x11grab`);
  if (PHASES.length < ALL_PHASES.length) return found;
  found.bytes = verdict(
    ours.bytes <= BYTES_TARGET * peer.bytes && ours.text >= peer.text,
    `<= ${100 * BYTES_TARGET} % of x11grab, text as like`,
  );
  return found;
}

/** Verdicts on the measured recorders. @return {} without a peer */
function verdictsOf(summaries) {
  const ours = summaries.find(({ name }) => name === 'uxrec');
  const peer = summaries.find(({ name }) => name === 'x11grab');
  return ours && peer ? verdicts(ours, peer) : {};
}

function tableOf(summaries, found) {
  const ours = summaries.find(({ name }) => name === 'uxrec');
  const peer = summaries.find(({ name }) => name === 'x11grab');
  const rows = [['', ...summaries.map(({ name }) => name), peer ? 'uxrec : x11grab' : '', '']];
  const add = (title, key, value, text) =>
    rows.push([
      title, ...summaries.map((one) => text(value(one), one)),
      ours && peer && value(peer) && key !== 'ssim' ? share(value(ours) / value(peer)) : '', found[key]?.text ?? '',
    ]);
  for (const phase of PHASES) add(`CPU s/min, ${phase}`, phase, ({ cpu }) => cpu[phase], (value) => value.toFixed(2));
  add('CPU s afterwards', 'after', ({ after }) => after, (value) => value.toFixed(2));
  add('CPU s/min, all', 'all', ({ all }) => all, (value) => value.toFixed(2));
  for (const phase of PHASES)
    add(`kB, ${phase}`, 'phaseBytes', ({ phaseBytes }) => phaseBytes[phase], (value, { name }) =>
      recorders[name].bytesAtEnd ? '–' : (value / 1000).toFixed(0));
  add('kB, all', 'bytes', ({ bytes }) => bytes, (value) => (value / 1000).toFixed(0));
  add('SSIM of text', 'ssim', ({ text }) => text, ssimText);
  for (const phase of PHASES.filter((name) => name !== 'pointer'))
    add(`  while ${phase}`, 'ssim', ({ textByPhase }) => textByPhase[phase], ssimText);
  add('SSIM of video', 'ssim', ({ video }) => video, ssimText);
  return rows;
}

function printTable(rows) {
  if (has('--markdown')) {
    rows.forEach((row, i) => {
      console.log(`| ${row.map((cell) => cell.trim()).join(' | ')} |`);
      if (i === 0) console.log(`|${row.map(() => '---|').join('')}`);
    });
    return;
  }
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows)
    console.log(row.map((cell, i) => (i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
}

/* ---- latency ---- */

async function latency() {
  const changes = Math.max(30, Math.round((300 * seconds) / 20));
  const { stdout } = await run(
    join(build, 'tests/bench/screen_latency'),
    ['--changes', String(changes), '--seconds', String(seconds * 3), '--seed', seed, '--json'],
    { maxBuffer: 1 << 24 },
  );
  return stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

function latencyVerdicts([isolated, continuous]) {
  return {
    isolated: verdict(isolated.p50_ms <= 15 && isolated.p99_ms <= 35 && !isolated.never_shown, 'p50 <= 15 ms, p99 <= 35 ms'),
    continuous: verdict(continuous.p99_ms <= 60 && !continuous.never_shown, 'p99 <= 60 ms'),
  };
}

function printLatency([isolated, continuous], found) {
  const said = ({ p50_ms, p90_ms, p99_ms, max_ms, changes, never_shown }) =>
    `p50 ${p50_ms} ms, p90 ${p90_ms} ms, p99 ${p99_ms} ms, max ${max_ms} ms of ${changes}, ${never_shown} never shown`;
  console.log(
    `\nchange -> packet handed to the recorder\n` +
      `  isolated, every 150 to 450 ms: ${said(isolated)}  ${found.isolated.text}\n` +
      `  film, 30 a second: ${said(continuous)}  ${found.continuous.text}`,
  );
}

/* ---- exit status ---- */

/** Log the faults, as the last lines, and set the exit status. @param faults  sentences; none: success */
function conclude(faults) {
  for (const fault of faults) log(`screen: ${fault}`);
  process.exitCode = faults.length ? 1 : 0;
}

/** @return one sentence when targets were missed, else none */
function faultsOf(found) {
  const missed = Object.keys(found).filter((name) => !found[name].good);
  return missed.length ? [`missed: ${missed.join(', ')}`] : [];
}

/* ---- an hour at ten times the speed ---- */

async function hour() {
  const server = await openX11();
  const folder = mkdtempSync(join(tmpdir(), 'uxrec-bench-'));
  const loops = Math.max(1, Math.round((minutes * 60) / ((PHASES.length * seconds) / SPEED)));
  const script = await startScript(server, folder, ['--speed', String(SPEED), '--loops', String(loops)]);
  const recording = await recorders.uxrec.start(server, folder);
  const residentOf = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${recording.pid}/status`, 'utf8'))[1]) / 1024;
  const samples = [];
  script.child.stdin.write(`go ${recording.pid}\n`);
  while (!script.said('done') && script.child.exitCode === null) {
    await sleep(Math.min(10000, (minutes * 60000) / 60));
    samples.push(residentOf());
  }
  const done = script.said('done');
  const phases = readPhases(script.lines, recording.pid, []);
  const cpu = PHASES.reduce((sum, phase) => sum + (phases[phase]?.recorder ?? 0), 0);
  const bytes = recording.bytes();
  script.child.stdin.end();
  await end(script.child);
  await recording.close();
  await server.end();
  rmSync(folder, { recursive: true, force: true });
  /* warm after a tenth; compare the medians of a tenth at either end */
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const early = median(samples.slice(tenth, 2 * tenth));
  const late = median(samples.slice(-tenth));
  if (!done || samples.length < 20) {
    conclude([done ? 'invalid: too short to say whether it grows' : 'invalid: the desktop has ended by itself']);
    return;
  }
  const said = {
    minutes, speed: SPEED, loops, grows: late > early * (1 + GROWTH), resident_mb_early: early, resident_mb_late: late,
    resident_mb_most: Math.max(...samples), cpu_seconds: cpu, bytes,
  };
  if (has('--json')) console.log(JSON.stringify(said));
  else
    console.log(
      `${minutes} minutes at ${SPEED} times the speed: ${early.toFixed(1)} MB resident after a tenth of it, ` +
        `${late.toFixed(1)} MB at the end, ${said.resident_mb_most.toFixed(1)} MB at most; ` +
        `${cpu.toFixed(0)} s of CPU, ${(bytes / 1e6).toFixed(1)} MB`,
    );
  conclude(said.grows ? [`missed: it grows by ${share(late / early - 1)}, more than ${share(GROWTH)}`] : []);
}

/* ---- the run ---- */

async function main() {
  const unknown = wanted.filter((phase) => !ALL_PHASES.includes(phase));
  if (unknown.length) throw new Error(`--phases: there is no '${unknown[0]}'`);
  const skipped = [];
  const names = ['uxrec'];
  for (const name of asked === 'none' ? [] : asked.split(',')) {
    if (!recorders[name]) throw new Error(`--peers: there is no '${name}'`);
    const why = missing(name);
    if (why) skipped.push(`${name}: ${why}`);
    else names.push(name);
  }
  const controls = [];
  const turns = [];
  const controlAll = async () => {
    for (const kind of new Set(names.map((name) => recorders[name].server))) {
      log(`the script alone (${kind})`);
      controls.push(await turn(undefined, kind));
    }
  };
  await controlAll();
  for (let round = 0; round < rounds; round++) {
    for (const name of [...names]) {
      log(`${name}, round ${round + 1} of ${rounds}`);
      try {
        turns.push(await turn(name, recorders[name].server));
      } catch (error) {
        if (name === 'uxrec' || name === 'x11grab') throw error;
        skipped.push(`${name}: ${error.message}`);
        names.splice(names.indexOf(name), 1);
      }
    }
    await controlAll();
  }
  const summaries = names.map((name) => summarize(turns.filter((one) => one.name === name), controls));
  const spread = spreadOf(controls);
  const delays = has('--no-latency') ? undefined : await latency();
  const valid = spread <= CONTROL_SPREAD;
  const found = verdictsOf(summaries);
  const foundLatency = delays ? latencyVerdicts(delays) : {};
  const faults = [
    ...faultsOf({ ...found, ...foundLatency }),
    ...(valid ? [] : ['invalid: the machine did something else meanwhile']),
  ];
  if (has('--json')) {
    console.log(JSON.stringify({ seconds, rounds, seed, control_spread: spread, valid, faults, skipped, recorders: summaries, latency: delays }));
  } else {
    console.log(`${cpus().length} cores, ${cpus()[0].model.trim()}; ${rounds} x ${seconds} s a phase, ${WIDTH}x${HEIGHT}`);
    printTable(tableOf(summaries, found));
    for (const why of skipped) console.log(`not measured: ${why}`);
    if (delays) printLatency(delays, foundLatency);
    console.log(
      `\ncontrol: the script alone took ${share(spread)} more in one round than in another` +
        (valid ? '' : `\nINVALID: that is more than ${share(CONTROL_SPREAD)}; run it on a machine that does nothing else`),
    );
  }
  conclude(faults);
}

/* exit on a signal, which ends all children */
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    log(`ended by ${signal}`);
    process.exit(1);
  });
await (has('--hour') ? hour() : main());
