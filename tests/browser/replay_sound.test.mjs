// Sound in Debian's Chromium, live and in a replay: consent, volume, silence, bleeps, transcripts. Its timing:
// times.test.mjs.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pageModule, Recorder, sleep, stats, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, hear, live, openPage, pause, play, played, playUntil, reached, silent, useBrowser } from '../harness/pages/pages.mjs';

const LENGTH_S = 9;
const SECOND = 1_000_000_000n;
/* ten pictures a second suffice for sound tests */
const TONE = ['--screen', 'test', '--fps', '10', '--input', 'none', '--sound', 'tone'];
let recorder;
let session;

/* one session shared by all tests: clicks each second, with a constantly changing screen */
async function makeShared() {
  recorder = await Recorder.start(TONE);
  session = await recorder.uxrec(
    'start', '--study', recorder.study, '--participant', 'P01', '--consent', 'paper:screen,sound',
  );
  await sleep(LENGTH_S * 1000);
  await recorder.uxrec('stop');
}

useBrowser({ shared: makeShared });

async function open(options, role = 'library') {
  const url = recorder.replayLink(session).replace(/#.*/, `#${recorder.token(role)}`);
  const page = await openPage(browser, url, options);
  await until(async () => (await stats(page)).picturesDecoded > 0, 'a picture');
  return page;
}

/** Seconds since the session's begin. */
async function at(page) {
  const text = await page.locator('.transport .now').textContent();
  const [minutes, seconds] = text.split(':').map(Number);
  return 60 * minutes + seconds;
}

/** Seek by the timeline. */
async function goTo(page, seconds) {
  const box = await page.locator('.track').boundingBox();
  const length = await page.locator('.playhead').getAttribute('aria-valuemax');
  await page.mouse.click(box.x + (box.width * seconds) / Number(length), box.y + box.height - 10);
  await until(async () => Math.abs((await at(page)) - seconds) < 0.1, `the moment ${seconds}`);
}

/** Server levels: speech, except for silence between two times in seconds. */
function levels(quietFrom, quietTo) {
  return (body) => {
    if (body.case !== 'timeline') return;
    const length = Math.ceil(Number(body.value.endNs - body.value.beginNs) / 2e8);
    const level = (loud, low) => (_, i) => (i >= quietFrom * 5 && i < quietTo * 5 ? low : loud);
    body.value.soundPeak = Uint8Array.from({ length }, level(24, 110));
    body.value.soundRms = Uint8Array.from({ length }, level(50, 120));
  };
}

test('live: sound has its own consent, and is played on request', async () => {
  const own = await Recorder.start(TONE);
  const moderator = await openPage(browser, own.links.moderate);
  await moderator.getByLabel('Study').selectOption('Browser study');
  await moderator.getByRole('textbox', { name: 'Participant' }).fill('P07');
  const agreed = moderator.getByLabel('speech and other sounds at the microphone');
  assert.equal(await agreed.isChecked(), false, 'nothing is heard that nobody agreed to');
  await agreed.check();
  await moderator.getByRole('button', { name: 'Start recording' }).click();
  await live(moderator);
  const observer = await openPage(browser, own.links.live);
  await live(observer);
  await checkAccessibility(observer, 'live, with sound');
  await observer.getByRole('button', { name: 'Hear', exact: true }).click();
  await until(async () => (await stats(observer)).soundPacketsPlayed > 60, 'sound');
  /* the test tone clicks each second at half of full scale */
  await until(async () => (await stats(observer)).soundPeak > 0.3, 'a click');
  await observer.getByRole('button', { name: 'Hearing', exact: true }).click();
  await silent(observer);
  await close(observer);
  await close(moderator);
  await own.uxrec('stop');
  /* the same in the replay, in sync with the moment shown */
  const replay = await openPage(browser, own.replayLink(own.sessions()[0]));
  await until(async () => (await stats(replay)).picturesDecoded > 0, 'a picture');
  await replay.getByRole('button', { name: 'Hear', exact: true }).click();
  await replay.keyboard.press(' ');
  await playUntil(replay, async () => (await stats(replay)).soundPacketsPlayed > 60, 'sound');
  await playUntil(replay, async () => (await stats(replay)).soundPeak > 0.3, 'a click');
  await playUntil(replay, async () => Math.abs((await stats(replay)).soundOffMs) < 40, 'sound with its picture');
  await close(replay);
  await own.end();
});

test('the volume is set by keyboard and kept for the next time', async () => {
  const page = await open();
  await hear(page);
  const slider = page.getByRole('slider', { name: 'Volume' });
  assert.equal(await slider.inputValue(), '100');
  await play(page);
  await until(async () => (await stats(page)).soundPeak > 0.3, 'a click');
  await slider.focus();
  const before = await at(page);
  await page.keyboard.press('Home');
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
  await until(async () => (await slider.getAttribute('aria-valuetext')) === '20 %', 'the volume');
  assert.ok((await at(page)) >= before, 'the keys moved the slider alone');
  await slider.blur(); // returns Home to the player
  await playUntil(page, async () => {
    const { soundPeak } = await stats(page);
    return soundPeak > 0.005 && soundPeak < 0.05;
  }, 'a soft click');
  await sleep(1100);
  assert.ok((await stats(page)).soundPeak < 0.05, 'the next one is soft too');
  await slider.focus();
  await play(page);
  /* space still belongs to the player */
  await page.keyboard.press(' ');
  await reached(page, 'stopped');
  await checkAccessibility(page, 'hearing');
  await page.reload();
  await until(async () => (await stats(page)).picturesDecoded > 0, 'a picture');
  await page.getByRole('button', { name: 'Hear', exact: true }).click();
  assert.equal(await slider.inputValue(), '20');
  await close(page);
});

test('the sound has a lane, and its silence is skipped on request', async () => {
  const page = await open({ between: { change: levels(1, 7) } });
  const paths = await page.locator('.lane.sound path').evaluateAll((all) => all.map((path) => path.getAttribute('d')));
  assert.equal(paths.length, 2);
  for (const path of paths) assert.ok(path.length > 200, path);
  await page.getByLabel('skip silence').check();
  /* a busy machine answers questions about the page only after the text is gone */
  await page.evaluate(() => {
    window.skipped = 0;
    new MutationObserver(() => {
      window.skipped += Number(/[1-5] s of silence skipped/.test(document.body.textContent));
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await page.keyboard.press('Home');
  await page.keyboard.press(' ');
  /* from 1.3 to 6.7: 0.3 s are kept at both ends */
  await until(async () => (await page.evaluate(() => window.skipped)) > 0, 'the skip');
  await until(async () => (await at(page)) >= 6.6, 'the end of the silence, in the time of the session');
  await until(async () => (await at(page)) > 7.5, 'what comes after it');
  await pause(page);
  /* with both, only spans that are also idle: here the screen changes constantly */
  await page.getByLabel('skip idle').check();
  await page.keyboard.press('Home');
  const begunMs = Date.now();
  await play(page);
  await until(async () => (await at(page)) > 2.1, 'the silence');
  assert.ok((await at(page)) < (Date.now() - begunMs) / 1000 + 0.5, 'nothing is skipped');
  await checkAccessibility(page, 'sound lane');
  await close(page);
});

test('levels: the threshold of silence follows the room', async () => {
  const { quietBelowDb, quietSpans } = await pageModule('media/levels.ts');
  const of = (...parts) => Uint8Array.from(parts.flatMap(([level, steps]) => Array(steps).fill(level)));
  assert.equal(quietBelowDb(of([40, 50], [130, 50])), -50, 'a quiet room');
  assert.equal(quietBelowDb(of([40, 50], [90, 50])), -39, 'a fan');
  assert.equal(quietBelowDb(of([40, 100])), -36, 'somebody speaks all the time');
  assert.equal(quietBelowDb(of([255, 100])), -50, 'no sound at all');
  assert.deepEqual(quietSpans(new Uint8Array(), 5n), []);
  assert.deepEqual(quietSpans(of([40, 10], [130, 7], [40, 3]), 0n), [], 'a pause to breathe');
  assert.deepEqual(quietSpans(of([40, 10], [130, 10], [40, 3], [255, 8]), SECOND), [
    { fromNs: 3_300_000_000n, toNs: 4_700_000_000n },
    { fromNs: 5_900_000_000n, toNs: 6_900_000_000n },
  ]);
});

test('a bleep replaces its span with a tone, for everybody, until it is removed', async (t) => {
  const page = await open({}, 'moderate');
  await goTo(page, 5);
  const button = page.getByRole('button', { name: 'Bleep…' });
  await button.focus();
  await page.keyboard.press('Enter');
  const from = page.getByLabel('From', { exact: true });
  await until(() => from.evaluate((field) => field === document.activeElement), 'the form');
  assert.ok(Math.abs(Number((await from.inputValue()).slice(2)) - 3) < 0.15, 'the last two seconds');
  await page.getByLabel('to', { exact: true }).fill('0:01');
  await page.getByText('the end must be after the begin').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Add bleep' }).isDisabled());
  await checkAccessibility(page, 'bleep form');
  await from.fill('0:02');
  await page.getByRole('button', { name: 'Until here' }).click();
  await page.getByLabel('Reason', { exact: true }).fill('<b>a name</b>');
  await page.keyboard.press('Enter');
  const row = page.locator('.bleeps li:not(.pending)');
  await row.getByText('<b>a name</b>').waitFor();
  await row.getByText('3.0 s').waitFor();
  assert.ok(await button.evaluate((one) => one === document.activeElement), 'the focus is back');
  assert.equal(await page.locator('.lane .bleep').getAttribute('title'), 'bleeped: <b>a name</b>');
  await checkAccessibility(page, 'bleeped');

  /* from 2 to 5 a soft tone replaces the recording */
  await page.getByRole('button', { name: 'Hear', exact: true }).click();
  await button.blur();
  await goTo(page, 2.2);
  const before = await played(page);
  await play(page);
  await until(async () => (await stats(page)).soundPeak > 0.04, 'the tone');
  await until(async () => (await at(page)) > 3.5, 'the middle of it');
  const { soundPacketsPlayed, soundPeak } = await stats(page);
  /* ignore late samples */
  if ((await at(page)) < 4.5) {
    assert.equal(soundPacketsPlayed, before);
    assert.ok(soundPeak < 0.1, 'no click');
  }
  await until(async () => (await played(page)) > before, 'what comes after it');
  await pause(page);

  /* another reviewer sees the bleep, but cannot take it back */
  const other = await open();
  await other.getByLabel('Coding as').fill('Bea');
  await other.keyboard.press('Tab');
  await other.getByText('<b>a name</b>').waitFor();
  assert.equal(await other.getByRole('button', { name: /^Remove the bleep/ }).count(), 0);
  await page.getByRole('button', { name: 'Remove the bleep at 0:02.0' }).click();
  await until(async () => (await other.locator('.bleeps').count()) === 0, 'it is gone there too');
  await page.locator('.lane .bleep').waitFor({ state: 'detached' });
  await goTo(page, 2.2);
  const silent = await played(page);
  await play(page);
  await until(async () => (await played(page)) > silent + 30, 'the sound again');
  await close(page);

  /* a reviewer can also bleep, in their own layer */
  await goTo(other, 4);
  await other.getByRole('button', { name: 'Bleep…' }).click();
  await until(() => other.getByLabel('From', { exact: true }).evaluate((field) => field === document.activeElement), 'the form');
  await other.keyboard.press('Enter');
  await other.locator('.bleeps li:not(.pending), .bleeps .trouble').first().waitFor();
  if (await other.getByText('this link allows').count()) {
    t.diagnostic('reviewers may not bleep yet');
    return;
  }
  await other.getByRole('button', { name: /^Remove the bleep/ }).click();
  await until(async () => (await other.locator('.bleeps').count()) === 0, 'their own is taken back');
  await close(other);
});

/** A mock transcript of ten cues, one second each. */
function transcript() {
  const kept = { cues: [], put: [] };
  const fill = (beginNs) =>
    Array.from({ length: 10 }, (_, i) => ({
      fromNs: beginNs + BigInt(i) * SECOND,
      toNs: beginNs + BigInt(i) * SECOND + (SECOND * 9n) / 10n,
      speaker: i % 3 ? '' : 'Ana',
      text: i === 4 ? 'My name is [bleeped].\nSecond line' : `Sentence ${i} of <i>ten</i>, a+b`,
    }));
  kept.change = (body) => {
    if (body.case !== 'timeline') return;
    kept.beginNs = body.value.beginNs;
    body.value.hasTranscript = kept.cues.length > 0;
  };
  kept.answer = (body) => {
    if (body.case === 'getTranscript') return { case: 'transcript', value: { cues: kept.cues } };
    if (body.case !== 'putTranscript') return undefined;
    kept.put.push(body.value.vtt);
    if (body.value.vtt.includes('refuse'))
      return { case: 'failure', value: { code: 22, text: 'line 3: a cue has no times' } };
    kept.cues = body.value.vtt ? fill(kept.beginNs) : [];
    if (body.value.vtt.includes('odd'))
      return {
        case: 'transcript',
        value: { cues: kept.cues, faults: [{ line: 6, text: 'the time of a cue is missing' }], faultCount: 3 },
      };
    return { case: 'done', value: { session } };
  };
  return kept;
}

const file = (name, text) => ({ name, mimeType: 'text/vtt', buffer: Buffer.from(text) });

test('a transcript is attached, goes with the replay, is searched and taken away', async () => {
  const kept = transcript();
  const page = await open({ between: kept });
  await page.getByRole('tab', { name: 'Transcript' }).click();
  await page.getByText('No transcript yet').waitFor();
  assert.equal(await page.getByRole('button', { name: 'CC captions' }).count(), 0);
  const input = page.getByLabel('Transcript file');
  const attach = (name, text) => input.setInputFiles(file(name, text));
  await attach('long.vtt', `WEBVTT\n\n${'x'.repeat(250_000)}`);
  await page.getByText('it has 250 kB, and at most 250 kB can be attached').waitFor();
  assert.deepEqual(kept.put, [], 'it was not sent');
  await attach('wrong.vtt', 'WEBVTT\n\nrefuse');
  await page.getByText('wrong.vtt was not attached: line 3: a cue has no times.').waitFor();
  await attach('odd.vtt', 'WEBVTT\n\n00:00.000 --> 00:00.900\nhello\n\nodd');
  await page.getByText('3 parts of the file skipped: line 6: the time of a cue is missing; and 2 more.').waitFor();
  await attach('right.vtt', 'WEBVTT\n\n00:00.000 --> 00:00.900\nhello');
  const cues = page.locator('.cue');
  await until(async () => (await cues.count()) === 10, 'ten cues');
  await page.getByRole('alert').waitFor({ state: 'detached' });
  assert.match(await cues.nth(3).textContent(), /^0:03Ana Sentence 3 of <i>ten<\/i>/);

  /* after a seek to a cue the list follows the replay */
  await cues.nth(2).focus();
  await page.keyboard.press('Enter');
  await until(async () => Math.abs((await at(page)) - 2) < 0.1, 'the cue');
  const current = page.locator('.cue[aria-current=true]');
  assert.match(await current.textContent(), /Sentence 2/);
  await page.getByRole('button', { name: 'CC captions' }).click();
  await until(async () => (await page.locator('.captions').textContent()) === 'Sentence 2 of <i>ten</i>, a+b', 'the caption');
  /* slowly: a busy machine samples late */
  for (let i = 0; i < 4; i++) await page.keyboard.press('[');
  await page.locator('.play').click();
  await until(async () => /Sentence 3/.test(await current.textContent().catch(() => '')), 'the next cue');
  await until(async () => (await page.locator('.captions').textContent()).startsWith('Ana: Sentence 3'), 'its caption');
  await page.getByText('My name is [bleeped].').first().waitFor();
  await page.locator('.play').click();

  /* scrolling suspends following until it is requested again */
  await page.locator('#side-panel').hover();
  await page.mouse.wheel(0, 40);
  await page.getByRole('button', { name: 'Back to now' }).click();
  await page.getByRole('button', { name: 'Back to now' }).waitFor({ state: 'detached' });

  /* search is literal */
  await page.keyboard.press('/');
  await page.keyboard.type('A+B');
  await page.getByRole('group', { name: 'Transcript: 9' }).waitFor();
  assert.equal(await page.locator('.hit mark').count(), 9);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.match(await page.locator('.hit[aria-selected=true]').textContent(), /Sentence 1/);
  await page.keyboard.press('Escape');
  for (const [colorScheme, width] of [['light', 1400], ['dark', 1400], ['dark', 390]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 850 });
    await checkAccessibility(page, `transcript ${colorScheme} ${width}`);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.ok(overflow <= 0, `${overflow} px too wide at ${width}`);
  }
  await page.setViewportSize({ width: 1400, height: 850 });
  await page.getByRole('button', { name: 'Remove…' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Remove…' }).click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('No transcript yet').waitFor();
  assert.equal(kept.put.at(-1), '');
  await page.locator('.captions').waitFor({ state: 'detached' });
  await close(page);
});

test('a transcript is kept by the server, and a bleep covers its words', async (t) => {
  const page = await open({}, 'moderate');
  const path = join(recorder.folder, 'said.vtt');
  writeFileSync(
    path,
    'WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ana>My name is Ana Example\n\n00:03.000 --> 00:04.000\nThen this\n',
  );
  await page.getByRole('tab', { name: 'Transcript' }).click();
  await page.getByLabel('Transcript file').setInputFiles(path);
  await page.locator('.cue, [role=alert]').first().waitFor();
  const refused = await page.getByRole('alert').allTextContents();
  if (refused.length) {
    t.skip(`the server keeps no transcripts: ${refused.join()}`);
    return;
  }
  const cues = page.locator('.cue');
  await until(async () => (await cues.count()) === 2, 'two cues');
  assert.match(await cues.first().textContent(), /^0:01Ana My name is Ana Example$/);
  await cues.nth(1).click();
  await until(async () => Math.abs((await at(page)) - 3) < 0.05, 'its time');
  await goTo(page, 2);
  await page.getByRole('button', { name: 'Bleep…' }).click();
  await page.getByLabel('From', { exact: true }).fill('0:01.2');
  await page.keyboard.press('Enter');
  await page.locator('.cue', { hasText: '[bleeped]' }).waitFor();
  await until(async () => (await page.getByText('Example').count()) === 0, 'no word of it');
  /* stored: the next client to open the session gets it */
  const next = await open();
  await next.getByRole('tab', { name: 'Transcript' }).click();
  await until(async () => (await next.locator('.cue').count()) === 2, 'the cues');
  await close(next);
  await page.getByRole('tab', { name: 'Tags' }).click();
  await page.getByRole('button', { name: /^Remove the bleep/ }).click();
  await page.getByRole('tab', { name: 'Transcript' }).click();
  await page.locator('.cue', { hasText: 'Example' }).waitFor();
  await close(page);
});
