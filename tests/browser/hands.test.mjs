// Keyboard use: focus, effects of keys, and reasons for having none.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { pageModule, QUIET, Recorder, sleep, stats, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, live, openPage, pause, reached, useBrowser } from '../harness/pages/pages.mjs';

const STUDY = `study: Hands
codes:
  - {id: slip, key: s, name: Ausrutscher, counts_as: error, error_type: slip}
  - {id: wow, key: w, name: Wow}
tasks:
  - id: find
    title: Find it
    opportunities: [{id: menu, title: Opens the menu}, {id: date, title: Chooses the date}]
  - {id: pay, title: Pay it}
`;

useBrowser();

async function begin(study = STUDY) {
  const recorder = await Recorder.start(QUIET);
  if (study) writeFileSync(recorder.study, study);
  return recorder;
}

const marks = (page) => page.locator('li.mark');
const hint = (page, text) => page.locator('.keyhint', { hasText: text }).waitFor();
const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.tagName);
const count = (page, number, what) => until(async () => (await marks(page).count()) === number, what ?? `${number} tags`);

/** A key event as produced by a keyboard layout. */
const press = (page, key, code, more = {}) =>
  page.evaluate(
    ([init]) => (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, cancelable: true, ...init })),
    [{ key, code, ...more }],
  );

test('a key goes by its meaning, and by its place where it types no Latin letter', async () => {
  const { namesOf } = await pageModule('base/keys.ts');
  const named = (key, code, shiftKey = false) => namesOf({ key, code, shiftKey });
  assert.deepEqual(named('S', 'KeyS'), ['s'], 'Caps Lock');
  assert.deepEqual(named('I', 'KeyI', true), ['shift+i', 'i']);
  assert.deepEqual(named('a', 'KeyQ'), ['a'], 'AZERTY');
  assert.deepEqual(named('&', 'Digit1'), ['&', '1'], 'AZERTY digits');
  assert.deepEqual(named('1', 'Digit1', true), ['shift+1', 'shift+1', '1']);
  assert.deepEqual(named(',', 'KeyM'), [','], 'AZERTY: a sign is no letter at its place');
  assert.deepEqual(named('ö', 'Semicolon'), ['ö']);
  for (const [key, code, name] of [['ы', 'KeyS', 's'], ['σ', 'KeyS', 's'], ['ד', 'KeyS', 's'], ['س', 'KeyS', 's'], ['لا', 'KeyB', 'b'], ['ю', 'Period', '.'], ['х', 'BracketLeft', '[']])
    assert.ok(named(key, code).includes(name), `${key} at ${code}`);
  assert.deepEqual(named('ы', 'KeyS')[0], 'ы', 'meaning goes first');
  assert.ok(named("'", 'KeyW').includes('w'), 'a sign at the place of a letter on a layout without Latin letters');
  assert.ok(named('Ш', 'KeyI', true).includes('shift+i'));
  assert.ok(namesOf({ key: 'ß', code: 'KeyS', shiftKey: false, altKey: true }).includes('s'), 'Option on a Mac');
  assert.ok(named('؟', 'Slash', true).includes('?'));
  assert.ok(named('Dead', 'BracketLeft').includes('['));
  assert.ok(!named('q', 'KeyQ').includes('/') && !named("'", 'KeyQ').includes('q'), 'Latin letters again');
  assert.deepEqual(named('Enter', 'Enter'), ['Enter']);
});

