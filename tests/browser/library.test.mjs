// The library page: table, actions, files, print.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { build, Client, isLong, QUIET, Recorder, sleep, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, openPage, useBrowser } from '../harness/pages/pages.mjs';

const run = promisify(execFile);
const MS = 1_000_000n;
const BEGIN_NS = 1_790_000_000_000n * MS;
const WHOLE = 2, UNFINISHED = 3, UNREADABLE = 5;
/* of LostTime.Part */
const SCREEN = 2, SOUND = 6;

useBrowser({ screen: [800, 600] });

const open = (recorder, role, options) =>
  openPage(browser, `http://127.0.0.1:${recorder.port}/library${options?.search ?? ''}#${recorder.token(role)}`, options);

/** A library page with a given list of sessions. */
const openListed = (recorder, role, sessions, options = {}) =>
  open(recorder, role, {
    ...options,
    between: {
      answer: (body) => {
        if (body.case === 'listSessions') return { case: 'sessionList', value: { sessions } };
        if (body.case === 'getMetrics') return { case: 'failure', value: { code: 61, text: 'nobody has coded in it' } };
        return undefined;
      },
    },
  });

/** A row of the list. @param i  determines id, participant and begin */
const rowOf = (i, more = {}) => ({
  session: `20260101-${String(i).padStart(6, '0')}-abcd`,
  study: 'Checkout',
  participants: [`P${i}`],
  segment: i % 2 ? 'novice' : 'expert',
  beginNs: BEGIN_NS + BigInt(i) * 3600_000n * MS,
  endNs: BEGIN_NS + BigInt(i) * 3600_000n * MS + 1_800_000n * MS,
  attempts: 5,
  completed: i % 6,
  tags: 12,
  health: WHOLE,
  recorded: ['screen'],
  ...more,
});

const counted = (page, text) => page.locator('.sessions [role=status]', { hasText: text }).waitFor();

const names = (page) => page.locator('tbody th a').allTextContents();

async function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

