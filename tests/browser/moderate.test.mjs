// The moderator page before and between sessions, its rail, its layout, and the observers' link.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, pageModule, Recorder, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

const jsQR = createRequire(import.meta.url)('jsqr');

useBrowser({ screen: [1280, 800] });

const STUDY = `study: Rechnungen
codes:
  - {id: fehler, key: g, name: Fehlgriff mit Rückfrage, counts_as: error, error_type: slip}
  - {id: frage, key: p, name: Nachfrage, counts_as: intervention, assist_level: prompt}
  - {id: hilfe, key: a, name: Hilfestellung, counts_as: intervention, assist_level: hint}
tasks:
  - id: find
    title: Finden Sie die Eingangsrechnung der Donaudampfschifffahrtsgesellschaft vom letzten Quartal
    success: Das Fälligkeitsdatum wurde laut gesagt.
    time_limit_s: 3600
    opportunities: [{id: menu, title: Öffnet das Menü}, {id: date, title: Wählt den Zeitraum}]
  - {id: pay, title: Geben Sie die Zahlung frei, success: Die Zahlung ist freigegeben.}
  - {id: sort, title: Sortieren Sie die Zahlungsempfängerbankverbindungen, success: Sortiert.}
`;

/** Elements wider than their container, and the page itself if it overflows. */
const overflowing = (page) =>
  page.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll('body *')]
      .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 2)
      .filter((one) => one === document.documentElement || getComputedStyle(one).overflowX === 'visible')
      .filter((one) => getComputedStyle(one).display !== 'inline' && !one.closest('svg'))
      .map((one) => `${one.tagName}.${one.className}`),
  );

const participant = (page) => page.getByRole('textbox', { name: 'Participant' });
const startButton = (page) => page.getByRole('button', { name: 'Start recording' });

/** Decoded text of a rendered QR code. */
function seen(modules, px = 4) {
  const size = (modules.length + 8) * px;
  const pixels = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (modules[Math.floor(y / px) - 4]?.[Math.floor(x / px) - 4]) pixels.fill(0, 4 * (y * size + x), 4 * (y * size + x) + 3);
  return jsQR(pixels, size, size)?.data;
}

test('a text of any length up to 666 bytes is read back from its QR code', async () => {
  const { qrCode } = await pageModule('base/qr.ts');
  /* around the lengths at which the version changes, with one and several blocks */
  for (const length of [1, 14, 15, 62, 63, 122, 213, 214, 287, 450, 666]) {
    const wanted = (length < 30 ? '' : 'http://lab.example/ü#').padEnd(length - (length < 30 ? 0 : 1), 'x1');
    assert.equal(seen(qrCode(wanted)), wanted, `${length} bytes`);
  }
  assert.equal(qrCode('x'.repeat(667)), undefined);
});

test('the observers’ link is copied, or selected where nothing may be copied, and scanned; nobody else gets it', async () => {
  const recorder = await Recorder.start(['--screen', 'none', '--input', 'none']);
  const page = await openPage(browser, recorder.links.moderate, {
    script: `
      navigator.clipboard.writeText = (text) => (window.denied ? Promise.reject(new Error('no')) : ((window.copied = text), Promise.resolve()));
      document.execCommand = () => false;`,
  });
  await page.getByRole('button', { name: 'Invite' }).click();
  const panel = page.getByRole('dialog', { name: 'Observers’ link' });
  const field = panel.getByRole('textbox', { name: 'Link for observers' });
  await field.waitFor();
  assert.equal(await field.inputValue(), recorder.links.live);
  await panel.getByText('works on this machine only').waitFor();
  await panel.getByRole('button', { name: 'Copy' }).click();
  await panel.getByRole('status').filter({ hasText: 'Copied.' }).waitFor();
  assert.equal(await page.evaluate(() => window.copied), recorder.links.live);
  await page.evaluate(() => {
    window.denied = true;
  });
  await panel.getByRole('button', { name: 'Copy' }).click();
  await panel.getByText('press Ctrl+C').waitFor();
  assert.equal(
    await field.evaluate((one) => one.value.slice(one.selectionStart, one.selectionEnd)),
    recorder.links.live,
  );
  assert.equal(await panel.locator('svg').count(), 0);
  await panel.getByRole('button', { name: 'Show as QR code' }).click();
  const box = await panel.getByRole('img', { name: 'QR code of the observers’ link' }).boundingBox();
  assert.ok(box.width >= 240 && Math.abs(box.width - box.height) < 1);
  await checkAccessibility(page, 'the observers’ link');
  assert.ok(!(await page.content()).includes(recorder.token('moderate')));
  await page.keyboard.press('Escape');
  await panel.waitFor({ state: 'hidden' });
  await close(page);
  for (const role of ['live', 'library']) {
    const client = await Client.open(recorder, role, 'Eve');
    const { case: kind, value } = await client.ask({ case: 'getObserverLink', value: {} });
    assert.deepEqual([kind, value.code], ['failure', 13]);
    client.end();
  }
  await recorder.end();
});