test('observe: a pause keeps the open field, keys change the view, undo names the removed act', async () => {
  const recorder = await begin();
  const session = await recorder.begin();
  await recorder.uxrec('task', 'start', 'find');
  const page = await openPage(browser, recorder.links.live);
  await page.getByText('Task 1/2').waitFor();
  await live(page);
  for (const key of ['z', 'r', '2', 'Enter', 'Shift+Z']) await page.keyboard.press(key);
  await hint(page, 'nothing to restore');
  await page.keyboard.press('2');
  await hint(page, 'no tag of yours to rate');
  await page.keyboard.press('q'); // not a key of this study
  await page.keyboard.press('m');
  await hint(page, 'no tag of yours to rate');
  assert.equal(await marks(page).count(), 0);

  /* the key list is that of the study */
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys' });
  await help.getByText('Ausrutscher').waitFor();
  for (const other of ['Mistake', 'the next task']) assert.equal(await help.getByText(other).count(), 0, other);
  await page.keyboard.press('Escape');

  /* Cyrillic layout */
  await press(page, 'ы', 'KeyS');
  await count(page, 1);
  await page.keyboard.press('3');
  await page.locator('.impact', { hasText: '3' }).waitFor();
  /* the open list of opportunities takes the digits, but not the focus */
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'Opportunity of an error' }).waitFor();
  await checkAccessibility(page, 'opportunities');
  await page.keyboard.press('w');
  await count(page, 2, 'a tag while the list is open');
  await page.keyboard.press('2');
  await page.getByText('at “Chooses the date”').first().waitFor();
  assert.equal(await page.getByRole('region', { name: 'Opportunity of an error' }).count(), 0);
  await page.locator('li.mark:not(.pending) .impact', { hasText: '3' }).waitFor();

  /* a note during a pause */
  await page.keyboard.press('n');
  await page.keyboard.type('they loo');
  await recorder.uxrec('pause');
  await page.getByRole('heading', { name: 'Paused' }).waitFor();
  await page.keyboard.type('k lost, z r 3 w');
  assert.equal(await page.locator('#note').inputValue(), 'they look lost, z r 3 w');
  assert.equal(await focused(page), 'note');
  assert.equal(await marks(page).count(), 2);
  await page.keyboard.press('Escape');
  await page.keyboard.press('w');
  await hint(page, 'paused');
  await recorder.uxrec('resume');
  await live(page);
  await page.keyboard.press('n');
  await page.keyboard.press('Enter');
  await page.getByText('they look lost, z r 3 w').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');

  /* no change while the list is hidden */
  await page.getByRole('tab', { name: 'Events' }).click();
  await page.keyboard.press('z');
  await hint(page, 'the list of tags is not shown');
  await page.keyboard.press('w');
  await hint(page, 'Tagged: Wow at');
  await page.getByRole('tab', { name: 'Tags' }).click();
  await count(page, 4);
  await page.keyboard.press('z');
  await hint(page, 'Removed: Wow at');
  await page.keyboard.press('z');
  await hint(page, 'Removed: note at');
  await page.keyboard.press('z');
  await hint(page, 'Removed: Wow at');
  await count(page, 1);

  /* after a reload: the slip comes back with all its fields */
  await page.reload();
  await live(page);
  await page.getByText(/Removed: Wow at/).waitFor();
  await count(page, 1);
  await page.keyboard.press('z');
  await page.getByText(/Removed: Ausrutscher at/).first().waitFor();
  await count(page, 0);
  await page.keyboard.press('Shift+Z');
  await page.locator('li.mark:not(.pending) .impact', { hasText: '3' }).waitFor();
  await page.getByText('at “Chooses the date”').first().waitFor();
  await page.keyboard.press('Shift+Z');
  await count(page, 2);
  await page.keyboard.press('Shift+Z');
  await page.getByText('they look lost, z r 3 w').waitFor();

  /* the name field returns the focus */
  const name = page.getByLabel('You', { exact: true });
  await name.fill('Dora');
  await name.press('Enter');
  await page.keyboard.press('2');
  await page.locator('.impact', { hasText: '2' }).waitFor();
  assert.equal(await name.inputValue(), 'Dora');
  await name.focus();
  await page.keyboard.type('x');
  await page.keyboard.press('Escape');
  assert.equal(await name.inputValue(), 'Dora');
  assert.equal(await focused(page), 'BODY');
  await recorder.uxrec('stop', '--outcome', 'completed');
  await page.getByRole('heading', { name: 'The session has ended' }).waitFor();
  await page.keyboard.press('w');
  await hint(page, 'the session has ended');
  await close(page);
  assert.ok(session);
  await recorder.end();
});

