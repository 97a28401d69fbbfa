// Identities on the pages: by a secret of the browser, independent of names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, pageModule, Recorder, sleep, until } from '../harness/pages/lab.mjs';
import { browser, close, openPage, reached, useBrowser } from '../harness/pages/pages.mjs';

useBrowser();

test('own acts are known by principal, those of format 1 by name', async () => {
  const { isOwn } = await pageModule('net/identity.ts');
  const me = { principal: 'a'.repeat(32), name: 'reviewer' };
  const act = { author: 'reviewer', principal: '' };
  const mine = { author: 'Ann', principal: me.principal };
  const other = { ...act, principal: 'b'.repeat(32) };
  const onItsWay = { ...act, author: '' };
  assert.deepEqual([mine, other, act, onItsWay].map((one) => isOwn(one, me)), [true, false, true, true]);
});

test('two reviewers who both left the default name have two layers, and a new name keeps one', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--fps', '5', '--input', 'none']);
  const session = await recorder.uxrec('start', '--study', recorder.study, '--participant', 'P01', '--consent', 'paper:screen');
  await sleep(1500);
  await recorder.uxrec('stop');
  const link = recorder.replayLink(session);
  const ann = await openPage(browser, link);
  const ben = await openPage(browser, link);
  const mine = (page) => page.locator('li.mark.mine');
  const tag = async (page, key) => {
    await reached(page, 'stopped');
    await page.keyboard.press(key);
    await until(async () => (await mine(page).count()) === 1, 'the own tag');
  };
  await tag(ann, 'm');
  await tag(ben, 's');
  /* each sees both tags, but has buttons only for the own one */
  for (const page of [ann, ben]) {
    await until(async () => (await page.locator('li.mark').count()) === 2, 'both tags');
    assert.equal(await mine(page).count(), 1);
  }
  const judge = await Client.open(recorder, 'library', 'Judge');
  const layers = async () => (await judge.ask({ case: 'getMetrics', value: { sessions: [session] } })).value.layers;
  assert.deepEqual((await layers()).map((layer) => layer.replace(/[0-9a-f]{4}(?=\))/, 'piece')), ['coder:reviewer (piece)', 'coder:reviewer (piece)']);
  /* renaming keeps the layer and shows the new name to both; another tab is the same person */
  await ann.getByLabel('Coding as').fill('Ann');
  await ann.getByLabel('Coding as').press('Enter');
  const tab = await ann.context().newPage();
  await tab.goto(link);
  /* a key before the session is open sets no tag, and the page shows the reason */
  await reached(tab, 'stopped');
  await tab.keyboard.press('End');
  await reached(tab, 'stopped');
  await tab.keyboard.press('o');
  await until(async () => (await mine(tab).count()) === 2, 'the own tags in another tab');
  await until(async () => (await mine(ann).count()) === 2, 'the own tags in the first tab');
  assert.equal(await mine(ben).count(), 1);
  assert.deepEqual((await layers()).sort(), ['coder:Ann', 'coder:reviewer']);
  judge.socket.end();
  await tab.close();
  await close(ann);
  await close(ben);
  await recorder.end();
});