test('without a study, with a broken one, and without a requirement of a session the page names the next step', async () => {
  const recorder = await Recorder.start(['--screen', 'none', '--input', 'none', '--sound', 'none']);
  rmSync(recorder.study);
  const page = await openPage(browser, recorder.links.moderate);
  await page.getByText('You have no study yet.').waitFor();
  const command = await page.locator('.command').textContent();
  assert.equal(command, `uxrec study new 'My study' --studies '${recorder.folder}'`);
  assert.equal(await startButton(page).isDisabled(), true);
  const missing = page.locator(`#${await startButton(page).getAttribute('aria-describedby')}`);
  assert.match(await missing.textContent(), /^Missing: the participant\.$/);
  writeFileSync(join(recorder.folder, 'bad.yaml'), 'study: Bad\ntasks:\n  - id: a\n    title: [x\n');
  await page.locator('form').getByRole('button', { name: 'Check again' }).click();
  await page.getByRole('combobox', { name: 'Study' }).selectOption('bad');
  await page.getByText('This study file cannot be used.').waitFor();
  assert.match(await missing.textContent(), /a usable study, the participant/);
  const problems = await page.locator('.problems').textContent();
  assert.match(problems, /^bad\.yaml:\d+:\d+: /);
  assert.doesNotMatch(problems, /expected|token|scalar|while parsing/);
  await checkAccessibility(page, 'a broken study');
  await recorder.uxrec('study', 'new', 'My study', '--studies', recorder.folder);
  await page.locator('form').getByRole('button', { name: 'Check again' }).click();
  await page.getByRole('combobox', { name: 'Study' }).selectOption('My study');
  await participant(page).fill('P07');
  await until(async () => (await missing.textContent()) === '', 'nothing to be missing');
  const checked = page.locator('fieldset input[type=checkbox]:checked');
  while ((await checked.count()) > 0) await checked.first().click();
  assert.equal(await missing.textContent(), 'Missing: consent to recording, consent to a use.');
  await startButton(page).focus();
  await page.keyboard.press('Enter');
  assert.equal(JSON.parse(await recorder.uxrec('status', '--json')).state, 'idle');
  await close(page);
  await recorder.end();
});

test('pre-flight: one line for all input devices, no line wider than its card, at any width', async () => {
  const recorder = await Recorder.start(['--input', 'x11', '--encoder', 'libx264'], desktop.env);
  const page = await openPage(browser, recorder.links.moderate);
  const input = page.locator('.findings > li', { hasText: /^.?input/ });
  await input.waitFor();
  assert.equal(await input.count(), 1);
  assert.match(await input.locator('.found').textContent(), /4 input devices: .*keyboard ×2/);
  await page.getByText(/no microphone/).waitFor();
  for (const summary of await page.locator('.findings summary').all()) await summary.click();
  await page.getByText(/settings: libx264/).waitFor();
  for (const [width, height] of [[390, 844], [844, 390], [1280, 800], [1920, 1080]]) {
    await page.setViewportSize({ width, height });
    assert.deepEqual(await overflowing(page), [], `${width} × ${height}`);
  }
  await checkAccessibility(page, 'pre-flight');
  await close(page);
  await recorder.end();
});