test('moderate: only the button starts, no field goes while it is written in, errors are asked for at the task’s end', async () => {
  const recorder = await begin();
  const page = await openPage(browser, recorder.links.moderate);
  await page.getByRole('heading', { name: 'New session' }).waitFor();
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys' });
  await help.waitFor();
  assert.equal(await help.locator('dt').count(), 1, 'nothing but ? works here');
  await page.keyboard.press('Escape');
  const participant = page.getByRole('textbox', { name: 'Participant' });
  await participant.focus();
  await page.keyboard.type('P07');
  await page.keyboard.press('Enter');
  await hint(page, 'Enter does not press “Start recording”');
  await sleep(300);
  assert.deepEqual(recorder.sessions(), []);
  await page.getByRole('button', { name: 'Start recording' }).focus();
  await page.keyboard.press('Enter');
  await live(page);
  await page.keyboard.press('e');
  await hint(page, 'no task is running');

  /* the interruption ends while its note is being written */
  await page.keyboard.press('w');
  await count(page, 1);
  await page.keyboard.press('Shift+I');
  const banner = page.getByRole('region', { name: 'Interruption' });
  await banner.getByLabel('Note on the interruption').focus();
  await page.keyboard.type('pho');
  await recorder.uxrec('interruption', 'end');
  await sleep(500);
  await page.keyboard.type('zzne');
  await sleep(300);
  assert.equal(await banner.getByLabel('Note on the interruption').inputValue(), 'phozzne');
  assert.equal(await marks(page).count(), 1, 'keys of a text were commands');
  await page.keyboard.press('Shift+Tab');
  await banner.waitFor({ state: 'detached' });

  /* a field removed regardless */
  await page.keyboard.press('n');
  await page.keyboard.type('so');
  await page.evaluate(() => document.getElementById('note').closest('form').remove());
  await page.keyboard.type('wz3');
  await hint(page, 'The text field was closed');
  assert.equal(await marks(page).count(), 1, 'keys of a text were commands');
  await page.keyboard.press('Escape');
  await page.reload();
  await live(page);
  await until(async () => (await stats(page)).presentationTimeNs > 0, 'a moment to tag');
  await page.locator('.palette button:enabled').first().waitFor(); // updated by now

  /* a control disabled while focused keeps the focus */
  await page.keyboard.press('n');
  await page.keyboard.type('a note');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('li.mark', { hasText: 'a note' }).waitFor();
  const add = page.getByRole('button', { name: 'Add' });
  await until(() => add.evaluate((button) => button.getAttribute('aria-disabled') === 'true'), 'nothing to add');
  assert.ok(await add.evaluate((button) => button === document.activeElement && !button.matches(':disabled')));
  await page.keyboard.press('Enter');
  await hint(page, 'not possible now');
  await add.evaluate((button) => button.blur());
  assert.ok(await add.evaluate((button) => button.matches(':disabled') && !button.hasAttribute('aria-disabled')));

  /* errors of an observer, too */
  await page.keyboard.press('t');
  await page.getByRole('button', { name: /End task/ }).waitFor();
  /* wait for a picture within the task */
  const begun = Number(JSON.parse(await recorder.uxrec('status', '--json')).attempt_begin_ns);
  assert.ok(begun > 0);
  await until(async () => (await stats(page)).presentationTimeNs > begun, 'a picture of the task');
  await page.keyboard.press('s');
  await recorder.uxrec('tag', 'slip', '--author', 'Ben');
  await recorder.uxrec('tag', 'slip', '--opportunity', 'menu');
  await count(page, 5);
  await page.keyboard.press('e');
  await page.getByRole('button', { name: 'completed', exact: true }).focus();
  await page.keyboard.press('Enter');
  const asked = page.getByRole('region', { name: 'Opportunity of an error' });
  await asked.getByText('1 more to judge').waitFor();
  await page.keyboard.press('1');
  await asked.getByText('1 more to judge').waitFor({ state: 'detached' });
  await page.keyboard.press('9');
  await hint(page, 'there is no opportunity 9');
  await page.keyboard.press('0');
  await asked.waitFor({ state: 'detached' });
  await until(async () => (await page.getByText('at “Opens the menu”').count()) === 2, 'the opportunity');

  /* the session ends while a note is being written, after a click into it: its text stays */
  await page.keyboard.press('n');
  await page.keyboard.type('half a no');
  await page.locator('#note').click();
  await recorder.uxrec('stop');
  await until(async () => JSON.parse(await recorder.uxrec('status', '--json')).state === 'idle', 'the end');
  await sleep(500);
  await page.keyboard.press('End');
  await page.keyboard.type('te zz');
  assert.equal(await page.locator('#note').inputValue(), 'half a note zz');
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'New session' }).waitFor();
  await close(page);
  await recorder.end();
});

