// The observer page: notes, list of tags, rating, zoom, redacted areas, phones.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Client, QUIET, Recorder, STUDY, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, desktop, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

useBrowser({ screen: [800, 600] });

const start = () => Recorder.start(['--input', 'x11'], desktop.env);
const field = (page) => page.getByLabel('Note (N)');
const rows = (page) => page.locator('li.mark');
const row = (page, hasText) => page.locator('li.mark', { hasText });

/** Notes of a session as delivered to reviewers. */
async function notesOf(recorder, session) {
  const judge = await Client.open(recorder, 'library', 'Judge');
  const { value } = await judge.ask({ case: 'openSession', value: { session } });
  judge.end();
  return value.acts.filter(({ body }) => body.case === 'note').map(({ body }) => body.value);
}

test('notes have lines, and are taken in a pause, after the end, and while the next session runs', async () => {
  const recorder = await start();
  const session = await recorder.begin();
  const page = await openPage(browser, recorder.links.live);
  await live(page);
  /* the field grows with its lines up to a limit, and Enter sends */
  await page.keyboard.press('n');
  const height = async () => (await field(page).boundingBox()).height;
  const low = await height();
  await page.keyboard.type('one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two');
  await until(async () => (await height()) > low + 10, 'a field of two lines');
  for (let line = 0; line < 20; line++) await page.keyboard.press('Shift+Enter');
  assert.ok((await height()) < 300);
  await page.keyboard.press('Enter');
  await until(async () => (await notesOf(recorder, session)).length === 1, 'the note');
  assert.equal((await notesOf(recorder, session))[0].text, 'one\ntwo');
  assert.equal(await row(page, 'one').locator('.text').evaluate((text) => text.innerText), 'one\ntwo');
  await until(async () => (await height()) === low, 'a field of one line');
  /* during a pause notes are stored, but tags are not: the page shows the reason */
  await recorder.uxrec('pause');
  await page.getByText('paused: you can add notes, but no tags').waitFor();
  assert.ok(await field(page).evaluate((text) => text === document.activeElement));
  await page.keyboard.type('in the pause');
  await page.keyboard.press('Enter');
  await row(page, 'in the pause').waitFor();
  await field(page).evaluate((text) => text.blur());
  await page.keyboard.press('m');
  await page.getByText(/paused: no tags until/).waitFor();
  assert.equal(await rows(page).count(), 2);
  await checkAccessibility(page, 'a pause');
  /* a note belongs to the session in which it was begun, even if the next one is running */
  await recorder.uxrec('resume');
  await live(page);
  await page.keyboard.press('n');
  await page.keyboard.type('begun before ');
  await recorder.uxrec('stop');
  await page.getByText(/notes for P01 until \d/).waitFor();
  const next = await recorder.uxrec('start', '--study', recorder.study, '--participant', 'P02', '--consent', 'paper');
  await live(page);
  await page.keyboard.type('the end');
  await page.keyboard.press('Enter');
  await page.getByText('Note added for P01').waitFor();
  /* a note begun now belongs to the next session, unless the other is chosen */
  await page.keyboard.type('about the next');
  await page.keyboard.press('Enter');
  await row(page, 'about the next').waitFor();
  await page.getByRole('group', { name: 'Notes for' }).getByRole('button', { name: /P01 until/ }).click();
  await field(page).fill('remembered');
  await checkAccessibility(page, 'notes for two sessions');
  await field(page).press('Enter');
  await until(async () => (await notesOf(recorder, session)).length === 4, 'all notes');
  const [, paused, begun, late] = (await notesOf(recorder, session)).sort((a, b) => (a.mediaNs < b.mediaNs ? -1 : 1));
  assert.deepEqual([paused.text, begun.text, late.text], ['in the pause', 'begun before the end', 'remembered']);
  assert.ok(paused.pressNs === paused.mediaNs && late.pressNs === 0n);
  assert.deepEqual((await notesOf(recorder, next)).map(({ text }) => text), ['about the next']);
  await close(page);
  await recorder.end();
});