test('an hour of the rail: criterion, folded tasks, two thirds for the picture, assists, pause, stop, the next participant', async () => {
  const recorder = await Recorder.start(['--input', 'none'], desktop.env);
  writeFileSync(recorder.study, STUDY);
  const status = async () => JSON.parse(await recorder.uxrec('status', '--json'));
  const page = await openPage(browser, recorder.links.moderate);
  await participant(page).fill('P07 ');
  await page.keyboard.press('Enter');
  await until(() => startButton(page).isEnabled(), 'a session that can be started');
  await startButton(page).click();
  await live(page);
  const rail = page.getByRole('complementary', { name: 'Moderation' });
  await rail.getByText('Das Fälligkeitsdatum wurde laut gesagt.').waitFor();
  await page.keyboard.press('t');
  await rail.getByRole('button', { name: /Ready, begins now/ }).waitFor();
  await page.keyboard.press('t');
  await until(async () => (await status()).attempt_reading_ns > 0, 'the participant to be ready');
  /* later tasks show only their titles until they are next or opened */
  assert.equal(await rail.getByText('Die Zahlung ist freigegeben.').count(), 0);
  await rail.getByText('2 opportunities').waitFor();
  for (const [width, height] of [[1280, 800], [1366, 768], [1920, 1080]]) {
    await page.setViewportSize({ width, height });
    const share = await page.locator('#picture').evaluate((one) => one.getBoundingClientRect().width / window.innerWidth);
    assert.ok(share >= 0.66, `${width}: ${share}`);
    for (const timer of await page.locator('.taskclock > .figure:visible').all()) {
      const box = await timer.boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= width && box.width > 20, `${width}: the timer is cut off`);
    }
  }
  for (const [width, height] of [[390, 844], [844, 390]]) {
    await page.setViewportSize({ width, height });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${width} × ${height}: ${wide}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await rail.getByRole('button', { name: 'Moderation panel' }).click();
  await rail.getByRole('heading', { name: 'Tasks' }).waitFor({ state: 'hidden' });
  /* a prompt is not an assist */
  await page.keyboard.press('p');
  await page.locator('li.mark', { hasText: 'Nachfrage' }).waitFor();
  await page.keyboard.press('e');
  await rail.getByRole('group', { name: 'How did the task end?' }).waitFor();
  await page.keyboard.press('Escape');
  const observer = await openPage(browser, recorder.links.live);
  await live(observer);
  await observer.keyboard.press('a');
  await page.locator('li.mark', { hasText: 'Hilfestellung' }).waitFor();
  await close(observer);
  await page.keyboard.press('e');
  await page.keyboard.press('Enter');
  const again = rail.getByRole('group', { name: 'Check the outcome' });
  await again.getByText(/An assist is tagged in this task \(Hilfestellung/).waitFor();
  await checkAccessibility(page, 'an outcome that contradicts the tags');
  assert.equal((await status()).task, 'find');
  await page.keyboard.press('Enter');
  await until(async () => (await status()).task === '', 'the task to end');
  await rail.getByRole('button', { name: 'Moderation panel' }).click();
  await rail.getByText('Die Zahlung ist freigegeben.').waitFor();
  /* the editor asks the same, and stores nothing before the answer */
  await rail.getByRole('button', { name: 'Correct the attempt: completed with assist' }).click();
  await rail.getByRole('combobox', { name: 'Outcome' }).selectOption('completed');
  await again.getByRole('button', { name: /completed anyway/ }).click();
  await rail.getByRole('button', { name: 'Correct the attempt: completed', exact: true }).waitFor();
  await rail.getByRole('button', { name: 'Close' }).click();
  /* an open choice of a task ended by another moderator does not carry over to the next task */
  const outcomes = rail.getByRole('group', { name: 'How did the task end?' });
  await recorder.uxrec('task', 'start', 'find');
  await rail.getByRole('button', { name: /End task/ }).waitFor();
  await page.keyboard.press('e');
  await outcomes.waitFor();
  await recorder.uxrec('task', 'end', 'failed');
  await outcomes.waitFor({ state: 'detached' });
  await recorder.uxrec('task', 'start', 'find');
  await rail.getByRole('button', { name: /End task/ }).waitFor();
  await recorder.uxrec('task', 'end', 'failed');
  await until(async () => (await status()).task === '', 'the task to end');
  await page.keyboard.press('Shift+P');
  await rail.getByRole('alert').getByText('Paused: nothing is recorded.').waitFor();
  await page.getByRole('heading', { name: 'Paused' }).waitFor();
  assert.match(await page.title(), /^❚❚ Paused · uxrec/);
  assert.match(await page.locator('link[rel=icon]').getAttribute('href'), /^data:/);
  await page.keyboard.press('Shift+P');
  await until(async () => !(await page.title()).includes('Paused'), 'the title of a recording');
  await page.getByRole('button', { name: 'Stop' }).click();
  const question = page.getByRole('region', { name: 'End the session?' });
  assert.match(await question.getByRole('list', { name: 'Unfinished' }).textContent(), /Not attempted: Geben Sie/);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Next participant' }).click();
  /* another spelling of the same label, and a label that differs in case */
  await page.keyboard.type(' P07');
  await page.getByText('P07 has 1 session in this study').waitFor();
  assert.equal(await startButton(page).isDisabled(), true);
  await checkAccessibility(page, 'a participant who is known');
  await page.getByRole('button', { name: 'Same person, another session' }).click();
  assert.equal(await startButton(page).isDisabled(), false);
  await participant(page).fill('p07');
  await page.getByRole('button', { name: 'Same person: P07' }).click();
  assert.equal(await participant(page).inputValue(), 'P07');
  await participant(page).fill('P07');
  await page.getByRole('button', { name: 'Another person: P07b' }).waitFor({ state: 'detached' });
  await close(page);
  await recorder.end();
});
