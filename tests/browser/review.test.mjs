// The reviewer page: gaps in words, seeking, the list, search, moment links, sizes.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { colorOf, grey, isLong, pageModule, Recorder, sleep, stepOf, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, openPage, reached, useBrowser } from '../harness/pages/pages.mjs';

const MS = 1_000_000n;
const S = 1000n * MS;
const LONG = 'Verständnisschwierigkeiten beim Bedienoberflächenwechsel';
const STUDY = `study: Review study
consent: We record it.
tasks:
  - {id: find, title: Find it, opportunities: [{id: menu, title: Opens the menu}]}
codes:
${[...'smoahybcdgiqvwxup'].map((key, i) => `  - {id: c${i}, key: ${key}, name: ${i ? `${LONG} ${i}` : 'Slip'}, counts_as: ${i ? 'observation' : 'error'}}`).join('\n')}
`;

let recorder;
let session;
const open = async (options = {}, hash = '', role = 'library') => {
  const url = recorder.replayLink(session).replace(/#.*/, `#${recorder.token(role)}${hash}`);
  const page = await openPage(browser, url, options);
  await reached(page, 'stopped');
  return page;
};
const nowOf = async (page) => Number(await page.locator('.now').getAttribute('data-now-ns'));
const isSought = (page) => until(async () => (await page.locator('.veil').count()) === 0, 'the picture');

async function makeShared() {
  recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  writeFileSync(recorder.study, STUDY);
  desktop.paint(grey(1));
  session = await recorder.begin();
  await recorder.uxrec('task', 'start', 'find');
  for (let step = 2; step < 7; step++) {
    desktop.paint(grey(step));
    desktop.do(`move ${100 + 20 * step} 100 50`, 'click');
    await recorder.uxrec('tag', step % 2 ? 'm' : 's', '--note', `Überraschung ${step}`);
    await sleep(500);
  }
  await recorder.uxrec('interruption', 'begin', 'technical', '--note', 'the printer');
  await sleep(700);
  await recorder.uxrec('interruption', 'end');
  await recorder.uxrec('task', 'end', 'completed_with_assist');
  desktop.paint(grey(20));
  await sleep(600);
  await recorder.uxrec('stop');
}

useBrowser({ screen: [800, 600], shared: makeShared });

test('gaps: texts by parts and in milliseconds, short ones as one run, their length as a union', async () => {
  const { gapText, gapRuns, lostText } = await pageModule('base/gaps.ts');
  const gap = (reason, fromNs, toNs, ...topics) => ({ reason, fromNs, toNs, topics, count: 0n, detail: '' });
  assert.equal(gapText(gap(3, S, S + 2n * MS, '/sound')), 'sound lost for 2 ms: the device’s queue overflowed');
  assert.equal(gapText(gap(1, S, 65n * S)), 'paused for 1:04 min');
  assert.equal(gapText(gap(4, S, 0n, '/screen', '/pointer')), 'screen, pointer lost to the end: the source was lost');
  assert.equal(gapText(gap(4, S, S + 500n, '/input/clicked')), 'names of clicked objects lost for less than 1 ms: the source was lost');
  assert.equal(gapText(gap(3, S, S + 40n * MS, '/input/controls', '/input/keys')), 'input lost for 40 ms: the device’s queue overflowed');
  assert.equal(gapText(gap(4, S, S + 1200n * MS, '/input/keys', '/input/keys/full')), 'keys lost for 1.2 s: the source was lost');
  assert.equal(gapText(gap(11, S, 0n, '/sound')), 'sound: not covered by the consent to the end');
  const holes = Array.from({ length: 231 }, (_, i) => gap(3, BigInt(i + 1) * S, BigInt(i + 1) * S + 2n * MS, '/sound'));
  const rows = gapRuns([...holes, gap(1, 5n * S, 9n * S), gap(4, 300n * S, 302n * S, '/screen')]);
  assert.deepEqual(
    rows.map(({ text }) => text),
    [
      '231 short gaps in the sound, 462 ms in total: the device’s queue overflowed',
      'paused for 4.0 s',
      'screen lost for 2.0 s: the source was lost',
    ],
  );
  assert.equal(rows[0].gaps.length, 231);
  /* neither two gaps nor gaps an hour apart form a run */
  assert.equal(gapRuns(holes.slice(0, 2)).length, 2);
  assert.equal(gapRuns([0n, 3600n, 7200n].map((s) => gap(3, s * S, s * S + MS, '/sound'))).length, 3);
  /* overlaps count once */
  assert.match(gapRuns([...holes, ...holes])[0].text, /^462 short gaps in the sound, 462 ms in total/);
  const lost = [{ part: 2, lostNs: 10n * S, gaps: 1 }, { part: 6, lostNs: 462n * MS, gaps: 231 }];
  assert.equal(lostText(lost), 'screen 10.0 s, sound 462 ms in 231 gaps');
  assert.equal(lostText([]), '');
});

test('idle spans have no input, change, speech or mark', async () => {
  const { activityOf, idleUntilNs } = await pageModule('media/idle.ts');
  const timeline = {
    beginNs: 0n,
    endNs: 100n * S,
    /* server order: shortcuts and policies after all presses */
    events: [{ atNs: 2n * S, endNs: 2n * S }, { atNs: 60n * S, endNs: 61n * S }, { atNs: 30n * S, endNs: 30n * S }],
    gaps: [{ fromNs: 80n * S, toNs: 81n * S }],
  };
  const moves = Array.from({ length: 12 }, (_, i) => ({ fromNs: BigInt(40 + i) * S, toNs: BigInt(40 + i) * S + 1n }));
  const activity = activityOf(timeline, [{ timeNs: 0n }], moves, undefined);
  const until = (s, marked = []) => Number(idleUntilNs(activity, marked.map((at) => BigInt(at) * S), BigInt(s * 1000) * MS, timeline.endNs)) / 1e9;
  assert.equal(until(2.5), 2.5, 'what was done is seen to its end');
  assert.equal(until(10), 29.5, 'to the shortcut');
  assert.equal(until(45), 45, 'a pointer that moves');
  assert.equal(until(53), 59.5);
  assert.equal(until(70), 79.5, 'to the gap');
  assert.equal(until(90), 99.5);
  assert.equal(until(10, [15]), 14.5, 'to a tag');
  assert.equal(until(15.5, [15]), 15.5);
  assert.equal(until(10, [12]), 11.5);
  assert.equal(until(29.6), 29.6, 'what comes is seen to begin');
  assert.equal(until(58, [61]), 59.5);
  /* speech from 10 to 20 */
  const spoken = activityOf(timeline, [], [], [{ fromNs: 0n, toNs: 10n * S }, { fromNs: 20n * S, toNs: 100n * S }]);
  assert.equal(Number(idleUntilNs(spoken, [], 5n * S, timeline.endNs)) / 1e9, 9.5);
  assert.equal(Number(idleUntilNs(spoken, [], 15n * S, timeline.endNs)) / 1e9, 15);
});

test('links to moments are read in any form, and the axis has ticks for any length', async () => {
  const { parseMoment, momentText, momentOf } = await pageModule('base/moment_link.ts');
  for (const [text, seconds] of [
    ['12:31', 751], ['12:31.4', 751.4], ['12:31,4', 751.4], ['1:02:03.5', 3723.5], ['751.4s', 751.4], ['751.4', 751.4],
    ['12m31s', 751], ['1h2m3s', 3723], ['1h', 3600], ['90:00', 5400], ['0', 0],
  ])
    assert.equal(Number(parseMoment(text)) / 1e9, seconds, text);
  for (const text of ['', 'abc', '-3', '1:2:3:4', '12:', '1e9', '٣']) assert.equal(parseMoment(text), undefined, text);
  assert.equal(momentText(`#${'0'.repeat(32)}&at=12%3A31.4`), '12:31.4');
  assert.equal(momentText('#at=%'), '%');
  assert.equal(momentText(`#${'0'.repeat(32)}`), undefined);
  assert.equal(momentOf('', 0n, S), undefined);
  assert.match(momentOf('#at=1:00', 5n, 5n + 10n * S).why, /leads to 1:00.0, and this session is 0:10.0 long/);
  assert.match(momentOf('#at=noon', 0n, S).why, /no valid time: “noon”/);
  assert.deepEqual(momentOf('#at=10.9', 5n, 5n + 10n * S), { ns: 5n + 10n * S });
  const { ticks, zoomed } = await pageModule('base/axis.ts');
  for (const seconds of [1, 2, 10, 60, 600, 3600, 14400, 1e6])
    for (const width of [40, 250, 900, 1800]) {
      const lengthNs = BigInt(seconds) * S;
      const all = ticks(0n, lengthNs, width);
      assert.ok(all.length <= width / 40 + 1 && all.length >= (width < 100 ? 1 : 2), `${seconds} s in ${width} px: ${all.length}`);
      assert.equal(new Set(all.map(({ text }) => text)).size, all.length);
    }
  const whole = { fromNs: 0n, lengthNs: 100n * S };
  assert.deepEqual(zoomed(whole, whole, 2, 80n * S), { fromNs: 40n * S, lengthNs: 50n * S });
  assert.deepEqual(zoomed(whole, whole, 0.5, 80n * S), whole);
  assert.equal(zoomed(whole, whole, 1e6, 0n).lengthNs, S);
});

test('search folds case and diacritics, marks its matches, and is quick among many', async () => {
  const { SearchIndex, fold, marked } = await pageModule('base/search.ts');
  assert.equal(fold('Ärger STRASSE Straße σοφος'), 'ARGER STRASSE STRASSE ΣΟΦΟΣ');
  assert.deepEqual(marked('Ein Überblick, überall', 'UBER'), ['Ein ', 'Über', 'blick, ', 'über', 'all']);
  assert.deepEqual(marked('Straße', 'ss'), ['Stra', 'ß', 'e']);
  assert.deepEqual(marked('e\u0301te\u0301', 'te'), ['e\u0301', 'te\u0301', '']);
  const items = Array.from({ length: 60_000 }, (_, i) => ({
    kind: i < 10_000 ? 'tag' : 'event',
    atNs: BigInt(i),
    text: i % 1000 ? `clicked button “Speichern ${i}”` : `Größe ${i}`,
  }));
  const index = new SearchIndex(items);
  const begun = performance.now();
  const found = index.find('gros', 5);
  assert.ok(performance.now() - begun < 500);
  assert.deepEqual(found.map(({ kind, count, items: some }) => [kind, count, some.length]), [['tag', 10, 5], ['event', 50, 5]]);
  assert.deepEqual(index.find('  ', 5), []);
});

test('a pending seek is shown, and a tag lands on the visible picture or nowhere', async () => {
  /* a slow decoder */
  const page = await open({
    script: `
      const decode = VideoDecoder.prototype.decode;
      window.waiting = [];
      VideoDecoder.prototype.decode = function (chunk) {
        if (!window.hold) return decode.call(this, chunk);
        window.waiting.push(() => this.state === 'configured' && decode.call(this, chunk));
      };
      window.release = () => { window.hold = false; for (const go of window.waiting.splice(0)) go(); };`,
  });
  await isSought(page);
  const tags = () => page.locator('li.mark').count();
  const tagged = await tags();
  assert.equal(stepOf(await colorOf(page)), 1);
  await page.evaluate(() => (window.hold = true));
  await page.keyboard.press('End');
  await page.getByText(/^seeking to 0:\d\d$/).waitFor();
  assert.match(await page.locator('#picture').getAttribute('aria-label'), /at 0:00, seeking to 0:\d\d/);
  assert.match(await page.locator('.now').getAttribute('class'), /pending/);
  assert.equal(stepOf(await colorOf(page)), 1, 'the old picture');
  await checkAccessibility(page, 'seeking');
  await page.keyboard.press('s');
  await page.getByText(/not tagged: the picture at 0:\d\d\.\d is not loaded yet/).waitFor();
  await page.locator('.palette button').first().click();
  assert.equal(await tags(), tagged);
  await page.evaluate(() => window.release());
  await isSought(page);
  await until(async () => stepOf(await colorOf(page)) === 20, 'the last picture');
  assert.ok(!/pending/.test(await page.locator('.now').getAttribute('class')));
  await page.keyboard.press('s');
  await until(async () => (await tags()) === tagged + 1, 'the tag');
  assert.equal(await page.locator('li.mark [data-media-ns]').last().getAttribute('data-media-ns'), String(await page.locator('.now').getAttribute('data-now-ns')));
  await page.keyboard.press('z');
  await until(async () => (await tags()) === tagged, 'the tag taken back');
  await close(page);
});

test('a link to a moment is copied without the key, and read on load and when it is pasted', async () => {
  const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] }, '&at=0:01.5');
  await isSought(page);
  const begin = Number(await page.locator('.playhead').getAttribute('aria-valuenow'));
  assert.equal(begin, 1.5);
  assert.match(page.url(), /#at=0:01\.5$/);
  await page.keyboard.press('Shift+L');
  await page.getByText(/^Copied: http/).waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(link.endsWith(`/replay?session=${session}#at=0:01.5`), link);
  assert.ok(!link.includes(recorder.token('library')));
  await page.evaluate(() => {
    window.stays = true;
    location.hash = '#at=2s';
  });
  await until(async () => Number(await page.locator('.playhead').getAttribute('aria-valuenow')) === 2, 'two seconds');
  assert.ok(await page.evaluate(() => window.stays), 'the page was not loaded again');
  await page.evaluate(() => (location.hash = '#at=59:00'));
  await page.getByText(/The link leads to 59:00\.0, and this session is 0:\d\d\.\d long/).waitFor();
  assert.equal(Number(await page.locator('.playhead').getAttribute('aria-valuenow')), 2);
  await page.getByRole('button', { name: 'Copy link' }).waitFor();
  await close(page);
});

