// Helpers for page tests: a browser, pages whose errors fail the test, axe, replay controls.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, afterEach, before } from 'node:test';
import { browse, Desktop, Recorder, sleep, standBetween, stats, until } from './lab.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Of the file that called useBrowser(). */
export let browser;
export let desktop;

/**
 * Provide a browser for all tests of this file. After each test its pages are closed and its recorders ended, even if
 * it failed.
 *
 * @param options  `args`: of the browser's command line; `screen`: width and height of a desktop; `shared`: makes
 *                 recorders and sessions common to all tests, after both; recorders then stay until the last test has
 *                 ended
 */
export function useBrowser({ args, screen, shared } = {}) {
  before(async () => {
    browser = await browse(args);
    if (screen) desktop = await Desktop.start(...screen);
    await shared?.();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    if (!shared) await Recorder.endLeftovers();
  });
  after(async () => {
    await browser?.close();
    await Recorder.endAll();
    await desktop?.end();
  });
}

/**
 * A page that fails the test when it logs an error or sends a request to another origin.
 *
 * @param options  of the browser's context; `expectErrors`: allow logged errors; `between`: of standBetween();
 *                 `script`: runs in the page before its own
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 850 }, ...options });
  const page = await context.newPage();
  page.troubles = [];
  page.on('pageerror', (error) => page.troubles.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !options.expectErrors) page.troubles.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(url).host && !/^(blob|data):/.test(request.url()))
      page.troubles.push(`request to ${request.url()}`);
  });
  if (options.between) await standBetween(page, options.between);
  if (options.script) await page.addInitScript(options.script);
  await page.goto(url);
  return page;
}

export async function close(page) {
  const troubles = page.troubles;
  await page.context().close();
  assert.deepEqual(troubles, []);
}

/* axe rule tags */
export const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];

/** axe violations by the rules with these tags, one per line. */
export async function violationsOf(page, tags = RULES) {
  /* the pages' policy blocks scripts, but not evaluate */
  if (!(await page.evaluate(() => Boolean(window.axe)))) await page.evaluate(axe);
  const violations = await page.evaluate(async (runOnly) => {
    /* a control at the edge of its list, or under a sticky part, is scrolled into view before a press */
    const isCut = ({ target }) => {
      const element = document.querySelector(target[0]);
      if (!element) return false;
      const { left, right, top, bottom } = element.getBoundingClientRect();
      for (let box = element.parentElement; box; box = box.parentElement) {
        const edge = box.getBoundingClientRect();
        if (/auto|scroll/.test(getComputedStyle(box).overflowY) && (top < edge.top || bottom > edge.bottom)) return true;
      }
      return [top + 1, bottom - 1].some((y) => {
        const hit = document.elementFromPoint((left + right) / 2, y);
        const over = hit && !element.contains(hit) && !hit.contains(element);
        for (let box = over ? hit : null; box; box = box.parentElement)
          if (getComputedStyle(box).position === 'sticky' && !box.contains(element)) return true;
        return false;
      });
    };
    const found = (await window.axe.run({ runOnly, resultTypes: ['violations'] })).violations;
    return found
      .map(({ id, nodes }) => ({ id, nodes: id === 'target-size' ? nodes.filter((node) => !isCut(node)) : nodes }))
      .filter(({ nodes }) => nodes.length > 0)
      .map(({ id, nodes: [{ html }] }) => ({ id, nodes: [{ html }] }));
  }, tags);
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}

export async function checkAccessibility(page, what) {
  assert.deepEqual((await violationsOf(page)).map((violation) => `${what}: ${violation}`), []);
}

/** Wait for the picture of a running session. */
export const live = (page) => until(async () => (await stats(page)).state === 'live', 'the picture');

/** Number of sound packets played so far. */
export const played = async (page) => (await stats(page)).soundPacketsPlayed;

/** Wait for a state of the replay; if stopped, also for its picture, before which tagging has no effect. */
export async function reached(page, state) {
  await until(async () => (await stats(page)).state === state, state);
  if (state !== 'stopped') return;
  await page.evaluate(() => new Promise(requestAnimationFrame));
  await until(async () => (await page.locator('.veil').count()) === 0, 'the picture of the moment');
}

/** Start playback with space unless playing; a page still seeking ignores the key. */
export async function play(page) {
  await until(async () => {
    const { state } = await stats(page);
    if (state === 'stopped') await page.keyboard.press(' ');
    return state === 'playing';
  }, 'playing');
}

export async function pause(page) {
  if ((await stats(page)).state === 'playing') await page.keyboard.press(' ');
  await reached(page, 'stopped');
}

/** Play until a condition holds, restarting at the end. */
export const playUntil = (page, condition, what, ms) =>
  until(
    async () => {
      if (await condition()) return true;
      if ((await stats(page)).state === 'stopped') {
        await page.keyboard.press('Home');
        await page.keyboard.press(' ');
        /* at triple speed the end may come before the first check */
        await until(async () => (await stats(page)).state === 'playing', 'playing', 3000).catch(() => undefined);
      }
      return false;
    },
    what,
    ms,
  );

/** Wait until no more sound is played, after packets in flight. */
export function silent(page) {
  let before;
  return until(async () => {
    const last = before;
    before = await played(page);
    await sleep(700);
    return before === last;
  }, 'silence');
}

/** Play with sound: a browser may take its time to open its first audio output. */
export async function hear(page) {
  await page.getByRole('button', { name: 'Hear', exact: true }).click();
  await until(async () => {
    await play(page);
    return (await played(page)) > 10;
  }, 'sound', 60000);
}
