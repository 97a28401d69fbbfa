// Tags and notes while disconnected, and refused ones: no typed text is lost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, frayedLine, Recorder, through, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

useBrowser({ screen: [800, 600] });

const tagsOf = async (recorder, session) => {
  const client = await Client.open(recorder, 'library', 'Judge');
  const opened = await client.ask({ case: 'openSession', value: { session } });
  client.end();
  return opened.value.acts.filter(({ body }) => body.case === 'tag' || body.case === 'note');
};

test('a tag and a note without a connection wait, over a reload too, and are stored once with their times', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  const session = await recorder.begin();
  const cable = await frayedLine(recorder.port);
  const page = await openPage(browser, through(recorder.links.live, cable), { expectErrors: true });
  await live(page);
  await page.keyboard.press('m');
  await page.locator('li.mark:not(.pending)').first().waitFor();
  /* the answer is lost: stored, but unknown to the page */
  cable.loseAnswers();
  await page.keyboard.press('o');
  await until(async () => (await tagsOf(recorder, session)).length === 2, 'the tag in the store');
  const before = await page.evaluate(() => window.uxrec.stats.presentationTimeNs);
  cable.unplug();
  await page.getByRole('heading', { name: 'No answer from the recorder' }).waitFor();
  await page.keyboard.press('s');
  await page.keyboard.press('3');
  await page.keyboard.press('h');
  await page.keyboard.press('z');
  await page.keyboard.press('n');
  await page.keyboard.type('while it was down');
  await page.keyboard.press('Enter');
  await page.locator('li.mark', { hasText: 'while it was down' }).getByText('waiting for the connection').waitFor();
  await until(async () => (await page.locator('li.mark', { hasText: 'waiting for the connection' }).count()) === 3, 'three rows that wait');
  await page.getByText('3 tags and notes wait for the connection').waitFor();
  await checkAccessibility(page, 'waiting');
  /* the reloaded page sends the acts kept by the tab */
  const kept = await page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith('uxrec.waiting.')));
  assert.deepEqual(kept, [`uxrec.waiting.${session}`]);
  await page.evaluate(() => (window.WebSocket = undefined));
  cable.plug();
  await page.reload();
  await until(async () => (await tagsOf(recorder, session)).length === 4, 'what waited');
  await page.locator('li.mark', { hasText: 'while it was down' }).waitFor();
  await until(async () => (await page.locator('.waiting').count()) === 0, 'nothing that waits');
  const acts = await tagsOf(recorder, session);
  assert.deepEqual(acts.map(({ body }) => body.value.code || body.value.text).sort(), ['mistake', 'omission', 'slip', 'while it was down']);
  const slip = acts.find(({ body }) => body.value.code === 'slip').body.value;
  assert.equal(slip.impact, 4);
  /* its times are those of the last seen picture and of the press */
  assert.ok(Math.abs(Number(slip.mediaNs) - before) < 2e9, `${Number(slip.mediaNs) - before} ns`);
  assert.ok(slip.pressNs > slip.mediaNs);
  assert.equal(await page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith('uxrec.waiting.')).length), 0);
  await close(page);
  cable.end();
  await recorder.end();
});

test('a refused text stays in its field, with the reason, and can be sent again', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  await recorder.begin();
  let refuse = false;
  const page = await openPage(browser, recorder.links.live, {
    between: {
      answer: (body) =>
        refuse && body.case === 'putAct' ? { case: 'failure', value: { code: 27, text: 'the log is full' } } : undefined,
    },
  });
  await live(page);
  await page.keyboard.press('s');
  await page.locator('li.mark:not(.pending)').first().waitFor();
  refuse = true;
  await page.keyboard.press('n');
  await page.keyboard.type('a long thought');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'the log is full' }).first().waitFor();
  assert.equal(await page.getByLabel('Note (N)').inputValue(), 'a long thought');
  /* a change of a tag: the editor stays open with its text */
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^Change Slip/ }).click();
  await page.getByLabel('Note', { exact: true }).fill('the wrong field');
  await page.keyboard.press('Enter');
  const mark = page.locator('li.mark', { hasText: 'Slip' });
  await mark.getByText('not stored: the log is full').waitFor();
  assert.equal(await page.getByLabel('Note', { exact: true }).inputValue(), 'the wrong field');
  await checkAccessibility(page, 'refused');
  refuse = false;
  await page.keyboard.press('Enter');
  await until(async () => (await mark.getByText('not stored').count()) === 0, 'the change');
  await mark.locator('.detail', { hasText: 'the wrong field' }).waitFor();
  await page.getByLabel('Note (N)').focus();
  await page.keyboard.press('Enter');
  await page.locator('li.mark', { hasText: 'a long thought' }).waitFor();
  assert.equal(await page.getByLabel('Note (N)').inputValue(), '');
  await close(page);
  await recorder.end();
});