test('the timeline and the picture have keys of their own to be zoomed, also with the focus on the playhead', async () => {
  const page = await open();
  await isSought(page);
  const out = page.getByRole('button', { name: 'Zoom out' });
  const factor = page.locator('.zoombar .factor');
  assert.ok(await out.isDisabled());
  await page.locator('.playhead').focus();
  await page.keyboard.press('Shift+ArrowUp');
  await until(() => out.isEnabled(), 'a part of the timeline');
  assert.equal(await factor.textContent(), 'fit');
  await page.keyboard.press('+');
  await until(async () => (await factor.textContent()) !== 'fit', 'a larger picture');
  await page.keyboard.press('Shift+ArrowDown');
  await until(() => out.isDisabled(), 'the whole timeline');
  await page.keyboard.press('?');
  await page.getByText('zoom the timeline in, out').waitFor();
  const keys = await page.locator('dialog.help dt').allTextContents();
  assert.deepEqual(keys.filter((one, i) => keys.indexOf(one) < i), [], 'one meaning of each key');
  await close(page);
});

test('one search over tags, notes and events by keyboard, whose hits jump', async () => {
  const page = await open();
  await isSought(page);
  await page.keyboard.press('/');
  await page.keyboard.type('uberraschung');
  const hits = page.getByRole('option');
  await until(async () => (await hits.count()) === 5, 'the tags');
  assert.equal(await page.locator('.hit mark').first().textContent(), 'Überraschung');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await checkAccessibility(page, 'search');
  const time = await page.locator('.hit[aria-selected=true] .time').textContent();
  await page.keyboard.press('Enter');
  await until(async () => (await page.locator('.now').textContent()).startsWith(time), 'the jump');
  await page.locator('#search').fill('click');
  await page.getByRole('group', { name: /^Events: \d/ }).waitFor();
  await page.locator('#search').fill('nowhere at all');
  await page.getByText('No results for “nowhere at all”').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#search').inputValue(), '');
  await page.keyboard.press('Space');
  await reached(page, 'playing');
  await close(page);
});

