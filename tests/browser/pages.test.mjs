// The pages in Debian's Chromium, with a real recorder and a real desktop.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colorOf, grey, QUIET, Recorder, sleep, stats, stepOf, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

useBrowser({ screen: [1280, 720] });

const open = (url, options) => openPage(browser, url, options);

test('live: pointer, clicks and key classes are shown, the keys themselves are not', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  desktop.paint('808080');
  await recorder.begin();
  const page = await open(recorder.links.live);
  await live(page);
  desktop.do('move 200 150 50', 'click', 'type hi');
  await page.getByRole('tab', { name: 'Events' }).click();
  await page.getByText('click at 200, 150').waitFor();
  await page.getByText('letter ×2').first().waitFor();
  const drawn = () =>
    page.evaluate(() => {
      const canvas = document.getElementById('overlay');
      return canvas.getContext('2d').getImageData(190, 140, 30, 30).data.some((value) => value > 0);
    });
  await until(drawn, 'the pointer where it is');
  await close(page);
  await recorder.end();
});

/**
 * Set a tag while the screen shows one grey; in the replay the moment of the tag must show the grey that the observer
 * saw, or its neighbour.
 */
async function tagAndFind(recorder, page, session, key, seen) {
  await page.keyboard.press(key);
  await page.locator('li.mark:not(.pending)').first().waitFor();
  await recorder.uxrec('stop');
  const replay = await open(recorder.replayLink(session));
  await until(async () => (await stats(replay)).state === 'stopped', 'the replay');
  await replay.getByRole('button', { name: /^\d+:\d\d$/ }).first().click();
  let step;
  await until(async () => {
    step = stepOf(await colorOf(replay));
    return Math.abs(step - seen()) <= 1;
  }, () => `the picture that was seen (step ${seen()}), not ${step}`);
  const tag = await replay.locator('li.mark .time').first().getAttribute('data-media-ns');
  assert.equal((await stats(replay)).presentationTimeNs, Number(tag));
  await close(replay);
}

test('a live tag is found in the replay at the picture that was seen', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  desktop.paint(grey(2));
  const session = await recorder.begin();
  const page = await open(recorder.links.live);
  await live(page);
  for (let step = 3; step <= 20; step++) {
    desktop.paint(grey(step));
    await sleep(100);
  }
  await until(async () => stepOf(await colorOf(page)) === 20, 'the last grey');
  await tagAndFind(recorder, page, session, 's', () => 20);
  await close(page);
  await recorder.end();
});

test('a tag after seconds without any change lands then, not at the last change', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  desktop.paint(grey(9));
  const session = await recorder.begin();
  const page = await open(recorder.links.live);
  await live(page);
  /* the live page reports the complete time: a slow machine reports late */
  const shown = async () => (await stats(page)).presentationTimeNs / 1e6;
  const changedMs = await shown();
  await until(async () => (await shown()) > changedMs + 6000, 'a time without changes');
  const beforeMs = await shown();
  await page.keyboard.press('o');
  await page.locator('li.mark:not(.pending)').first().waitFor();
  const mediaMs = Number(BigInt(await page.locator('li.mark .time').first().getAttribute('data-media-ns')) / 1_000_000n);
  /* page times as numbers are exact to less than a microsecond */
  assert.ok(mediaMs >= Math.floor(beforeMs) && mediaMs <= (await shown()), `${mediaMs - beforeMs} ms after what was shown`);
  await close(page);
  await recorder.end();
  assert.ok(session);
});