test('the list shows the author of each tag, and filters by author or code', async () => {
  const recorder = await start();
  const session = await recorder.begin();
  const ben = await openPage(browser, recorder.links.live, { script: () => localStorage.setItem('name', 'Ben') });
  const page = await openPage(browser, recorder.links.live);
  await live(ben);
  await live(page);
  await page.getByText('No tags yet').waitFor();
  for (const key of ['m', 'f']) await ben.keyboard.press(key);
  for (const key of ['m', 's']) await page.keyboard.press(key);
  await until(async () => (await rows(page).count()) === 4, 'all tags');
  assert.equal(await page.locator('li.mark.own').count(), 2);
  assert.equal(await row(page, 'Ben').count(), 2);
  assert.equal(await page.locator('li.mark.own', { hasText: 'you' }).count(), 2);
  /* by keyboard, with the count */
  await page.keyboard.press('/');
  const by = page.getByLabel('Filter by author');
  await until(() => by.evaluate((select) => select === document.activeElement), 'the focus on the filter');
  await by.selectOption('Ben');
  await page.getByText('2 of 4').waitFor();
  await page.getByLabel('Filter by code').selectOption('Flag');
  await page.getByText('1 of 4').waitFor();
  assert.equal(await rows(page).count(), 1);
  await by.selectOption('you');
  await page.getByText('No tag or note matches the filter.').waitFor();
  /* undo never removes a hidden tag */
  await by.evaluate((select) => select.blur());
  await page.keyboard.press('z');
  await page.getByText(/the list does not show Slip/).waitFor();
  await checkAccessibility(page, 'a choice of tags');
  await by.selectOption('authors');
  await page.getByLabel('Filter by code').selectOption('codes');
  assert.equal(await rows(page).count(), 4);
  /* text typed about a tag survives its removal by another user */
  await page.locator('li.mark.own [aria-expanded]').first().click();
  await page.locator('.editor textarea').fill('lost its way');
  const id = await page.locator('li.mark:has(.editor)').getAttribute('data-act');
  const judge = await Client.open(recorder, 'moderate', 'Judge');
  const removal = { id, kind: 3, layer: 'live' };
  assert.equal((await judge.ask({ case: 'putAct', value: { session, act: removal } })).case, 'actStored');
  judge.end();
  await page.getByText('It was removed meanwhile').waitFor();
  assert.equal(await page.locator('.editor textarea').inputValue(), 'lost its way');
  await checkAccessibility(page, 'a removed tag that is being changed');
  await page.locator('.editor textarea').press('Enter');
  await row(page, 'lost its way').waitFor();
  assert.notEqual(await row(page, 'lost its way').getAttribute('data-act'), id);
  await until(async () => (await rows(page).count()) === 4, 'the tag once');
  /* no hint at keys without effect */
  await recorder.uxrec('stop');
  const after = await openPage(browser, recorder.links.live, {});
  await after.getByRole('heading', { name: 'The session has ended' }).waitFor();
  assert.equal(await after.getByText('Press a code').count(), 0);
  await close(after);
  await close(ben);
  await close(page);
  await recorder.end();
});