test('the list follows the playhead until it is scrolled, rows seek, and a key opens the editor over the picture', async () => {
  const page = await open({ viewport: { width: 1280, height: 800 } }, '', 'moderate');
  await isSought(page);
  const rows = page.locator('li.mark');
  const box = await rows.nth(2).boundingBox();
  await rows.nth(2).click({ position: { x: box.width - 90, y: box.height - 6 } });
  const ns = Number(await rows.nth(2).locator('[data-media-ns]').getAttribute('data-media-ns'));
  await until(async () => (await nowOf(page)) === ns, 'the seek by a row');
  await isSought(page);
  await page.keyboard.press('e');
  const editor = page.locator('form.editor');
  await editor.waitFor();
  const panel = await page.locator('#side-panel').boundingBox();
  const place = await editor.boundingBox();
  assert.ok(place.x >= 0 && place.y >= 0 && place.y + place.height <= 800 && place.x + place.width <= 1280, JSON.stringify(place));
  assert.equal((await rows.nth(2).boundingBox()).height, box.height, 'no row is pushed');
  assert.ok(panel.height >= 300);
  await checkAccessibility(page, 'editor');
  /* the button label depends on unsaved text */
  await editor.getByRole('button', { name: 'Close' }).waitFor();
  const written = await editor.locator('textarea').inputValue();
  await editor.locator('textarea').fill(`${written} and more`);
  await editor.getByRole('button', { name: 'Cancel' }).waitFor();
  await editor.locator('textarea').fill(written);
  await editor.getByRole('button', { name: 'Close' }).waitFor();
  await page.keyboard.press('Alt+ArrowRight');
  await page.keyboard.press('Escape');
  await until(() => page.evaluate(() => document.activeElement?.ariaExpanded === 'false'), 'the focus back in the row');
  await page.setViewportSize({ width: 1280, height: 560 });
  await page.locator('#side-panel').hover();
  await page.mouse.wheel(0, 120);
  await page.getByRole('button', { name: 'Back to now' }).click();
  await page.getByRole('button', { name: 'Back to now' }).waitFor({ state: 'detached' });
  await close(page);
});