test('tags: note, impact, recovered, undo, all by keyboard', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  await recorder.begin();
  await recorder.uxrec('task', 'start', 'find');
  const page = await open(recorder.links.live);
  await live(page);
  await page.getByText('Task 1/2').waitFor();
  await page.locator('.palette button:enabled').first().waitFor();
  for (let repeat = 0; repeat < 5; repeat++) await page.keyboard.down('s'); // held: one tag
  await page.keyboard.up('s');
  await page.keyboard.press('3');
  await page.locator('.impact', { hasText: '3' }).waitFor();
  await page.keyboard.press('r');
  await page.getByText('recovered', { exact: false }).last().waitFor();
  await page.keyboard.press('n');
  await page.keyboard.type('saw <b>nothing</b>');
  await page.keyboard.press('Enter');
  await page.getByText('saw <b>nothing</b>').waitFor();
  /* in the text field a letter is text, with Alt a code */
  await page.keyboard.press('Alt+m');
  await page.locator('li.mark', { hasText: 'Mistake' }).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('li.mark').count(), 3);
  await page.keyboard.press('z');
  await until(async () => (await page.locator('li.mark').count()) === 2, 'undo');
  /* a code button returns the focus: space does not tag again */
  await page.getByRole('button', { name: 'H Hesitation' }).click();
  await page.keyboard.press('Space');
  await until(async () => (await page.locator('li.mark').count()) === 3, 'one tag');
  await sleep(200);
  assert.equal(await page.locator('li.mark').count(), 3);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  await close(page);
  await recorder.end();
});

test('moderate: consent, start, tasks with outcome, pause, stop; nothing is recorded before', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  const page = await open(recorder.links.moderate);
  await page.getByRole('heading', { name: 'Recording check' }).waitFor();
  await page.getByAltText('The participant’s current screen').waitFor();
  await page.getByText('1280 × 720 pixels').waitFor();
  assert.deepEqual(recorder.sessions(), []);
  const start = page.getByRole('button', { name: 'Start recording' });
  assert.ok(await start.isDisabled());
  await page.getByLabel('Study').selectOption('Browser study');
  await page.getByRole('textbox', { name: 'Participant' }).fill('../x');
  assert.ok(await start.isDisabled());
  await page.getByRole('textbox', { name: 'Participant' }).fill('P07');
  await checkAccessibility(page, 'moderate, before');
  await start.click();
  await live(page);
  assert.equal(recorder.sessions().length, 1);
  await page.keyboard.press('t');
  await page.getByRole('button', { name: /End task/ }).waitFor();
  await checkAccessibility(page, 'moderate, during');
  await page.keyboard.press('e');
  /* the focus stays through updates of the page */
  const assisted = page.getByRole('button', { name: 'completed with assist' });
  await assisted.focus();
  await recorder.uxrec('tag', 's');
  await page.locator('li.mark').first().waitFor();
  await sleep(2500);
  assert.ok(await assisted.evaluate((button) => button === document.activeElement));
  await assisted.click();
  await page.locator('.outcome', { hasText: 'completed with assist' }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('heading', { name: 'Paused' }).waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await live(page);
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('button', { name: 'End the session' }).click();
  await page.getByRole('link', { name: 'Open replay' }).waitFor();
  const status = JSON.parse(await recorder.uxrec('status', '--json'));
  assert.equal(status.state, 'idle');
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  await close(page);
  await recorder.end();
});

