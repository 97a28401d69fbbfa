// Random studies, computed by uxrec and by an independent program.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { build, isLong } from '../../harness/pages/lab.mjs';
import { metricsOf } from '../../harness/pages/oracle.mjs';

const run = promisify(execFile);
/* every act is synced */
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'uxrec-oracle-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const STUDY = {
  yaml: `study: Random
tasks:
  - {id: find, title: Find it, time_limit_s: 60, opportunities: [{id: menu}, {id: date}, {id: sort}, {id: open}]}
  - {id: pay, title: Pay it, opportunities: [{id: card}, {id: sum}]}
  - {id: send, title: Send it}
  - {id: rare, title: Seldom reached, opportunities: [{id: way}]}
`,
  tasks: { find: { places: ['menu', 'date', 'sort', 'open'] }, pay: { places: ['card', 'sum'] }, send: { places: [] }, rare: { places: ['way'] } },
  codes: { slip: 'error', mistake: 'error', omission: 'error', assist: 'assist', hesitation: 'observation' },
  coders: ['coder:Ben', 'coder:Cleo'],
};
const PEOPLE = { Ana: 'a', Ben: 'b', Cleo: 'c', Dora: 'd', Emil: 'e' };
const principalOf = (name) => PEOPLE[name].repeat(32);

function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    whether: (chance) => next() < chance,
    below: (count) => Math.floor(next() * count),
    of: (list) => list[Math.floor(next() * list.length)],
    at: (from, to) => Math.round((from + next() * (to - from)) * 1000) / 1000,
    hex: (digits) => Array.from({ length: digits }, () => Math.floor(next() * 16).toString(16)).join(''),
  };
}

/* Sums of whole milliseconds stay exact. */
const ms = (seconds) => Math.round(seconds * 1000) / 1000;

function makeAttempts(random, session, label, id) {
  let at = 5;
  for (const task of Object.keys(STUDY.tasks)) {
    if (task === 'rare' && random.whether(0.85)) continue;
    let number = 0;
    do {
      const length = random.at(5, 70);
      const outcome = random.of([1, 1, 1, 1, 2, 3, 3, 4, 5, 6, 7, 0]);
      const overlap = random.whether(0.1) ? ms(length / 2) : 0;
      session.attempts.push({
        id: random.hex(32), layer: 'live', participant: label, participantId: random.whether(0.5) ? id : '', task, number: ++number,
        from: at, to: ms(at + length), outcome, failure: outcome === 3 && task === 'find' && random.whether(0.6) ? 2 : 0,
      });
      at = ms(at + length - overlap + random.at(1, 5));
    } while (random.whether(session.attempts.at(-1).outcome === 5 ? 0.8 : 0.05));
  }
  return at;
}

function makeTag(random, session, layer, author, end) {
  const attempt = random.whether(0.6) ? random.of(session.attempts) : undefined;
  const at = attempt ? random.at(attempt.from, attempt.to) : random.at(1, end);
  const places = STUDY.tasks[attempt?.task]?.places ?? [];
  session.tags.push({
    layer, author, at, code: random.of(['slip', 'slip', 'mistake', 'omission', 'assist', 'hesitation', random.whether(0.05) ? 'unknown' : 'slip']),
    place: places.length && random.whether(0.6) ? random.of(places) : random.whether(0.05) ? 'misspelt' : random.judges || random.whether(0.7) ? '!' : '',
    attempt: attempt && random.whether(0.5) ? attempt.id : random.whether(0.02) ? random.hex(32) : '',
  });
}

/* observers mark the same moments, each with some jitter */
function makeLive(random, session, end) {
  for (let i = random.below(8); i > 0; i--) makeTag(random, session, 'live', 'Ana', end);
  for (const author of ['Dora', 'Emil'])
    for (const tag of session.tags.filter((one) => one.author === 'Ana'))
      if (random.whether(0.7))
        session.tags.push({ ...tag, author, at: Math.max(1, ms(tag.at + random.at(-1.6, 1.6))), place: random.whether(0.7) ? tag.place : '' });
  if (random.whether(0.3)) makeTag(random, session, 'live', 'Emil', end);
}

function makeScores(random, session, layer, all) {
  for (const attempt of session.attempts)
    for (const place of STUDY.tasks[attempt.task].places)
      if (all || random.whether(0.2)) session.scores.push({ layer, attempt: attempt.id, place, met: random.whether(0.8) });
}

/* the coder corrects some attempts, and tags those of the moderator or their own */
function correct(random, session, layer, author) {
  for (const attempt of session.attempts.filter((one) => one.layer === 'live' && !one.removed))
    if (random.whether(0.1))
      session.attempts.push({ ...attempt, id: random.hex(32), layer, author, to: ms(attempt.to - random.at(0.5, 2)), outcome: random.of([1, 3]) });
}