test('library: a session is excluded, a pilot, renamed, and all of it undone, by keyboard; its files are the command’s', async () => {
  const recorder = await Recorder.start(['--input', 'x11', '--sound', 'tone'], desktop.env);
  const session = await recorder.begin('paper:screen,input,sound');
  const folder = join(recorder.library, session);
  const uxrec = (...command) => run(join(build, 'uxrec'), command, { encoding: 'buffer' });
  const info = async () => JSON.parse((await uxrec('amend', folder, '--json')).stdout).find(({ thing }) => thing === 'session');
  const outcomes = async () => JSON.parse((await uxrec('amend', folder, '--json')).stdout).filter(({ thing }) => thing === 'attempt');
  await recorder.uxrec('task', 'start', 'find');
  desktop.do('move 200 150 50', 'click', 'type hi');
  await recorder.uxrec('tag', 's', '--note', '=1+1, "seen"');
  await sleep(1200);
  const running = await open(recorder, 'moderate');
  const top = running.getByRole('region', { name: 'Running session' });
  await top.locator('.badge', { hasText: 'Recording' }).waitFor();
  await top.getByText(/^\d+:\d\d$/).waitFor();
  assert.equal(await top.getByRole('link', { name: 'Moderate' }).getAttribute('href'), 'moderate');
  assert.equal(await running.getByRole('link', { name: 'New session' }).count(), 0);
  await recorder.uxrec('stop', '--outcome', 'failed');
  await top.waitFor({ state: 'detached' });
  await close(running);
  writeFileSync(join(folder, 'transcript.vtt'), 'WEBVTT\n\n00:00.100 --> 00:00.500\n<v Ana>Hello\n');
  const page = await open(recorder, 'moderate');
  await page.getByRole('link', { name: 'New session' }).waitFor();
  const button = page.getByRole('button', { name: /^Actions: P01/ });
  const menu = page.getByRole('menu');
  const choose = async (name) => {
    await button.focus();
    await page.keyboard.press('ArrowDown');
    await menu.waitFor();
    await page.keyboard.press(name[0].toLowerCase());
    while ((await page.evaluate(() => document.activeElement?.textContent)) !== name) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
  };
  /* menu: arrows wrap around, Escape restores the focus */
  await button.focus();
  await page.keyboard.press('ArrowUp');
  await until(() => page.evaluate(() => document.activeElement?.textContent === 'Delete…'), 'the last item');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Exclude…');
  await checkAccessibility(page, 'the menu');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-haspopup')), 'menu');
  /* exclude, with a reason */
  await choose('Exclude…');
  const exclude = page.getByRole('dialog', { name: /^Exclude P01/ });
  assert.ok(await exclude.getByRole('button', { name: 'Exclude' }).isDisabled());
  await exclude.getByLabel('Reason').fill('the prototype broke');
  await checkAccessibility(page, 'excluding');
  await page.keyboard.press('Enter');
  await page.getByText('excluded: the prototype broke').waitFor();
  assert.deepEqual([(await info()).excluded, (await info()).excluded_reason], [true, 'the prototype broke']);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText(/^Included again: P01/).waitFor();
  await until(async () => (await info()).excluded === false, 'the session included');
  assert.equal((await info()).excluded_reason, '');
  /* pilot */
  await choose('Mark as pilot');
  await page.getByText(/^Marked as pilot/).waitFor();
  assert.equal((await info()).pilot, true);
  await page.locator('tbody .pill', { hasText: 'pilot' }).waitFor();
  await choose('Unmark as pilot');
  await page.getByText(/^Unmarked as pilot: P01/).waitFor();
  assert.equal((await info()).pilot, false);
  /* rename in all acts, and undo */
  await choose('Rename…');
  const rename = page.getByRole('dialog', { name: /^Rename P01/ });
  await rename.getByLabel('Participant').fill('P/');
  await rename.getByText(/^It begins with a letter or a digit/).waitFor();
  await rename.getByLabel('Participant').fill('P07');
  await rename.getByLabel('Segment').fill('novice');
  await page.keyboard.press('Enter');
  await page.getByText(/participant P01 → P07, segment \(none\) → novice/).waitFor();
  await page.getByRole('link', { name: 'P07' }).waitFor();
  assert.deepEqual([(await info()).participants, (await info()).segment], [['P07'], 'novice']);
  assert.equal((await outcomes())[0].participant, 'P07');
  const ids = (await info()).participant_ids;
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('link', { name: 'P01' }).waitFor();
  assert.deepEqual([(await info()).participants, (await info()).segment], [['P01'], '']);
  assert.equal((await outcomes())[0].participant, 'P01');
  assert.deepEqual(ids, []);
  /* files of page and command are byte-identical */
  await choose('Export…');
  const dialog = page.getByRole('dialog', { name: /^Export P01/ });
  const fetched = async (label) => {
    await dialog.getByLabel(label).check();
    const [file] = await Promise.all([page.waitForEvent('download'), dialog.getByRole('button', { name: 'Download' }).click()]);
    await dialog.getByText(`Downloaded: ${file.suggestedFilename()}`).waitFor();
    return [file.suggestedFilename(), readFileSync(await file.path())];
  };
  for (const [label, table] of [[/^Tags/, 'tags'], [/^Notes/, 'notes'], [/^Attempts/, 'attempts'], [/^Events/, 'events']]) {
    const out = join(recorder.folder, `${table}.csv`);
    await uxrec('export', folder, '--to', 'csv', '--table', table, '-o', out);
    const [name, content] = await fetched(label);
    assert.equal(name, `${session}-${table}.csv`);
    assert.ok(content.equals(readFileSync(out)), `${table}: ${content} is not ${readFileSync(out)}`);
  }
  const tags = readFileSync(join(recorder.folder, 'tags.csv'), 'utf8');
  assert.match(tags, /,slip,Slip,error,find,1,,,,"'=1\+1, ""seen""",moderator,live,room\r\n/);
  assert.match(readFileSync(join(recorder.folder, 'events.csv'), 'utf8'), /,click,1,1,200,150,/);
  const vtt = join(recorder.folder, 'out.vtt');
  await uxrec('transcript', folder, '--export', vtt);
  assert.ok((await fetched('Transcript (WebVTT)'))[1].equals(readFileSync(vtt)));
  assert.ok((await fetched('Transcript (JSON)'))[1].equals((await uxrec('transcript', folder, '--json')).stdout));
  const command = await dialog.locator('code').textContent();
  assert.ok(command.startsWith(`uxrec export '`) && command.includes(`/${session}' --to mp4 -o `), command);
  await checkAccessibility(page, 'exporting');
  /* parts without consent are refused with a reason */
  await uxrec('withdraw', folder, '--modality', 'input');
  await uxrec('withdraw', folder, '--use', 'clips');
  await dialog.getByLabel(/^Events/).check();
  await dialog.getByRole('button', { name: 'Download' }).click();
  await dialog.getByText(/Not exported: the table of events is refused: the consent does not cover input/).waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await choose('Export…');
  await dialog.getByText(/^a film is refused: /).waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await close(page);
  /* a reviewer can export, but not change */
  const reviewer = await open(recorder, 'library');
  await reviewer.getByRole('button', { name: /^Actions: P01/ }).click();
  assert.deepEqual(await reviewer.getByRole('menuitem').allTextContents(), ['Export…']);
  assert.equal(await reviewer.getByRole('link', { name: 'New session' }).count(), 0);
  await close(reviewer);
  const observer = await Client.open(recorder, 'live', 'Eve');
  assert.equal((await observer.ask({ case: 'exportSession', value: { session, part: 1 } })).value.code, 13);
  observer.end();
  await recorder.end();
});