test('replay: play, step, seek, jump, speed, tags of one’s own layer, numbers', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  desktop.paint(grey(1));
  const session = await recorder.begin();
  await recorder.uxrec('task', 'start', 'find');
  await recorder.uxrec('tag', 's', '--note', 'said live');
  for (let step = 2; step <= 25; step++) {
    desktop.paint(grey(step));
    if (step % 8 === 0) desktop.do(`move ${step * 10} 300 20`, 'click');
    /* the last ones are stepped through: one picture each */
    await sleep(step > 22 ? 500 : 100);
  }
  await recorder.uxrec('task', 'end', 'completed');
  await recorder.uxrec('stop');

  const page = await open(recorder.replayLink(session));
  await until(async () => stepOf(await colorOf(page)) === 1, 'the first picture');
  /* without sound there are no sound controls */
  for (const control of ['Hear', 'Bleep…', 'CC captions'])
    assert.equal(await page.getByRole('button', { name: control }).count(), 0, control);
  assert.equal(await page.getByLabel('skip silence').count(), 0);
  assert.equal(await page.locator('.lane.sound').count(), 0);
  await page.getByText('completed').first().waitFor();
  await page.getByRole('button', { name: 'Expand the task', exact: true }).click();
  await page.getByText('3 clicks').waitFor();
  await page.keyboard.press('End');
  await until(async () => stepOf(await colorOf(page)) === 25, 'the last picture');
  await page.keyboard.press(',');
  await until(async () => stepOf(await colorOf(page)) === 24, 'the picture before');
  await page.keyboard.press('.');
  await until(async () => stepOf(await colorOf(page)) === 25, 'the picture after');
  const idle = page.getByLabel('skip idle');
  await idle.focus();
  await page.keyboard.press('Space');
  assert.ok(await idle.isChecked(), 'a checkbox is operated by space');
  await page.keyboard.press('Space');
  assert.ok(!(await idle.isChecked()));
  assert.equal((await stats(page)).state, 'stopped');
  await idle.blur();
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+ArrowRight');
  await until(async () => Math.abs(stepOf(await colorOf(page)) - 8) <= 1, 'the first click');
  await page.keyboard.press('Shift+ArrowRight');
  await until(async () => Math.abs(stepOf(await colorOf(page)) - 16) <= 1, 'the second click');
  /* a random seek shows the same as playback */
  const box = await page.locator('.track').boundingBox();
  await page.mouse.click(box.x + box.width * 0.5, box.y + 30);
  await until(async () => (await stats(page)).state === 'stopped', 'the seek');
  await page.keyboard.press('Home');
  await page.keyboard.press(']');
  await page.keyboard.press(']');
  await page.keyboard.press('Space');
  await until(async () => (await stats(page)).state === 'playing', 'playing');
  await until(async () => stepOf(await colorOf(page)) === 25, 'the end by playing');
  await until(async () => (await stats(page)).state === 'stopped', 'the end');

  /* tag in the coder's own layer; the live tag is unchanged */
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+ArrowRight');
  await until(async () => (await page.locator('.veil').count()) === 0, 'the picture of the click');
  await page.keyboard.press('m');
  await page.getByText('1 error', { exact: true }).waitFor();
  const mine = page.locator('li.mark.mine');
  /* another person with the same default name has a separate layer */
  const other = await open(recorder.replayLink(session));
  await other.getByText('0 errors').waitFor();
  assert.equal(await other.locator('li.mark').count(), 2);
  assert.equal(await other.locator('li.mark.mine').count(), 0);
  await close(other);
  await mine.getByRole('button', { name: /^Change/ }).click();
  await page.getByRole('combobox', { name: 'Opportunity' }).selectOption('menu');
  await page.getByText('2 opportunities met, erred at 1').waitFor();
  await page.locator('.editor').getByRole('button', { name: 'Remove' }).click();
  await until(async () => (await mine.count()) === 0, 'removal');
  await page.getByText('0 errors').waitFor();
  assert.equal(await page.getByText('said live').count(), 1);
  await page.getByRole('tab', { name: 'Events' }).click();
  await page.getByRole('button', { name: /^\d+:\d\d\.\d\d$/ }).last().click();
  await checkAccessibility(page, 'replay');
  await close(page);
  await recorder.end();
});

test('library: sessions, numbers with intervals, health; an empty one shows how to begin', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  const empty = await open(recorder.links.library);
  await empty.getByRole('heading', { name: 'No session yet' }).waitFor();
  await close(empty);
  for (let i = 0; i < 2; i++) {
    await recorder.uxrec('start', '--study', recorder.study, '--participant', `P0${i + 1}`, '--consent', 'paper');
    await recorder.uxrec('task', 'start', 'find');
    if (i) await recorder.uxrec('tag', 's', '--opportunity', 'menu');
    await sleep(300);
    await recorder.uxrec('task', 'end', i ? 'failed' : 'completed');
    await sleep(100);
    if (i) await recorder.uxrec('tag', 's');
    await recorder.uxrec('stop');
  }
  const page = await open(recorder.links.library);
  await page.getByRole('table').waitFor();
  assert.equal(await page.locator('tbody tr').count(), 2);
  await page.locator('.health', { hasText: 'whole' }).first().waitFor();
  /* 1 of 2: adjusted Wald 0.0945 to 0.9055 */
  await page.getByText('95 %: 9.5 % – 91 %; 1 of 2 attempts').first().waitFor();
  await page.getByText('1 scored of 2 attempts').first().waitFor();
  const find = page.getByRole('article', { name: /^Find/ });
  assert.equal(await find.locator('.end', { hasText: '100 %' }).count(), 2, 'axes have printed ends');
  await find.getByRole('img', { name: /^time: .*no interval: fewer than 3 times; n = 1 completions/ }).waitFor();
  await page.getByText('1 tag not counted').click();
  await page.getByText(/slip: outside of every attempt: \d+\.\d s after the end of task 'find' \(P02\); not counted/).waitFor();
  await checkAccessibility(page, 'library');
  await page.getByRole('button', { name: /^Tasks/ }).click();
  await page.keyboard.press('Tab');
  await page.locator('tbody a').first().click();
  await until(async () => (await stats(page)).state === 'stopped', 'the replay');
  await close(page);
  await recorder.end();
});