test('replay: space plays after a press by mouse, a control operated by key keeps the focus', async () => {
  const recorder = await begin();
  const session = await recorder.begin();
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('tag', 'slip');
  await sleep(2500);
  await recorder.uxrec('task', 'end', 'completed');
  await recorder.uxrec('stop');
  const page = await openPage(browser, recorder.replayLink(session));
  /* a key pressed too early shows the reason for having no effect */
  await reached(page, 'stopped');
  await page.keyboard.press('Shift+ArrowRight');
  await hint(page, 'no later click');
  const places = [
    page.getByRole('button', { name: /^\d+:\d\d$/ }).first(),
    page.getByRole('tab', { name: 'Events' }),
    page.getByRole('tab', { name: 'Tags' }),
    page.getByRole('button', { name: /^Next click/ }),
    page.getByRole('button', { name: /^Next picture/ }),
    page.locator('.palette button').first(),
    page.getByLabel('skip idle'),
    page.getByRole('button', { name: /^Theme/ }),
  ];
  for (const place of places) {
    /* a moment within the task; no tagging during the seek */
    await pause(page);
    await page.keyboard.press('Home');
    await page.keyboard.press('j');
    await reached(page, 'stopped');
    await place.click();
    await pause(page);
    await page.keyboard.press(' ');
    await reached(page, 'playing');
  }
  await pause(page);
  assert.equal(await page.locator('li.mark.mine').count(), 1, 'space tagged again');
  /* Tab continues from the pointer's position */
  const tags = page.getByRole('tab', { name: 'Tags' });
  await tags.click();
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'tab-events');
  await page.keyboard.press('Enter');
  await sleep(200);
  assert.equal(await focused(page), 'tab-events', 'a tab that was chosen by key keeps the focus');
  await page.keyboard.press('z');
  await hint(page, 'the list of tags is not shown');
  await page.evaluate(() => document.activeElement.blur());
  await tags.click();

  /* judging in the review */
  await page.getByText('1 error in your layer').waitFor();
  await page.getByRole('button', { name: '1 error not judged…' }).waitFor();
  await page.keyboard.press('Enter');
  const asked = page.getByRole('region', { name: 'Opportunity of an error' });
  await asked.waitFor();
  /* removed while being judged and restored: it is pending again */
  await page.keyboard.press('z');
  await asked.waitFor({ state: 'detached' });
  await page.keyboard.press('Shift+Z');
  await page.getByRole('button', { name: '1 error not judged…' }).waitFor();
  await page.keyboard.press('Enter');
  await asked.waitFor();
  await page.keyboard.press('0');
  await page.getByText('1 error in your layer, 1 unplanned').waitFor();
  await page.keyboard.press('z');
  await hint(page, 'Removed: Ausrutscher at');
  await page.keyboard.press('Shift+Z');
  await page.getByText('1 error in your layer, 1 unplanned').waitFor();
  assert.equal((await stats(page)).state, 'stopped');
  await close(page);
  await recorder.end();
});
