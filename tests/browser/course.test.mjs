// The moderator page during a session: reading, task clock, interruptions, phases, stop.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Recorder, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

useBrowser({ screen: [800, 600] });

const STUDY = `study: Course
codes:
  - {id: idea, key: i, name: Idea}
  - {id: praise, key: p, name: Praise}
tasks:
  - {id: find, title: Find the invoice, time_limit_s: 2}
  - {id: pay, title: Pay it}
`;

const seconds = (text) => text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);

test('moderate by keyboard: ready, interruption, phase, time limit; a stop asks for the running task’s outcome', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  writeFileSync(recorder.study, STUDY);
  const session = await recorder.begin();
  const status = async () => JSON.parse(await recorder.uxrec('status', '--json'));
  const page = await openPage(browser, recorder.links.moderate);
  await live(page);
  await page.keyboard.press('Shift+Digit2');
  await page.getByRole('button', { name: 'warm-up', pressed: true }).waitFor();
  await page.keyboard.press('t');
  await page.getByRole('button', { name: /Ready, begins now/ }).waitFor();
  assert.ok(await page.getByRole('button', { name: /End task/ }).isVisible());
  await page.keyboard.press('t');
  await until(async () => (await status()).attempt_reading_ns > 0, 'the participant to be ready');
  await page.getByRole('button', { name: /Ready, begins now/ }).waitFor({ state: 'detached' });
  /* Shift with a code's letter sets no tag */
  await page.keyboard.press('Shift+I');
  const banner = page.getByRole('region', { name: 'Interruption' });
  await banner.waitFor();
  assert.equal(await page.locator('li.mark').count(), 0);
  const clock = page.locator('.rail .taskclock .figure');
  await page.locator('.rail').getByText('interrupted: clock stopped').waitFor();
  await banner.getByLabel('Kind of the interruption').selectOption('external');
  await banner.getByLabel('Note on the interruption').fill('fire alarm');
  await page.keyboard.press('Enter');
  await until(async () => (await banner.getByRole('button', { name: 'Save' }).count()) === 0, 'the note');
  const stood = seconds((await clock.textContent()).split(' / ')[0]);
  await checkAccessibility(page, 'interrupted');
  await page.keyboard.press('Escape');
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('Shift+P');
  await page.getByRole('heading', { name: 'Paused' }).waitFor();
  await page.keyboard.press('Shift+P');
  await until(async () => (await status()).state === 'recording', 'recording again');
  assert.equal(seconds((await clock.textContent()).split(' / ')[0]), stood);
  await page.keyboard.press('Shift+I');
  await banner.waitFor({ state: 'detached' });
  await page.keyboard.press('i');
  await page.locator('li.mark', { hasText: 'Idea' }).waitFor();
  await page.locator('.rail').getByText(/over the limit by 0:0\d/).waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  const question = page.getByRole('region', { name: 'End the session?' });
  await question.getByRole('group', { name: 'How did “Find the invoice” end?' }).waitFor();
  const end = question.getByRole('button', { name: 'End the session' });
  assert.equal(await end.isDisabled(), true);
  assert.match(await question.getByRole('list', { name: 'Unfinished' }).textContent(), /Not attempted: Pay it/);
  await checkAccessibility(page, 'stop with a task running');
  await page.keyboard.press('Escape');
  await question.waitFor({ state: 'detached' });
  await until(() => page.evaluate(() => document.activeElement?.textContent?.includes('Stop')), 'the focus back');
  await page.keyboard.press('Enter');
  await question.getByRole('radio', { name: 'failed' }).check();
  await end.click();
  await page.getByRole('link', { name: 'Open replay' }).waitFor();
  const things = JSON.parse(await recorder.uxrec('amend', join(recorder.library, session), '--json'));
  assert.equal(things.find(({ thing }) => thing === 'attempt').outcome, 'failed');
  const interruption = things.find(({ thing }) => thing === 'interruption');
  assert.deepEqual([interruption.kind, interruption.note], ['external', 'fire alarm']);
  assert.ok(interruption.to_ns && interruption.stops_clock);
  await close(page);
  await recorder.end();
});