test('an invalid link has one name on all pages, and unavailable actions are not offered', async () => {
  const recorder = await Recorder.start(QUIET);
  for (const name of ['library', 'live', 'moderate', 'replay']) {
    const page = await open(`http://127.0.0.1:${recorder.port}/${name}?session=20260101-000000#${'0'.repeat(32)}`, { expectErrors: true });
    await page.locator('.badge', { hasText: 'link not valid' }).waitFor();
    await page.getByText(/This link is not valid/).first().waitFor();
    assert.equal(await page.getByRole('button', { name: /Invite|watching|New session/ }).count(), 0, name);
    assert.equal(await page.locator('.topbar input').count(), 0, name);
    await close(page);
  }
  await recorder.end();
});

test('live: without codes nothing is rated, without a session no note is taken; an end that is not stored yet is named', async () => {
  const recorder = await Recorder.start(QUIET);
  const page = await open(recorder.links.live);
  await page.getByRole('heading', { name: 'No session yet' }).waitFor();
  const controls = page.locator('.bottom button, #note');
  assert.equal(await controls.count(), 0);
  await page.keyboard.press('n');
  await page.locator('.keyhint', { hasText: 'no session is running' }).waitFor();
  await close(page);

  await recorder.begin();
  const seen = await open(recorder.links.live);
  await live(seen);
  for (const control of [seen.locator('#note'), seen.getByRole('button', { name: /^Impact 0/ })]) assert.equal(await control.count(), 1);
  /* the print has a head with session, participant, time and layer */
  assert.ok(!(await seen.locator('.printhead').isVisible()));
  await seen.emulateMedia({ media: 'print' });
  const head = await seen.locator('.printhead').innerText();
  assert.match(head, /^uxrec session: P01\s+printed \d{4}-.*\s+Study: Browser study\s+Recorded: \d{4}-.*, session \d{8}-.*\s+Layer: live/);
  await close(seen);

  const without = await open(recorder.links.live, { between: { change: ({ case: kind, value }) => kind === 'status' && value.study && (value.study.codes = []) } });
  await live(without);
  await without.locator('#note').waitFor();
  assert.equal(await without.locator('.bottom button').count(), 0, 'a rating without codes');
  await close(without);

  const ending = await open(recorder.links.live, {
    between: { change: ({ case: kind, value }) => kind === 'status' && Object.assign(value, { state: 4, waitingBytes: 123_456_789n }) },
  });
  await ending.locator('.badge', { hasText: 'ended, 123.5 MB waiting' }).waitFor();
  await close(ending);
  await recorder.end();
});

test('the picture has two thirds of a wide page', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  const session = await recorder.begin();
  for (const url of [recorder.links.live, recorder.replayLink(session)]) {
    const page = await open(url, { viewport: { width: 1920, height: 1080 } });
    await until(async () => (await page.locator('.stage').boundingBox())?.width >= 1920 * 0.66, 'the picture');
    await close(page);
  }
  await recorder.end();
});