test('in a low window the task is folded to its main numbers, of which each has its scope, and unfolds', async () => {
  const page = await open({ viewport: { width: 1280, height: 800 } });
  await page.keyboard.press('End');
  const task = page.locator('.taskpanel');
  await task.getByText('0 errors in your layer, 3 in others').waitFor();
  const isWhole = () => task.evaluate((panel) => panel.scrollHeight <= panel.clientHeight);
  assert.ok(await isWhole());
  assert.equal(await task.locator('h2').getAttribute('title'), 'Find it');
  const met = page.getByRole('checkbox', { name: 'Opens the menu' });
  assert.equal(await met.count(), 0);
  await page.getByRole('button', { name: 'Expand the task', exact: true }).click();
  await met.waitFor();
  await task.getByText(/^[\d.:]+ (ms|s|min) of breaks excluded$/).waitFor();
  await page.locator('.lane.tasks .gap[title*="not counted as time on task: the printer"]').waitFor();
  assert.ok((await page.locator('#side-panel').boundingBox()).height >= 120);
  await page.getByLabel('all layers').uncheck();
  await task.getByText(/^0 errors in your layer$/).waitFor();
  /* unfolded where there is room, until folded by the user */
  await page.getByRole('button', { name: 'Collapse the task' }).click();
  await page.setViewportSize({ width: 1920, height: 1080 });
  assert.equal(await met.count(), 0);
  await page.reload();
  await met.waitFor();
  await close(page);
});