test('with ten thousand tags a key is quick, rows keep the focus, and new ones are counted', async () => {
  const recorder = await start();
  const session = await recorder.begin();
  const judge = await Client.open(recorder, 'live', 'Ana', '0'.repeat(32));
  const put = async (code) => {
    const { value } = await judge.ask({ case: 'getStatus', value: {} });
    const id = crypto.randomUUID().replaceAll('-', '');
    const body = { case: 'tag', value: { code, mediaNs: value.nowNs } };
    assert.equal((await judge.ask({ case: 'putAct', value: { session, act: { id, kind: 1, layer: 'live', body } } })).case, 'actStored');
    return id;
  };
  await put('slip');
  const page = await openPage(browser, recorder.links.live, {
    between: {
      change: ({ case: kind, value }) => {
        const tag = kind === 'status' && value.acts.find(({ body }) => body.case === 'tag');
        for (let i = 1; tag && i < 10000; i++) {
          const mediaNs = tag.body.value.mediaNs - BigInt(i) * 1_000_000n;
          value.acts.push({ ...tag, id: String(i).padStart(32, '0'), body: { case: 'tag', value: { ...tag.body.value, mediaNs, note: i % 3 ? '' : 'a\nb' } } });
        }
      },
    },
  });
  await live(page);
  await page.locator('.found', { hasText: /^10000$/ }).waitFor();
  assert.ok((await rows(page).count()) < 120);
  /* latency from key to row: only printed, as a busy machine may take any time */
  const times = [];
  for (let i = 0; i < 5; i++) {
    const before = 10000 + i;
    times.push(
      await page.evaluate(
        async (number) =>
          new Promise((done) => {
            const began = performance.now();
            const seen = new MutationObserver(() => {
              if (document.querySelector('li.mark')?.getAttribute('aria-setsize') !== String(number)) return;
              seen.disconnect();
              requestAnimationFrame(() => done(performance.now() - began));
            });
            seen.observe(document.querySelector('.marklist'), { subtree: true, childList: true, attributes: true });
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'm', code: 'KeyM', bubbles: true }));
          }),
        before + 1,
      ),
    );
  }
  console.log(`# with 10,000 tags, key to row: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  assert.equal(await rows(page).first().getAttribute('aria-posinset'), '1');
  /* a list scrolled away from its top keeps its position and counts new rows, even if the topmost row is removed */
  const onTop = await put('slip');
  await page.locator(`li.mark[data-act="${onTop}"]`).waitFor();
  const panel = page.locator('#side-panel');
  await panel.evaluate((box) => box.scrollTo({ top: 200_000 }));
  const place = () =>
    page.evaluate(() => {
      const { top } = document.getElementById('side-panel').getBoundingClientRect();
      return [...document.querySelectorAll('li.mark')].find((one) => one.getBoundingClientRect().top > top + 60)?.dataset.act;
    });
  await until(async () => (await place()) !== undefined, 'rows there');
  await page.waitForTimeout(300);
  const there = await place();
  await put('slip');
  await put('mistake');
  const fresh = page.getByRole('button', { name: '2 new' });
  await fresh.waitFor();
  assert.equal(await place(), there);
  const removal = { id: onTop, kind: 3, layer: 'live' };
  assert.equal((await judge.ask({ case: 'putAct', value: { session, act: removal } })).case, 'actStored');
  await until(async () => (await rows(page).first().getAttribute('aria-setsize')) === '10007', 'the removal');
  assert.ok(await fresh.isVisible());
  /* a focused row stays rendered when scrolled out of view, and undo scrolls to the removed row */
  const button = page.locator(`li.mark.own [aria-expanded]`);
  await fresh.click();
  await button.first().focus();
  const id = await page.evaluate(() => document.activeElement.closest('[data-act]').dataset.act);
  await panel.evaluate((box) => box.scrollTo({ top: 300_000 }));
  await until(async () => (await rows(page).last().getAttribute('aria-posinset')) > 1000, 'rows far below');
  assert.equal(await page.evaluate(() => document.activeElement.closest('[data-act]')?.dataset.act), id);
  await page.keyboard.press('z');
  await until(async () => (await panel.evaluate((box) => box.scrollTop)) < 2000, 'the row of the undone tag');
  /* so does a row being edited, even without the focus */
  await button.first().click();
  const written = page.locator('.editor textarea');
  await written.fill('half a note');
  await written.evaluate((text) => text.blur());
  await panel.evaluate((box) => box.scrollTo({ top: 300_000 }));
  await until(async () => (await rows(page).last().getAttribute('aria-posinset')) > 1000, 'rows far below');
  assert.equal(await written.inputValue(), 'half a note');
  await checkAccessibility(page, 'ten thousand tags');
  judge.end();
  await close(page);
  await recorder.end();
});

test('impact and recovered are buttons for the last own tag, whose state they show', async () => {
  const recorder = await Recorder.start(QUIET);
  await recorder.begin('paper:screen');
  const page = await openPage(browser, recorder.links.live, { viewport: { width: 390, height: 844 }, hasTouch: true });
  await live(page);
  const impact = (number) => page.getByRole('button', { name: `Impact ${number}` });
  assert.ok(await impact(2).isDisabled());
  await page.getByRole('button', { name: 'Mistake' }).click();
  await page.getByText(/^last: \d+:\d\d Mistake$/).waitFor();
  await impact(2).click();
  await page.locator('li.mark .impact', { hasText: '2' }).waitFor();
  assert.equal(await impact(2).getAttribute('aria-pressed'), 'true');
  await page.getByRole('button', { name: 'recovered' }).click();
  await page.locator('li.mark', { hasText: '↩ recovered' }).waitFor();
  await impact(2).click();
  await until(async () => (await page.locator('li.mark .impact').count()) === 0, 'the impact taken back');
  /* touch targets are large enough, and nothing is wider than the phone */
  for (const [width, height] of [[390, 844], [844, 390]]) {
    await page.setViewportSize({ width, height });
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('.bottom button, .notefield button, .zoombar button, li.mark button')]
        .filter((button) => button.checkVisibility())
        .map((button) => [button.textContent, button.getBoundingClientRect()])
        .filter(([, box]) => box.width < 43.5 || box.height < 43.5)
        .map(([text, box]) => `${text}: ${box.width} × ${box.height}`),
    );
    assert.deepEqual(small, []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
    await checkAccessibility(page, `a phone of ${width} × ${height}`);
  }
  /* landscape: the picture takes most of the width; portrait: all of it, with room for the list while the buttons
   * are hidden */
  const widthOf = async () => (await page.locator('.screen').boundingBox()).width;
  assert.ok((await widthOf()) > 844 / 2);
  await page.setViewportSize({ width: 390, height: 844 });
  await until(async () => (await widthOf()) > 370, 'the picture in all of the width');
  const toggle = page.locator('.sheettoggle');
  assert.equal(await toggle.getAttribute('aria-expanded'), 'true');
  await toggle.click();
  await until(async () => (await page.locator('#side-panel').evaluate((panel) => panel.clientHeight)) >= 200, 'the list');
  assert.ok(!(await impact(2).isVisible()));
  assert.ok(await page.getByLabel('Note (N)').isVisible());
  await checkAccessibility(page, 'the buttons away');
  /* with an on-screen keyboard the note field and the picture are visible */
  await page.getByLabel('Note (N)').focus();
  await page.evaluate(() => {
    const seen = window.visualViewport;
    Object.defineProperty(seen, 'height', { value: 420 });
    seen.dispatchEvent(new Event('resize'));
  });
  await until(async () => {
    const box = await page.getByLabel('Note (N)').boundingBox();
    return box && box.y + box.height <= 420;
  }, 'the note field above the keyboard');
  assert.ok((await page.locator('.screen').boundingBox()).height > 150);
  /* times stay relative to the session's begin after its end */
  await recorder.uxrec('stop');
  await page.locator('.cover', { hasText: 'The session has ended' }).waitFor();
  assert.match(await page.locator('.rating .last').textContent(), /^last: \d+:\d\d Mistake$/);
  await close(page);
  await recorder.end();
});

test('the picture fills the screen, and is magnified by keys, wheel and pinch with the overlay on it', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin('paper:screen');
  const page = await openPage(browser, recorder.links.live, { viewport: { width: 1280, height: 800 } });
  await live(page);
  const boxes = () =>
    page.evaluate(() =>
      ['picture', 'overlay'].map((id) => {
        const { x, y, width, height } = document.getElementById(id).getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join(' ');
      }),
    );
  const factor = page.locator('.zoombar .factor');
  const width = () => page.locator('#picture').evaluate((canvas) => canvas.getBoundingClientRect().width / canvas.width);
  const aligned = async () => {
    const [picture, overlay] = await boxes();
    assert.equal(picture, overlay);
  };
  assert.equal(await factor.textContent(), 'fit');
  const fits = await width();
  await page.keyboard.press('-');
  await page.getByText('the picture fits already').waitFor();
  await factor.click();
  await until(async () => (await factor.textContent()) === '100 %', '100 %');
  assert.ok(Math.abs((await width()) - 1) < 0.01);
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  await until(async () => (await factor.textContent()) === '200 %', '200 %');
  await aligned();
  /* the middle is fixed; arrow keys and the mouse pan */
  const view = page.locator('.view');
  const place = () => view.evaluate((box) => [box.scrollLeft, box.scrollTop]);
  const [left, top] = await place();
  assert.ok(left > 0 && top > 0);
  await view.focus();
  await page.keyboard.press('ArrowRight');
  await until(async () => (await place())[0] === left + 60, 'a step to the right');
  await checkAccessibility(page, 'a magnified picture');
  const { x, y } = await view.boundingBox();
  await page.mouse.move(x + 300, y + 200);
  await page.mouse.down();
  await page.mouse.move(x + 250, y + 170);
  await page.mouse.up();
  await until(async () => (await place())[0] === left + 110 && (await place())[1] === top + 30, 'the picture dragged');
  /* the wheel with Control zooms around the pointer */
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -100);
  await page.keyboard.up('Control');
  await until(async () => (await width()) > 2.2, 'a larger picture');
  await aligned();
  for (let i = 0; i < 9; i++) await page.keyboard.press('-');
  await until(async () => (await factor.textContent()) === 'fit', 'fit');
  assert.ok(Math.abs((await width()) - fits) < 0.01);
  /* pinch */
  const pinch = (name, apart) =>
    view.evaluate(
      (box, [type, half]) => {
        const { x: px, y: py, width: w, height: h } = box.getBoundingClientRect();
        const touch = (identifier, side) =>
          new Touch({ identifier, target: box, clientX: px + w / 2 + side * half, clientY: py + h / 2 });
        box.dispatchEvent(new TouchEvent(type, { touches: [touch(1, -1), touch(2, 1)], bubbles: true, cancelable: true }));
      },
      [name, apart],
    );
  await pinch('touchstart', 50);
  await pinch('touchmove', 100);
  await until(async () => Math.abs((await width()) / fits - 2) < 0.05, 'twice as large');
  await aligned();
  await factor.click();
  /* full screen by key and by button, and back */
  await page.keyboard.press('Shift+Enter');
  await until(() => page.evaluate(() => document.fullscreenElement?.className === 'stage'), 'the full screen');
  await aligned();
  await page.keyboard.press('z');
  await page.locator('.stage .keyhint span').waitFor();
  await page.keyboard.press('Shift+Enter');
  await until(() => page.evaluate(() => !document.fullscreenElement), 'the window');
  await page.getByRole('button', { name: 'Full screen' }).click();
  await until(() => page.evaluate(() => Boolean(document.fullscreenElement)), 'the full screen');
  await page.evaluate(() => document.exitFullscreen());
  /* the help lists keys and overlay signs */
  await page.keyboard.press('?');
  for (const text of ['orange ring', 'blue ring', 'grey area', 'full screen; Esc leaves it']) await page.getByText(text).waitFor();
  await checkAccessibility(page, 'the help');
  await close(page);
  await recorder.uxrec('stop');
  /* the same in the replay */
  const replay = await openPage(browser, recorder.replayLink(session));
  await until(async () => (await replay.locator('.zoombar').count()) === 1, 'the replay');
  await replay.keyboard.press('+');
  await until(async () => (await replay.locator('.zoombar .factor').textContent()) !== 'fit', 'a larger picture');
  await close(replay);
  await recorder.end();
});

test('hidden areas have a legend, while there are any', async () => {
  const recorder = await start();
  writeFileSync(recorder.study, `${STUDY}screen: {hide: [{x: 10, y: 10, width: 100, height: 80}, {window_title: "*secret plan*"}]}\n`);
  await recorder.begin();
  const page = await openPage(browser, recorder.links.live);
  await live(page);
  await page.locator('summary', { hasText: 'hidden areas' }).click();
  await page.getByText('areas hidden by the study').waitFor();
  assert.equal(await page.getByText('windows that match').count(), 0);
  /* a window that the study redacts appears: the page shows the reason, but not the title */
  const window = spawn('xterm', ['-T', 'the secret plan', '-geometry', '20x5+300+200'], { env: desktop.env, stdio: 'ignore' });
  await page.getByText('windows that match the study’s rules').waitFor();
  assert.ok(!(await page.content()).includes('secret'));
  await checkAccessibility(page, 'the legend');
  window.kill();
  await until(async () => (await page.getByText('windows that match').count()) === 0, 'the window gone');
  await close(page);
  await recorder.uxrec('stop');
  /* no legend without redacted areas */
  writeFileSync(recorder.study, STUDY);
  await recorder.begin();
  const plain = await openPage(browser, recorder.links.live);
  await live(plain);
  assert.equal(await plain.locator('.legend').count(), 0);
  await close(plain);
  await recorder.end();
});
