// Timing of pictures and sound in Debian's Chromium; runs alone.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { bestOf, colorOf, delay, flashOffsets, grey, Recorder, sleep, stats, stepOf, through, until, watchFlashes } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, hear, live, openPage, pause, play, played, playUntil, silent, useBrowser } from '../harness/pages/pages.mjs';

const LENGTH_S = 6; // of a recording for playback

useBrowser({ screen: [1280, 720] });

const open = (url, options) => openPage(browser, url, options);

test('live: the picture comes within a second and changes when the desktop does', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  desktop.paint('204060');
  await recorder.begin();
  let page;
  /* the first one waits for the browser to start its decoder */
  const { firstPictureMs, lagMs } = await bestOf(
    6,
    async () => {
      if (page) await close(page);
      page = await open(recorder.links.live);
      await live(page);
      const { firstPictureMs: ms, lagMs: lag } = await stats(page);
      console.log(`# first picture after ${ms} ms, ${lag} ms late`);
      return { firstPictureMs: ms, lagMs: lag };
    },
    (found) => found.firstPictureMs < 1000 && found.lagMs < 2000,
  );
  assert.ok(firstPictureMs < 1000, `first picture after ${firstPictureMs} ms`);
  assert.ok(lagMs < 2000, `${lagMs} ms late`);
  await until(async () => /^[12]/.test(await colorOf(page)), 'the blue of the desktop');
  desktop.paint('c02020');
  await until(async () => /^c|^b/.test(await colorOf(page)), 'the red of the desktop');
  /* without changes the complete time still advances */
  const before = (await stats(page)).presentationTimeNs;
  await until(async () => (await stats(page)).presentationTimeNs - before > 1e9, 'a later time');
  await close(page);
  await recorder.end();
});

test('a tag over a connection that is one second late lands on the picture that was seen', async () => {
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  const slow = await delay(recorder.port, 1000);
  desktop.paint(grey(0));
  const session = await recorder.begin();
  const url = through(recorder.links.live, slow);
  const page = await open(url);
  await until(async () => (await stats(page)).state === 'live', 'the late picture', 30000);
  let seen = -1;
  for (let step = 1; step <= 20; step++) {
    desktop.paint(grey(step));
    await sleep(250);
    if (step === 12) {
      seen = stepOf(await colorOf(page));
      await page.keyboard.press('m');
    }
  }
  assert.ok(seen < 11, `the observer is late: at step 12 they saw ${seen}`);
  const { lagMs } = await stats(page);
  assert.ok(lagMs > 800, `lag ${lagMs} ms`);
  await page.locator('li.mark:not(.pending)').first().waitFor();
  await recorder.uxrec('stop');
  const replay = await open(recorder.replayLink(session));
  await until(async () => (await stats(replay)).state === 'stopped', 'the replay');
  await replay.getByRole('button', { name: /^\d+:\d\d$/ }).first().click();
  await until(async () => Math.abs(stepOf(await colorOf(replay)) - seen) <= 1, `step ${seen}`);
  await close(replay);
  await close(page);
  slow.end();
  await recorder.end();
});

/* Flashes and clicks at whole seconds are at most one picture apart. A busy machine may show and play late: the best
 * of several successive stretches counts, as a constant offset is in each of them. */
async function checkTogether(page, what) {
  let taken = 2; // the first ones occur while the sound starts
  const middle = (offsets) => [...offsets].sort((a, b) => a - b)[offsets.length >> 1];
  const offsets = await bestOf(
    8,
    async () => {
      let all;
      await playUntil(page, async () => (all = await flashOffsets(page)).length >= taken + 5, 'flashes and clicks', 60000);
      const seen = all.slice(taken);
      taken = all.length;
      console.log(`# ${what}: a click is ${middle(seen).toFixed(1)} ms after its flash (${seen.map((ms) => ms.toFixed(0)).join(' ')})`);
      return seen;
    },
    (seen) => Math.abs(middle(seen)) < 40,
  );
  assert.ok(Math.abs(middle(offsets)) < 40, `offsets ${offsets}`);
}

test('a flash and a click of one moment are seen and heard together, live and in the replay; the moderator can mute it', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone']);
  await recorder.begin('paper:screen,sound');
  const observer = await open(recorder.links.live, { script: watchFlashes });
  await live(observer);
  await until(async () => (await stats(observer)).soundDb > -10, 'the loudness of a click');
  await observer.getByRole('button', { name: 'Hear', exact: true }).click();
  await checkTogether(observer, 'live');

  await recorder.uxrec('mute');
  await observer.getByText('sound muted by the moderator').waitFor();
  await silent(observer);
  const { soundPacketsPlayed } = await stats(observer);
  const moderator = await open(recorder.links.moderate);
  await live(moderator);
  await moderator.getByRole('button', { name: 'Hear', exact: true }).click();
  await until(async () => (await stats(moderator)).soundPacketsPlayed > 50, 'what the moderator hears');
  await checkAccessibility(moderator, 'moderate, with sound');
  await moderator.getByLabel('observers hear the sound').check();
  await until(async () => (await stats(observer)).soundPacketsPlayed > soundPacketsPlayed, 'sound again');
  await close(observer);
  await close(moderator);
  await recorder.uxrec('stop');
  const events = await recorder.uxrec('dump', join(recorder.library, recorder.sessions()[0]), '--channel', '/session', '--json');
  assert.match(events, /OBSERVERS_MUTED[^]*OBSERVERS_UNMUTED/);

  const replay = await open(recorder.replayLink(recorder.sessions()[0]), { script: watchFlashes });
  await until(async () => (await stats(replay)).picturesDecoded > 0, 'a picture');
  await replay.getByRole('button', { name: 'Hear', exact: true }).click();
  await replay.keyboard.press(' ');
  await checkTogether(replay, 'replay');
  await close(replay);
  await recorder.end();
});

test('sound is heard at every speed up to 3× with the moment that is shown, and not above', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone']);
  const session = await recorder.begin('paper:screen,sound');
  await sleep(LENGTH_S * 1000);
  await recorder.uxrec('stop');
  const page = await open(recorder.replayLink(session));
  await until(async () => (await stats(page)).picturesDecoded > 0, 'a picture');
  await hear(page);
  await pause(page);
  for (const [speed, presses] of [[2, ']]'], [3, ']'], [0.5, '[[[[[']]) {
    for (const key of presses) await page.keyboard.press(key);
    await page.getByText(`${speed}×`, { exact: true }).waitFor();
    await page.keyboard.press('Home');
    const before = await played(page);
    await playUntil(page, async () => (await played(page)) > before + 40, `sound at ${speed}×`);
    await playUntil(page, async () => (await stats(page)).soundPeak > 0.05, `a click at ${speed}×`);
    const off = await bestOf(
      8,
      async () => {
        const seen = [];
        await playUntil(page, async () => {
          const { state, soundOffMs } = await stats(page);
          if (state === 'playing') seen.push(Math.abs(soundOffMs));
          await sleep(40);
          return seen.length >= 9;
        }, `playing at ${speed}×`);
        return seen.sort((a, b) => a - b)[4];
      },
      (ms) => ms < 40,
    );
    assert.ok(off < 40, `${off} ms off at ${speed}×`);
    await pause(page);
  }
  for (const key of ']]]]]]') await page.keyboard.press(key);
  await page.getByText('silent at 4×').waitFor();
  await page.keyboard.press('Home');
  const before = await played(page);
  await play(page);
  await until(async () => (await stats(page)).state === 'stopped', 'the end');
  assert.equal(await played(page), before);
  await close(page);
  await recorder.end();
});