test('all codes are in sight on a large screen, and fade where more of them follow', async () => {
  const page = await open({ viewport: { width: 1920, height: 1080 } });
  const palette = page.locator('.palette');
  const hidden = () =>
    palette.evaluate((box) => {
      const { bottom } = box.getBoundingClientRect();
      return [...box.querySelectorAll('button')].filter((button) => button.getBoundingClientRect().bottom > bottom + 1).length;
    });
  const fades = () => palette.evaluate((box) => getComputedStyle(box).maskImage !== 'none');
  for (const [width, height] of [[1920, 1080], [1366, 768], [1280, 800]]) {
    await page.setViewportSize({ width, height });
    assert.equal(await hidden(), 0, `${width}×${height}`);
    await until(async () => !(await fades()), 'no fade');
  }
  await page.setViewportSize({ width: 920, height: 1000 });
  assert.ok((await hidden()) > 0);
  await until(fades, 'a fade');
  await palette.evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await until(async () => !(await fades()), 'the end');
  await close(page);
});

/** Tags of another author in the opened session, spread over its first second. */
async function withMarks(number) {
  const { create } = await import('@bufbuild/protobuf');
  const { ActSchema } = await pageModule('../gen/protocol/acts_pb.ts');
  return {
    change: ({ case: kind, value }) => {
      if (kind !== 'sessionOpened') return;
      for (let i = 0; i < number; i++) {
        const mediaNs = value.summary.beginNs + BigInt(Math.round((1e9 * i) / number));
        const body = { case: 'tag', value: { code: `c${i % 17}`, mediaNs, impact: 4, recovered: true, note: `no. ${i}` } };
        value.acts.push(create(ActSchema, { id: i.toString(16).padStart(32, '0'), kind: 1, counter: BigInt(i + 1), author: 'Kimberley', layer: 'live', body }));
      }
    },
  };
}