test('library: 3000 sessions are sorted and filtered by every column, the address keeps it, and few rows are in the page', async (t) => {
  const recorder = await Recorder.start(QUIET);
  const sessions = Array.from({ length: 3000 }, (_, i) => rowOf(i));
  sessions[7] = rowOf(7, {
    recorded: ['screen', 'input', 'sound'],
    lost: [
      { part: SCREEN, lostNs: 2100n * MS, gaps: 1 },
      { part: SOUND, lostNs: 400n * MS, gaps: 231 },
    ],
    pausedNs: 65_000n * MS,
    layers: ['live', 'coder:Ana', 'coder:Ben'],
    coding: [{ tags: 4 }, { tags: 9, finished: true, changedNs: BEGIN_NS }, { tags: 3, changedNs: BEGIN_NS }],
  });
  sessions[8] = rowOf(8, { pilot: true });
  sessions[9] = rowOf(9, { health: UNFINISHED, excluded: true, excludedReason: 'no consent form' });
  const page = await openListed(recorder, 'library', sessions);
  const begunMs = performance.now();
  await counted(page, /^3000 sessions/);
  await page.getByRole('link', { name: 'P2999' }).waitFor();
  assert.equal((await names(page))[0], 'P2999');
  assert.ok((await page.locator('tbody tr').count()) <= 500);
  t.diagnostic(`3000 sessions are shown after ${Math.round(performance.now() - begunMs)} ms`);
  /* scrolling adds rows */
  await page.locator('.rowsend').scrollIntoViewIfNeeded();
  await until(async () => (await page.locator('tbody tr').count()) >= 300, 'more rows');
  /* sort by the header, with numbers in natural order */
  await page.getByRole('button', { name: 'Participant' }).click();
  assert.deepEqual((await names(page)).slice(0, 3), ['P0', 'P1', 'P2']);
  await page.getByRole('button', { name: 'Lost time', exact: true }).click();
  assert.equal((await names(page))[0], 'P7');
  const row = page.locator('tbody tr').first();
  assert.equal(await row.locator('.col-lost').innerText(), 'screen 2.1 s, sound 400 ms in 231 gaps, input 0\npaused 1:05 min');
  assert.match(await row.locator('.col-coding').innerText(), /^live 4\s+Ana 9 finished\s+Ben 3 not finished, last \d\d-\d\d \d\d:\d\d$/);
  await page.getByRole('button', { name: 'Coding', exact: true }).click();
  assert.equal((await names(page))[0], 'P7');
  /* "/" and words of any column */
  await page.keyboard.press('/');
  const typedMs = performance.now();
  await page.keyboard.type('novice P29');
  await counted(page, /^56 of 3000 sessions/);
  t.diagnostic(`filtered ${Math.round(performance.now() - typedMs)} ms after ten keys`);
  await page.keyboard.press('Escape');
  await counted(page, /^3000 sessions/);
  await page.getByRole('button', { name: 'pilot 1 session' }).click();
  assert.deepEqual(await names(page), ['P8']);
  await page.getByRole('button', { name: 'not whole 1 session' }).click();
  await page.getByRole('button', { name: 'novice 1500 sessions' }).click();
  assert.deepEqual(await names(page), ['P9']);
  await page.getByText('excluded: no consent form').waitFor();
  assert.match(page.url(), /\?sort=coding\.down&segment=novice&state=pilot&state=broken$/);
  await page.reload();
  await until(async () => (await names(page)).join() === 'P9', 'the same filter after a reload');
  /* no match */
  await page.getByRole('searchbox').fill('nobody');
  await page.getByText('No session matches “nobody”, segment novice, pilot or not whole.').waitFor();
  await checkAccessibility(page, 'an empty filter');
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await counted(page, /^3000 sessions/);
  await close(page);
  await recorder.end();
});

