// Consent on the pages: its uses, withdrawal, and the view after it.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Recorder, sleep, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

useBrowser();

const consents = async (recorder, session) =>
  (await recorder.uxrec('dump', join(recorder.library, session, 'annotations.mcap'), '--json'))
    .split('\n')
    .map((line) => JSON.parse(line).message)
    .filter(({ consent, withdrawal }) => consent ?? withdrawal);

test('the moderator asks for uses, and a withdrawal is asked twice, shown everywhere and undone', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--fps', '5', '--input', 'none']);
  const page = await openPage(browser, recorder.links.moderate);
  await page.getByRole('textbox', { name: 'Participant' }).fill('P01');
  const uses = ['analysis by the team', 'live observation', 'showing excerpts', 'publishing excerpts'].map((words) => page.getByLabel(words));
  assert.deepEqual(await Promise.all(uses.map((use) => use.isChecked())), [true, true, false, false]);
  /* the list of studies shifts the boxes on arrival */
  await until(async () => (await page.locator('#start-missing').textContent()) === '', 'the study');
  await uses[0].uncheck();
  await uses[1].uncheck();
  assert.ok(await page.getByRole('button', { name: 'Start recording' }).isDisabled(), 'a consent to nothing');
  await uses[0].check();
  await uses[2].check();
  await page.getByRole('button', { name: 'Start recording' }).click();
  await live(page);
  const session = await until(() => readdirSync(recorder.library).find((name) => /^\d{8}-/.test(name)), 'the session');
  const [given] = await consents(recorder, session);
  assert.deepEqual(given.consent.uses, ['analysis', 'clips']);
  await sleep(1000);

  /* withdraw all of the running session, with two confirmations */
  await page.getByRole('button', { name: 'Withdraw…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Next' }).click();
  await dialog.getByText('Nothing of this session will be shown, exported or counted. The recording ends now.').waitFor();
  await checkAccessibility(page);
  await dialog.getByRole('button', { name: 'Withdraw consent' }).click();
  await page.getByText(/is complete \(the participant has withdrawn their consent\)/).waitFor();
  await close(page);

  /* the replay has a page for it, the library a badge */
  const replay = await openPage(browser, recorder.replayLink(session).replace(recorder.token('library'), recorder.token('moderate')));
  await replay.getByRole('heading', { name: 'Consent was withdrawn' }).waitFor();
  assert.equal(await replay.locator('canvas').count(), 0);
  await checkAccessibility(replay);
  /* code keys set no tag on a hidden session */
  await replay.keyboard.press('m');
  await replay.locator('.keyhint', { hasText: 'this session is not shown' }).waitFor();
  const library = await openPage(browser, recorder.links.library);
  await library.getByText('withdrawn', { exact: true }).waitFor();
  await close(library);

  /* undo, with two confirmations; then withdraw the screen only: open pages are notified at once */
  await replay.getByRole('button', { name: 'Undo the withdrawal…' }).click();
  await replay.getByRole('button', { name: /^Yes/ }).click();
  await replay.getByRole('button', { name: 'Withdraw…' }).waitFor();
  await replay.getByRole('button', { name: 'Withdraw…' }).click();
  await replay.getByRole('dialog').getByLabel('clicks and keys').uncheck();
  await replay.getByRole('dialog').getByRole('button', { name: 'Next' }).click();
  await replay.getByText('the screen, the sound will no longer be shown, exported or counted.').waitFor();
  await replay.getByRole('dialog').getByRole('button', { name: 'Withdraw consent' }).click();
  await until(async () => (await consents(recorder, session)).some(({ withdrawal }) => withdrawal?.modalities?.join() === 'screen,sound') || undefined, 'the act');
  await close(replay);
  await recorder.end();
});
