// A session from consent to review by keyboard only: moderator, observer and reviewer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QUIET, Recorder, sleep, stats, until } from '../harness/pages/lab.mjs';
import { browser, close, live, openPage, reached, useBrowser } from '../harness/pages/pages.mjs';

useBrowser();

/** The focused element: its tag, and its name from label or text. */
const focus = (page) =>
  page.evaluate(() => {
    const one = document.activeElement;
    const label = one?.getAttribute('aria-label') ?? one?.labels?.[0]?.textContent ?? one?.textContent ?? '';
    return `${one?.tagName.toLowerCase()} ${label.replace(/\s+/g, ' ').trim()}`;
  });

/** Press Tab until the wanted element has the focus. */
async function tabTo(page, wanted) {
  const passed = [];
  for (let i = 0; i < 150; i++) {
    await page.keyboard.press('Tab');
    const now = await focus(page);
    if (wanted.test(now)) return;
    passed.push(now);
  }
  throw new Error(`no Tab leads to ${wanted}: ${[...new Set(passed)].join(' | ')}`);
}

const keys = async (page, ...names) => {
  for (const name of names) await page.keyboard.press(name);
};
const marks = (page) => page.locator('li.mark');
const count = (page, number) => until(async () => (await marks(page).count()) === number, `${number} tags and notes`);

/** A page that rejects pointer use. */
async function openWithoutMouse(url) {
  const page = await openPage(browser, url);
  for (const what of ['mouse', 'touchscreen'])
    for (const act of ['click', 'down', 'tap', 'dblclick'])
      if (page[what][act]) page[what][act] = () => assert.fail(`${what}.${act}`);
  return page;
}