test('library: sessions that cannot be opened and studies that cannot be used are named in plain words', async () => {
  const recorder = await Recorder.start(QUIET);
  mkdirSync(join(recorder.library, '20260102-000000-abcd'), { recursive: true });
  symlinkSync('/etc', join(recorder.library, '20260103-000000-abcd'));
  mkdirSync(join(recorder.library, '20260104-000000-abcd'));
  writeFileSync(join(recorder.library, '20260104-000000-abcd', 'recording-0001.mcap'), 'nothing of ours');
  writeFileSync(join(recorder.folder, 'bad.yaml'), 'study: Bad\ntasks:\n\t- {id: x}\n');
  const page = await open(recorder, 'moderate');
  const health = async (id) => (await page.locator('tr', { hasText: id }).locator('.col-health').innerText()).replace(/\s+/g, ' ');
  await page.getByText('20260102').waitFor();
  assert.equal(await health('20260102'), 'cannot be opened its folder has no recording');
  assert.match(await health('20260103'), /^cannot be opened it is a symbolic link/);
  assert.match(await health('20260104'), /^cannot be opened recording-0001\.mcap: not a session file/);
  assert.ok(!(await page.locator('main').innerText()).includes(recorder.library), 'no path of the recorder’s machine');
  await page.getByText(/^bad\.yaml, line 3, column 1: .*a tab/).waitFor();
  await page.getByText('No metrics: no session belongs to a study.').waitFor();
  await page.getByText(/Browser study.*: metrics appear here after the first session/).waitFor();
  await page.getByRole('button', { name: /^Actions: 20260102/ }).click();
  assert.deepEqual(
    await page.getByRole('menuitem').evaluateAll((items) => items.map((item) => [item.textContent, item.ariaDisabled])),
    [
      ['Exclude…it cannot be opened', 'true'],
      ['Mark as pilotit cannot be opened', 'true'],
      ['Rename…it cannot be opened', 'true'],
      ['Export…it cannot be opened', 'true'],
      ['Delete…', 'false'],
    ],
  );
  await page.keyboard.press('Escape');
  await checkAccessibility(page, 'a library of bad sessions');
  await close(page);
  await recorder.end();
});

const LONG = 'Wiederaufnahmeverfahrensvorbereitungsgesellschaft';