test('replay: a moving pointer is not idle, and a pause has no picture', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  desktop.paint('808080');
  const session = await recorder.begin();
  const now = async () => JSON.parse((await recorder.uxrec('status', '--json')).replace(/_ns": (\d+)/g, '_ns": "$1"'));
  desktop.do('move 100 100 50', 'click');
  await sleep(600);
  const moves = BigInt((await now()).now_ns);
  for (let i = 0; i < 3; i++) desktop.do('move 500 300 1000', 'move 100 100 1000');
  await sleep(6000);
  const rests = BigInt((await now()).now_ns);
  await recorder.uxrec('pause');
  const paused = BigInt((await now()).now_ns);
  await sleep(1500);
  await recorder.uxrec('resume');
  desktop.paint('404040');
  await sleep(500);
  await recorder.uxrec('stop');

  const link = (atNs) => recorder.replayLink(session).replace('#', `&at=${atNs}#`);
  const page = await open(link(moves));
  await until(async () => (await stats(page)).state === 'stopped', 'the replay');
  await page.getByLabel('skip idle').check();
  await page.getByLabel('skip idle').blur();
  const times = [];
  await page.keyboard.press('Space');
  await until(async () => {
    const { presentationTimeNs: ns, state } = await stats(page);
    times.push(ns / 1e9);
    return state === 'playing' && ns > Number(rests);
  }, 'the end of the motion');
  /* enough samples within the motion: it was not skipped */
  const span = Number(rests - moves) / 1e9;
  const inside = times.filter((time) => time > Number(moves) / 1e9 && time < Number(rests) / 1e9);
  assert.ok(inside.length > 10, `${inside.length} looks in ${span} s`);
  assert.equal(await page.getByText(/idle skipped/).count(), 0);
  await close(page);

  const gap = await open(link(paused + 500_000_000n));
  await gap.getByRole('heading', { name: 'No picture' }).waitFor();
  await gap.getByText(/^nothing recorded from \d+:\d+\.\d to \d+:\d+\.\d: (paused|the recorder stood still)$/).first().waitFor();
  await gap.keyboard.press('Home');
  await until(async () => (await gap.getByRole('heading', { name: 'No picture' }).count()) === 0, 'the picture');
  await checkAccessibility(gap, 'replay');
  await close(gap);
  await recorder.end();
});

test('AV1 and the colour of every pixel are shown live and in the replay', async () => {
  const isBlue = (page, by) => until(async () => /^[12].[34].[56]/.test(await colorOf(page)), `the blue by ${by}`);
  const isRed = (page, by) => until(async () => /^[bc].[12].[12]/.test(await colorOf(page)), `the red by ${by}`);
  const begin = async (encoder, chroma) => {
    const recorder = await Recorder.start(['--input', 'none', '--encoder', encoder, '--chroma', chroma], desktop.env);
    const session = await recorder.begin();
    const page = await open(recorder.links.live);
    await live(page);
    await isBlue(page, encoder);
    return { encoder, recorder, session, page };
  };
  const end = async ({ encoder, recorder, session, page }) => {
    await isRed(page, encoder);
    await close(page);
    await recorder.uxrec('stop');
    const replay = await open(recorder.replayLink(session));
    await isBlue(replay, encoder);
    await close(replay);
    await recorder.end();
  };
  desktop.paint('204060');
  const all = await Promise.all([begin('libaom-av1', '420'), begin('libaom-av1', '444'), begin('libx264', '444')]);
  desktop.paint('c02020');
  await Promise.all(all.map(end));
});

test('a browser without a decoder for the picture shows its format', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--chroma', '444']);
  await recorder.begin();
  /* Debian's Chromium supports it: fake the error of browsers that do not */
  const script = `window.VideoDecoder = class {
      constructor({ error }) { this.error = error; }
      configure() { setTimeout(() => this.error(new DOMException('Unsupported configuration.', 'NotSupportedError'))); }
      decode() {}
      close() {}
    };`;
  const page = await open(recorder.links.live, { script });
  await page.getByText('in full chroma (4:4:4), which not every browser can decode').waitFor();
  await close(page);
  await recorder.end();
});