test('a session is run, watched and reviewed by keyboard alone', async () => {
  const recorder = await Recorder.start(QUIET);
  const status = async () => JSON.parse(await recorder.uxrec('status', '--json'));

  /* the moderator: consent, start */
  const page = await openWithoutMouse(recorder.links.moderate);
  await page.getByRole('heading', { name: 'New session' }).waitFor();
  await tabTo(page, /^input Participant/);
  await page.keyboard.type('P07');
  await tabTo(page, /^input signed on paper/);
  await keys(page, 'ArrowDown');
  assert.match(await focus(page), /given by the participant/);
  await tabTo(page, /^input clicks and clicked objects/);
  await keys(page, ' ');
  await tabTo(page, /^button Start recording/);
  await keys(page, 'Enter');
  await live(page);

  /* an observer */
  const observer = await openWithoutMouse(recorder.links.live);
  await live(observer);
  await tabTo(observer, /^input You/);
  await keys(observer, 'Control+a');
  await observer.keyboard.type('Ben');
  await keys(observer, 'Enter');
  await live(observer);

  /* a task with a tag, its impact, and a note that contains a code's letter */
  await keys(page, 't');
  await page.getByRole('button', { name: /Ready, begins now/ }).waitFor();
  await keys(page, 't');
  await page.getByRole('button', { name: /Ready, begins now/ }).waitFor({ state: 'detached' });
  /* wait for a picture within the task */
  const begun = Number((await status()).attempt_begin_ns);
  assert.ok(begun > 0);
  for (const one of [page, observer]) await until(async () => (await stats(one)).presentationTimeNs > begun, 'a picture of the task');
  await keys(page, 's', '3');
  await page.locator('li.mark:not(.pending) .impact', { hasText: '3' }).waitFor();
  await keys(page, 'n');
  await page.keyboard.type('looks for the menu');
  await keys(page, 'Alt+o', 'Enter', 'Escape');
  await count(page, 3);
  await keys(page, 'z');
  await page.getByText(/^Removed: /).first().waitFor();
  await count(page, 2);
  await keys(page, 'Shift+Z');
  await count(page, 3);

  /* the observer's tags, beside the moderator's */
  await count(observer, 3);
  await keys(observer, 'm', '2', 'r');
  await observer.locator('li.mark', { hasText: 'recovered' }).waitFor();
  await keys(observer, 'Enter', '1');
  await observer.locator('li.mark', { hasText: 'at “Opens the menu”' }).waitFor();
  await keys(observer, 'h', 'z');
  await count(observer, 4);
  await tabTo(observer, /^button Events/);
  await keys(observer, 'Enter');
  await observer.getByRole('tab', { name: 'Events', selected: true }).waitFor();

  /* interruption, pause, end of the task with its errors */
  await keys(page, 'Shift+I');
  await page.getByRole('region', { name: 'Interruption' }).waitFor();
  await keys(page, 'Shift+I');
  await page.getByRole('region', { name: 'Interruption' }).waitFor({ state: 'detached' });
  await keys(page, 'Shift+P');
  await until(async () => (await status()).state === 'paused', 'the pause');
  await observer.getByRole('heading', { name: 'Paused' }).waitFor();
  await keys(page, 'Shift+P');
  await live(page);
  await keys(page, 'e');
  await until(async () => /^button completed/.test(await focus(page)), 'the outcomes');
  await keys(page, 'ArrowDown', 'ArrowUp', 'Enter');
  const asked = page.getByRole('region', { name: 'Opportunity of an error' });
  await asked.waitFor();
  await keys(page, '2', 'Enter');
  await asked.waitFor({ state: 'detached' });
  await page.locator('li.mark', { hasText: 'at “Chooses the date”' }).waitFor();
  await page.locator('.outcome', { hasText: 'completed' }).waitFor();

  /* the end */
  await tabTo(page, /^button Stop/);
  await keys(page, 'Enter');
  await page.getByRole('heading', { name: 'End the session?' }).waitFor();
  if (!/^button End/.test(await focus(page))) await tabTo(page, /^button End/);
  await keys(page, 'Enter');
  await page.getByRole('link', { name: 'Open replay' }).waitFor();
  await close(observer);
  await close(page);

  /* the reviewer, starting from the library */
  const review = await openWithoutMouse(recorder.links.library);
  await review.getByRole('table').waitFor();
  await tabTo(review, /^a P07/);
  await keys(review, 'Enter');
  await review.waitForURL(/replay/);
  await reached(review, 'stopped');
  const at = async () => (await stats(review)).presentationTimeNs;
  const begin = await at();
  await keys(review, ' ');
  await reached(review, 'playing');
  await until(async () => (await at()) > begin, 'the picture to go on');
  await keys(review, ' ');
  await reached(review, 'stopped');
  await keys(review, 'End');
  const end = await at();
  await keys(review, 'Home', 'j');
  await until(async () => (await at()) > begin && (await at()) < end, 'the first tag');
  await reached(review, 'stopped');
  await keys(review, 'm', '1');
  await review.locator('li.mark.mine:not(.pending) .impact', { hasText: '1' }).waitFor();
  await tabTo(review, /^button Change Mistake/);
  await keys(review, 'Enter');
  await tabTo(review, /^(input|textarea) Note/);
  await review.keyboard.type('in the wrong menu');
  await keys(review, 'Enter');
  await review.locator('li.mark.mine', { hasText: 'in the wrong menu' }).waitFor();
  await keys(review, 'Escape', 'Enter');
  await sleep(100);
  await keys(review, 'Escape', 'Escape');
  await keys(review, '/');
  await until(async () => /^input/.test(await focus(review)), 'the search');
  await review.keyboard.type('click');
  await keys(review, 'Escape');
  await tabTo(review, /^input Coding as/);
  await keys(review, 'Control+a');
  await review.keyboard.type('Cleo');
  await keys(review, 'Enter');
  await reached(review, 'stopped');
  await tabTo(review, /^a (Browser study|Library)/);
  await keys(review, 'Enter');
  await review.getByRole('table').waitFor();
  await close(review);
  await recorder.end();
});
