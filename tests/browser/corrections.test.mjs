// Corrections on the pages: attempts, tags, session facts; deletion in the library.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { build, Recorder, sleep, stats, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, openPage, useBrowser } from '../harness/pages/pages.mjs';

const run = promisify(execFile);

useBrowser({ screen: [800, 600] });

test('replay: the moderator corrects attempt, tag and session; a reviewer only their own layer; the library deletes', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  const session = await recorder.begin();
  const folder = join(recorder.library, session);
  const things = async (thing) =>
    JSON.parse((await run(join(build, 'uxrec'), ['amend', folder, '--json'])).stdout).filter((one) => one.thing === thing);
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('tag', 's');
  await sleep(1500);
  await recorder.uxrec('stop', '--outcome', 'failed');
  const [live] = await things('tag');
  const url = (role) => `http://127.0.0.1:${recorder.port}/replay?session=${session}#${recorder.token(role)}`;
  const page = await openPage(browser, url('moderate'));
  await until(async () => (await stats(page)).state === 'stopped', 'the replay');
  /* the attempt */
  await page.keyboard.press('End');
  await page.getByRole('button', { name: 'Expand the task', exact: true }).click();
  await page.getByRole('button', { name: 'Correct…' }).click();
  const attempt = page.getByRole('group', { name: 'Correct the attempt' });
  await attempt.getByLabel('Outcome').selectOption('completed with assist');
  await page.locator('.taskpanel .outcome', { hasText: 'completed with assist' }).waitFor();
  await page.keyboard.press('Escape');
  await until(() => page.evaluate(() => document.activeElement?.textContent === 'Correct…'), 'the focus back');
  await page.keyboard.press('Enter');
  await attempt.getByRole('button', { name: 'Begin later by 0.2 s' }).click();
  await attempt.getByRole('button', { name: 'Restore live times' }).waitFor();
  await until(async () => (await things('attempt'))[0].begin_ns > 0, 'the corrected begin');
  const [corrected] = await things('attempt');
  assert.equal(corrected.begin_ns - corrected.live_begin_ns, 200e6);
  assert.equal(corrected.outcome, 'completed_with_assist');
  await checkAccessibility(page, 'correcting an attempt');
  await attempt.getByRole('button', { name: 'Close' }).click();
  /* a tag: moved, removed and restored */
  await page.getByRole('button', { name: /^Change Slip/ }).click();
  await page.getByLabel('Impact').selectOption('3 major');
  await page.getByRole('button', { name: 'Time later by 0.2 s' }).click();
  await until(async () => (await things('tag'))[0].media_ns > live.media_ns, 'the moved tag');
  const [moved] = await things('tag');
  assert.deepEqual([moved.impact, moved.layer, moved.media_ns - live.media_ns], ['major', 'live', 200e6]);
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('Removed: Slip').first().waitFor();
  await until(async () => (await things('tag')).length === 0, 'no tag');
  await page.keyboard.press('Shift+Z');
  await until(async () => (await things('tag')).length === 1, 'the tag again');
  assert.equal((await things('tag'))[0].media_ns, moved.media_ns);
  /* the session */
  await page.getByRole('button', { name: 'Session…' }).click();
  const details = page.getByRole('dialog', { name: 'Session details' });
  await details.getByRole('textbox', { name: 'Participant' }).fill('P07');
  await details.getByLabel('Segment').fill('novice');
  await details.getByLabel('Think-aloud').selectOption('concurrent');
  await details.getByLabel('excluded from the metrics').check();
  await details.getByText('Enter a reason for the exclusion.').waitFor();
  await details.getByLabel('Reason').fill('the prototype broke');
  await checkAccessibility(page, 'session details');
  await details.getByRole('button', { name: 'Save' }).click();
  await details.waitFor({ state: 'detached' });
  const [info] = await things('session');
  assert.deepEqual(
    [info.participants, info.segment, info.thinking, info.excluded, info.excluded_reason],
    [['P07'], 'novice', 'concurrent', true, 'the prototype broke'],
  );
  assert.equal((await things('attempt'))[0].participant, 'P07');
  await close(page);
  /* a reviewer can change neither the attempt nor a live tag */
  const reviewer = await openPage(browser, url('library'));
  await reviewer.locator('li.mark', { hasText: 'Slip' }).waitFor();
  await reviewer.getByRole('button', { name: 'Expand the task', exact: true }).click();
  assert.equal(await reviewer.getByRole('button', { name: /Correct…|Session…|^Change Slip/ }).count(), 0);
  await close(reviewer);
  const library = await openPage(browser, `http://127.0.0.1:${recorder.port}/library#${recorder.token('moderate')}`);
  await library.getByRole('button', { name: /^Actions: P07/ }).click();
  await library.getByRole('menuitem', { name: 'Delete…' }).click();
  const dialog = library.getByRole('dialog', { name: 'Delete this session permanently?' });
  assert.ok(await dialog.getByRole('button', { name: 'Delete session' }).isDisabled());
  await dialog.getByRole('textbox').fill('P07');
  await checkAccessibility(library, 'deleting');
  /* Enter in the field does not delete */
  await library.keyboard.press('Enter');
  await library.getByText(/^Enter does not press/).waitFor();
  assert.equal(recorder.sessions().length, 1);
  await dialog.getByRole('button', { name: 'Delete session' }).click();
  await library.getByText('No session yet').waitFor();
  assert.deepEqual(recorder.sessions(), []);
  await close(library);
  await recorder.end();
});