test('numbers of marks on the timeline lie over no other mark, and a row keeps its author', async () => {
  const page = await open({ between: await withMarks(25) });
  await page.getByText('no. 3', { exact: true }).waitFor();
  for (const [width, height] of [[390, 844], [1280, 800], [1920, 1080]]) {
    await page.setViewportSize({ width, height });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const [ticks, overlaps] = await page.evaluate(() => {
      const boxes = [...document.querySelectorAll('.lane.marks')].map((lane) =>
        [...lane.querySelectorAll('.tick, .tick small')].map((one) => one.getBoundingClientRect()).sort((a, b) => a.left - b.left));
      const pairs = boxes.flatMap((lane) => lane.slice(1).map((box, i) => lane[i].right - box.left));
      return [boxes.flat().length, pairs.filter((px) => px > 1).length];
    });
    assert.ok(ticks > 2);
    assert.equal(overlaps, 0, `at ${width}`);
    const author = page.locator('li.mark .author', { hasText: 'Kimberley' }).first();
    assert.ok((await author.boundingBox()).width >= 55, `${width}: ${(await author.boundingBox()).width}`);
  }
  await close(page);
});

test('in print a session has a head, and every tag its time and its author', async (t) => {
  if (spawnSync('pdftotext', ['-v']).error) {
    t.skip('pdftotext is not installed');
    return;
  }
  const page = await open({ colorScheme: 'dark', between: await withMarks(250) });
  /* the list renders those around the playhead */
  await until(async () => Number(await page.locator('li.mark').first().getAttribute('aria-setsize')) >= 250, 'the marks');
  const path = join(recorder.folder, 'session.pdf');
  await page.pdf({ path, preferCSSPageSize: true });
  const { stdout } = await promisify(execFile)('pdftotext', ['-layout', path, '-']);
  for (const text of [/uxrec session: P01\s+printed \d{4}-\d\d-\d\d/, /Study: Review study/, /Recorded: \d{4}-\d\d-\d\d/, /Layers: reviewer’s, with its metrics; all others/, /Opens the menu/])
    assert.match(stdout, text);
  assert.equal(stdout.match(/\bKimberley\b/g)?.length, 250, 'rows that are not on the screen too');
  assert.ok(stdout.match(/^\s*0:0\d\b/gm)?.length >= 250, 'times');
  assert.ok(!/Copy link|Expand|Attach/.test(stdout), 'no controls');
  for (const text of stdout.split('\f').slice(0, -1)) assert.ok(text.trim().length > 40, 'a page is empty');
  await close(page);
});

test('in a window that is low and narrow the list beside the picture makes the page no longer', async () => {
  const page = await open({ viewport: { width: 844, height: 390 }, between: await withMarks(25) });
  await page.getByText('no. 3', { exact: true }).waitFor();
  for (const [width, height] of [[844, 390], [640, 400], [800, 560]]) {
    await page.setViewportSize({ width, height });
    const { stage, screen, bottom, side, list } = await page.evaluate(() => {
      const [stage, screen, bottom, side, list] = ['.stage', '.screen', '.bottom', '.side', '#side-panel'].map((one) =>
        document.querySelector(one).getBoundingClientRect().toJSON());
      return { stage, screen, bottom, side, list };
    });
    const where = `${width}×${height}`;
    assert.ok(screen.top >= stage.top && screen.bottom <= stage.bottom, `the picture is in its place at ${where}`);
    assert.ok(side.left >= stage.right - 1 && Math.abs(side.bottom - bottom.bottom) <= 1, `beside the rest at ${where}`);
    assert.ok(list.height >= 200, `${list.height} px of list at ${where}`);
  }
  await close(page);
});

test('the list has its room and nothing overflows, with 17 codes of long names, from a phone to a large screen', async () => {
  const more = isLong ? [[1366, 768, 300], [1920, 1080, 300], [844, 390, 200]] : [];
  for (const [width, height, least] of [[1280, 800, 300], [390, 844, 240], ...more]) {
    const page = await open({ viewport: { width, height } });
    const { height: list } = await page.locator('#side-panel').boundingBox();
    assert.ok(list >= least, `${list} px of list at ${width}×${height}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${overflow} px too wide at ${width}`);
    if (width >= 900) {
      const tall = await page.evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight);
      assert.ok(tall <= 0, `${tall} px too high at ${width}×${height}`);
    }
    if (width === 1920) assert.ok((await page.locator('.stage').boundingBox()).width >= (1920 * 2) / 3, 'the picture');
    if (width === 390 || width === 1280) await checkAccessibility(page, `${width}`);
    if (width === 390) {
      /* the list scrolls in its own panel */
      await page.evaluate(() => window.scrollTo(0, 0));
      await page.keyboard.press('End');
      await isSought(page);
      await sleep(100);
      assert.equal(await page.evaluate(() => document.scrollingElement.scrollTop), 0, 'the page stays where it is');
    }
    await close(page);
  }
});