function makeSession(random, i, seed) {
  const label = `Zo\u00eb ${String(i + 1).padStart(2, '0')}`;
  random.judges = seed % 2 === 0; // every error is judged: at an opportunity or at none
  const spellings = [label, `${label} `, label.normalize('NFD')];
  const id = random.whether(0.5) ? random.hex(32) : '';
  const session = {
    name: `session-${i}`, uuid: random.whether(0.7) ? random.hex(32) : '', participant: random.of(spellings), participantId: id,
    pilot: i === 30, excluded: i === 31, pauses: [], interruptions: [], attempts: [], tags: [], scores: [], finished: [],
  };
  const end = makeAttempts(random, session, random.of(spellings), id);
  for (let k = random.below(3); k > 0; k--) {
    const from = random.at(5, end);
    session.pauses.push([from, ms(from + random.at(1, 8))]);
  }
  for (let k = random.below(3); k > 0; k--) {
    const from = random.at(5, end);
    session.interruptions.push([from, ms(from + random.at(1, 8)), random.whether(0.6)]);
  }
  makeLive(random, session, end);
  makeScores(random, session, 'live', false);
  if (random.whether(0.1)) random.of(session.attempts).removed = true;
  correct(random, session, 'coder:Ben', 'Ben');
  for (let k = random.whether(0.3) ? 0 : random.below(6); k > 0; k--) makeTag(random, session, 'coder:Ben', 'Ben', end);
  makeScores(random, session, 'coder:Ben', seed % 2 === 0);
  session.finished.push('coder:Ben');
  if (random.whether(0.5)) for (let k = 1 + random.below(4); k > 0; k--) makeTag(random, session, 'coder:Cleo', 'Cleo', end);
  return session;
}

/* input of write_study */
function linesOf(session) {
  const lines = [];
  const add = (...fields) => lines.push(fields.map((field) => (field === '' ? '-' : String(field))).join('\t'));
  add('session', session.name, session.uuid, session.participant, session.participantId, Number(session.pilot), Number(session.excluded));
  let by = '';
  const as = (name) => {
    if (by !== name) add('author', name, principalOf(name));
    by = name;
  };
  for (const [from, to] of [...session.pauses].sort((a, b) => a[1] - b[1])) add('pause', from, to);
  as('Ana');
  for (const [from, to, stops] of session.interruptions) add('interruption', from, to, Number(stops));
  for (const one of session.attempts) {
    as(one.author ?? 'Ana');
    add('attempt', one.id, one.layer, one.participant, one.participantId, one.task, one.number, one.from, one.to, one.outcome, one.failure);
  }
  for (const tag of session.tags) {
    as(tag.author);
    add('tag', tag.layer, tag.code, tag.at, tag.place, tag.attempt);
  }
  const scorer = (layer) => (layer === 'live' ? 'Ana' : layer.slice(6));
  for (const score of session.scores) {
    as(scorer(score.layer));
    add('score', score.layer, score.attempt, score.place, Number(score.met));
  }
  for (const layer of session.finished) {
    as(scorer(layer));
    add('finish', layer);
  }
  as('Ana');
  for (const one of session.attempts.filter((attempt) => attempt.removed)) add('remove', one.id);
  return lines;
}