test('library: long names fit on every screen, light and dark', async () => {
  const recorder = await Recorder.start(QUIET);
  const sessions = [
    rowOf(1, { participants: ['W'.repeat(100)], segment: LONG, study: `${LONG} ${LONG}`, excluded: true, excludedReason: LONG }),
    rowOf(2, { layers: [`coder:${'W'.repeat(60)}`], coding: [{ tags: 4, changedNs: BEGIN_NS }] }),
    rowOf(3, { health: UNREADABLE, trouble: `/library/20260101-000003-abcd/${LONG}: Permission denied`, beginNs: 0n, endNs: 0n, recorded: [] }),
  ];
  const more = isLong ? [[844, 390, 'dark'], [1366, 768, 'light'], [1920, 1080, 'light']] : [];
  for (const [width, height, colorScheme] of [[390, 844, 'light'], [1280, 800, 'dark'], ...more]) {
    const page = await openListed(recorder, 'moderate', sessions, { viewport: { width, height }, colorScheme });
    await counted(page, /^3 sessions/);
    assert.ok((await overflow(page)) <= 0, `${await overflow(page)} px too wide at ${width}`);
    const clipped = await page.locator('tbody tr').evaluateAll((rows) =>
      rows.flatMap((row) => [...row.children].filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.className)),
    );
    assert.deepEqual(clipped, [], `cells at ${width}`);
    await checkAccessibility(page, `library at ${width}`);
    await close(page);
  }
  await recorder.end();
});

test('library: its print is a document without an empty page, with every column and every row', async (t) => {
  if (spawnSync('pdftotext', ['-v']).error) {
    t.skip('pdftotext is not installed');
    return;
  }
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:screen');
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('stop', '--outcome', 'completed');
  const sessions = [
    ...Array.from({ length: 149 }, (_, i) => rowOf(i, i % 2 ? { study: LONG, participants: [`P${i}`, 'W'.repeat(60)] } : {})),
    rowOf(149, { session, study: 'Browser study', lost: [{ part: SCREEN, lostNs: 2100n * MS, gaps: 1 }] }),
  ];
  const page = await open(recorder, 'library', {
    colorScheme: 'dark',
    between: { answer: (body) => (body.case === 'listSessions' ? { case: 'sessionList', value: { sessions } } : undefined) },
  });
  await page.getByRole('article', { name: /^Find/ }).waitFor();
  const printed = async (name) => {
    const path = join(recorder.folder, name);
    await page.pdf({ path, preferCSSPageSize: true });
    const { stdout } = await run('pdftotext', ['-layout', path, '-']);
    return stdout.split('\f').slice(0, -1);
  };
  const pages = await printed('library.pdf');
  for (const text of pages) assert.ok(text.replace(/uxrec library|\d+ ?\/ ?\d+/g, '').trim().length > 40, 'a page is empty');
  assert.match(pages[0], /uxrec library: sessions\s+printed \d{4}-\d\d-\d\d \d\d:\d\d/);
  assert.match(pages[0], /150 sessions; by date, descending/);
  for (const text of pages.slice(0, 2))
    for (const column of ['Participant', 'Segment', 'Study', 'Date', 'Length', 'Tasks', 'Tags', 'Coding', 'Lost time', 'Health'])
      assert.ok(text.includes(column), `${column} on every page`);
  const whole = pages.join('');
  for (const i of [0, 75, 148, 149]) assert.match(whole, new RegExp(`\\bP${i}\\b`));
  assert.match(whole, /screen 2\.1 s/);
  assert.match(whole, /From the layer live/);
  assert.ok(!/New session|Clear|Print this study|⋯/.test(whole), 'no controls');
  assert.equal(pages.length, Number(/\b1 ?\/ ?(\d+)\s*$/.exec(pages[0])?.[1]));
  /* a dark screen prints light */
  await page.emulateMedia({ media: 'print' });
  const [paper, ink] = await page.evaluate(() => {
    const { backgroundColor } = getComputedStyle(document.body);
    return [backgroundColor, getComputedStyle(document.querySelector('tbody td')).color];
  });
  assert.match(paper, /rgba\(0, 0, 0, 0\)|rgb\(2\d\d, 2\d\d, 2\d\d\)/);
  assert.equal(ink, 'rgb(18, 32, 31)');
  await page.emulateMedia({ media: null });
  /* a single study */
  await page.evaluate(() => {
    window.print = () => undefined;
  });
  await page.locator('.study', { hasText: 'Browser study' }).getByRole('button', { name: 'Print this study…' }).click();
  const study = (await printed('study.pdf')).join('');
  assert.match(study, /uxrec library: study Browser study\s+printed/);
  assert.match(study, /success, all tasks/);
  assert.ok(!study.includes('P75') && !study.includes('Participant'), 'the sessions are left out');
  await close(page);
  await recorder.end();
});
