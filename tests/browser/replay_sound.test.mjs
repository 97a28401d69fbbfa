// A replay's sound in Debian's Chromium: speeds and volume.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { browse, Recorder, sleep, stats, until } from '../harness/lab.mjs';
import { checkAccessibility, close, openPage } from '../harness/pages.mjs';

const LENGTH_S = 9;
const SECOND = 1_000_000_000n;
let browser;
let recorder;
let session;

/* one session for all: it clicks each second, and its screen changes all the time */
before(async () => {
  browser = await browse();
  recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone']);
  session = await recorder.uxrec(
    'start', '--study', recorder.study, '--participant', 'P01', '--consent', 'paper:screen,sound',
  );
  await sleep(LENGTH_S * 1000);
  await recorder.uxrec('stop');
});

after(async () => {
  await browser?.close();
  await recorder?.end();
});

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
});

async function open(options) {
  const page = await openPage(browser, recorder.replayLink(session), options);
  await until(async () => (await stats(page)).picturesDecoded > 0, 'a picture');
  return page;
}

const played = async (page) => (await stats(page)).soundPacketsPlayed;
const reached = (page, state) => until(async () => (await stats(page)).state === state, state);

/** By the space bar, unless it does so already. */
async function play(page) {
  if ((await stats(page)).state === 'stopped') await page.keyboard.press(' ');
  await reached(page, 'playing');
}

async function pause(page) {
  if ((await stats(page)).state === 'playing') await page.keyboard.press(' ');
  await reached(page, 'stopped');
}

/** Seconds into the session. */
async function at(page) {
  const text = await page.locator('.transport .now').textContent();
  const [minutes, seconds] = text.split(':').map(Number);
  return 60 * minutes + seconds;
}

test('sound is heard at every speed up to 3× with the moment that is shown, and not above', async () => {
  const page = await open();
  await page.getByRole('button', { name: 'Hear', exact: true }).click();
  /* a browser may take its time to open the first sound of all */
  await until(async () => {
    await play(page);
    return (await played(page)) > 10;
  }, 'sound', 60000);
  await pause(page);
  for (const [speed, presses] of [[2, ']]'], [3, ']'], [0.5, '[[[[[']]) {
    for (const key of presses) await page.keyboard.press(key);
    await page.getByText(`${speed}×`, { exact: true }).waitFor();
    await page.keyboard.press('Home');
    const before = await played(page);
    await play(page);
    await until(async () => (await played(page)) > before + 40, `sound at ${speed}×`);
    await until(async () => (await stats(page)).soundPeak > 0.05, `a click at ${speed}×`);
    for (let i = 0; i < 5; i++) {
      const { soundOffMs } = await stats(page);
      assert.ok(Math.abs(soundOffMs) < 40, `${soundOffMs} ms off at ${speed}×`);
      await sleep(60);
    }
    await pause(page);
  }
  for (const key of ']]]]]]') await page.keyboard.press(key);
  await page.getByText('silent at 4×').waitFor();
  await page.keyboard.press('Home');
  const before = await played(page);
  await play(page);
  await sleep(800);
  assert.equal(await played(page), before);
  await close(page);
});

test('how loud it is, is set by keyboard and kept for the next time', async () => {
  const page = await open();
  await page.getByRole('button', { name: 'Hear', exact: true }).click();
  const slider = page.getByRole('slider', { name: 'Volume' });
  assert.equal(await slider.inputValue(), '100');
  await play(page);
  await until(async () => (await stats(page)).soundPeak > 0.3, 'a click');
  await slider.focus();
  await page.keyboard.press('Home');
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
  await until(async () => (await slider.getAttribute('aria-valuetext')) === '20 %', 'the volume');
  assert.ok((await at(page)) > 0.5, 'the keys moved the slider alone');
  await sleep(800);
  await until(async () => (await stats(page)).soundPeak > 0.005, 'a soft click');
  assert.ok((await stats(page)).soundPeak < 0.05, 'it is soft');
  /* space is the player's also from here */
  await page.keyboard.press(' ');
  await reached(page, 'stopped');
  await checkAccessibility(page, 'hearing');
  await page.reload();
  await until(async () => (await stats(page)).picturesDecoded > 0, 'a picture');
  await page.getByRole('button', { name: 'Hear', exact: true }).click();
  assert.equal(await slider.inputValue(), '20');
  await close(page);
});