async function write(sessions, library) {
  const yaml = `${library}.yaml`;
  writeFileSync(yaml, STUDY.yaml);
  const child = spawn(join(build, 'tests/tools/write_study'), [yaml, library], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stdin.end(`${sessions.flatMap(linesOf).join('\n')}\n`);
  await new Promise((resolve) => child.once('close', resolve));
  assert.equal(child.exitCode, 0, output);
}

const near = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
let compared = 0;

function compareEstimate(ours, theirs, where) {
  compared++;
  if (!theirs || !ours) return assert.equal(Boolean(ours), Boolean(theirs), where);
  assert.equal(ours.defined, theirs.defined, `${where}: ${JSON.stringify(ours)} and ${JSON.stringify(theirs)}`);
  if (!theirs.defined) return assert.ok(ours.why, where);
  assert.equal(ours.has_interval, theirs.has_interval, `${where}: ${JSON.stringify(ours)} and ${JSON.stringify(theirs)}`);
  if (!theirs.has_interval) assert.ok(ours.why, where);
  for (const name of ['value', 'low', 'high', 'n', 'x', 'n_effective'])
    if (theirs[name] !== undefined) assert.ok(near(ours[name], theirs[name]), `${where}.${name}: ${ours[name]} and ${theirs[name]}`);
  if (ours.has_interval) assert.ok(ours.high > ours.low, where);
}

function compareTask(ours, theirs, where) {
  for (const [name, value] of Object.entries(theirs))
    if (typeof value === 'number') assert.equal(ours[name], value, `${where}.${name}`);
    else compareEstimate(ours[name], value, `${where}.${name}`);
}

const listOf = (outside) => outside.map((one) => one.join(' ')).sort();

function compare(ours, theirs, where) {
  assert.equal(ours.layer, theirs.layer, where);
  assert.equal(ours.left_out.length, theirs.left_out, where);
  assert.equal(ours.attempts.length, theirs.rows.length, where);
  for (const row of theirs.rows) {
    const own = ours.attempts.find((one) => one.attempt === row.attempt && one.session === row.session);
    for (const name of ['errors', 'error_marks', 'unplanned_errors', 'not_judged', 'assists', 'opportunities', 'erred', 'not_met', 'not_scored', 'counts', 'person', 'task'])
      assert.equal(own?.[name], row[name], `${where}: ${name} of ${row.session} ${row.attempt}`);
    assert.ok(near(own.time_s, row.time_s), `${where}: ${own.time_s} s and ${row.time_s} s`);
  }
  assert.deepEqual(
    listOf(ours.outside.map((one) => [one.session, Math.round(one.at_s * 1000) / 1000, one.code, one.counted])),
    listOf(theirs.outside),
    where,
  );
  for (const task of ours.tasks) compareTask(task, theirs.tasks[task.task], `${where} ${task.task || 'all tasks'}`);
  assert.equal(ours.tasks.length, Object.keys(theirs.tasks).length, where);
}

for (let seed = 1; seed <= (isLong ? 100 : 4); seed++)
  test(`thirty participants agree to 1e-9 with an independent program, seed ${seed}`, async (t) => {
    const random = randomOf(seed);
    const library = join(folder, `study-${seed}`);
    const sessions = Array.from({ length: 32 }, (_, i) => makeSession(random, i, seed));
    await run('mkdir', [library]);
    await write(sessions, library);
    /* one session is named twice, two are copied: of format 1 and of format 2 */
    const copied = [sessions.find((one) => one.uuid && !one.pilot && !one.excluded), sessions.find((one) => !one.uuid && !one.pilot && !one.excluded)];
    const all = [...sessions];
    for (const one of copied) {
      cpSync(join(library, one.name), join(library, `${one.name}-copy`), { recursive: true });
      all.push({ ...one, name: `${one.name}-copy`, copyOf: one });
    }
    all.push({ ...sessions[0], copyOf: sessions[0] });
    const paths = all.map((one) => join(library, one.name));
    compared = 0;
    for (const layer of ['', 'live', 'coder:Ben', 'coder:Cleo']) {
      const { stdout } = await run(join(build, 'uxrec'), ['metrics', '--json', ...(layer ? ['--layer', layer] : []), ...paths], { maxBuffer: 1 << 28 });
      compare(JSON.parse(stdout), metricsOf(STUDY, all, layer), `seed ${seed}, layer '${layer}'`);
    }
    t.diagnostic(`${compared} estimates, ${sessions.reduce((sum, one) => sum + one.attempts.length, 0)} attempts, ${sessions.reduce((sum, one) => sum + one.tags.length, 0)} tags`);
    assert.ok(compared > 200);
  });

test('the layer of a study is chosen by command, and stays when an uncoded session comes', async () => {
  const random = randomOf(7);
  const library = join(folder, 'chosen');
  const sessions = Array.from({ length: 3 }, (_, i) => ({ ...makeSession(random, i, 1), name: `20261101-10000${i}-000${i}` }));
  for (const session of sessions)
    Object.assign(session, { tags: session.tags.filter((tag) => tag.layer !== 'coder:Cleo'), pilot: false, excluded: false });
  Object.assign(sessions[2], { finished: [], scores: [], tags: sessions[2].tags.filter((tag) => tag.layer === 'live') });
  sessions[2].attempts = sessions[2].attempts.filter((attempt) => attempt.layer === 'live');
  await run('mkdir', [library]);
  await write(sessions, library);
  const uxrec = async (...command) => (await run(join(build, 'uxrec'), command)).stdout;
  const metrics = async () => JSON.parse(await uxrec('metrics', '--json', ...sessions.map((one) => join(library, one.name))));
  const before = await metrics();
  assert.equal(before.layer, 'live');
  assert.match(before.layer_reason, /coder:Ben has coded 2 of 3 sessions; 'uxrec study layer' chooses one/);
  await assert.rejects(uxrec('study', 'layer', 'Random', '--library', library), { code: 1 });
  await assert.rejects(uxrec('study', 'layer', 'Random', 'coder:Bne', '--library', library), /coder:Ben/);
  await assert.rejects(uxrec('study', 'layer', 'Unknown', 'live', '--library', library), /no session is of a study/);
  assert.match(await uxrec('study', 'layer', 'Random', 'coder:Ben', '--who', 'Ana', '--library', library), /Random: coder:Ben, chosen by Ana, 2/);
  const after = await metrics();
  assert.equal(after.layer, 'coder:Ben');
  assert.equal(after.layer_author, 'Ana');
  assert.equal(after.left_out.length, 1);
  assert.match(after.left_out[0], /^20261101-100002-0002: not coded in coder:Ben/);
  assert.match(await uxrec('metrics', join(library, sessions[0].name)), /layer coder:Ben \(chosen for the study by Ana, 2/);
  assert.match(await uxrec('study', 'layer', 'Random', '--library', library), /coder:Ben, chosen by Ana/);
  assert.equal((await metrics()).layer, 'coder:Ben');
});
