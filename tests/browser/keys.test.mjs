// The key of a link: where it is stored, and where it must not appear.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { build, chromiumOptions, Desktop, end, QUIET, Recorder, root, sleep, start, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, openPage, useBrowser } from '../harness/pages/pages.mjs';

const folder = mkdtempSync(join(tmpdir(), 'uxrec-keys-'));
let handed; // path of an earlier hand-over

useBrowser();

after(() => rmSync(folder, { recursive: true, force: true }));

const left = []; // cleanups of a test, in start order: run after a failure, too, so that the runner need not wait

afterEach(async () => {
  for (const leave of left.splice(0).reverse()) await leave().catch(() => undefined);
});

const open = (url, options) => openPage(browser, url, options);

/** Addresses in the history of a tab. */
async function historyOf(page) {
  const session = await page.context().newCDPSession(page);
  const { entries } = await session.send('Page.getNavigationHistory');
  return entries.map((entry) => entry.url);
}

const ready = {
  moderate: (page) => page.getByRole('heading', { name: 'New session' }).waitFor(),
  live: (page) => page.getByRole('heading', { name: 'No session' }).first().waitFor(),
  library: (page) => page.getByRole('heading', { name: 'No session yet' }).waitFor(),
};

test('the key of a link leaves the address and the history before anything is painted, on every page', async () => {
  const recorder = await Recorder.start(QUIET);
  for (const name of ['moderate', 'live', 'library']) {
    const key = recorder.token(name);
    const page = await browser.newPage();
    const words = [];
    page.on('console', (message) => words.push(message.text()));
    /* the key is taken even if the page's own script never loads */
    await page.route(/app\.js$/, (route) => route.abort());
    await page.goto(recorder.links[name]);
    assert.equal(page.url(), `http://127.0.0.1:${recorder.port}/${name}`);
    await page.unroute(/app\.js$/);
    await page.reload();
    await ready[name](page);
    await page.reload();
    await ready[name](page);
    assert.deepEqual((await historyOf(page)).filter((url) => url.includes(key)), []);
    assert.deepEqual(await page.evaluate(() => Object.values({ ...sessionStorage })), [key]);
    /* the browser stores its identity, but no rights */
    assert.deepEqual(await page.evaluate(() => Object.keys({ ...localStorage })), ['identity']);
    assert.ok(!(await page.evaluate(() => localStorage.identity)).includes(key));
    const shown = await page.evaluate(() => document.documentElement.outerHTML + document.title + document.cookie);
    assert.ok(!shown.includes(key) && !words.join().includes(key));
    await page.close();
  }
  await recorder.end();
});

test('links go on in the tab and in new tabs, a tab opened by hand has no key', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin();
  await recorder.uxrec('stop');
  const page = await open(recorder.links.library);
  const link = page.locator(`a[data-session="${session}"]`);
  await link.waitFor();
  const tab = async (act) => {
    const opened = page.context().waitForEvent('page');
    await act();
    return opened;
  };
  for (const options of [{ modifiers: ['Control'] }, { button: 'middle' }]) {
    const other = await tab(() => link.click(options));
    await other.getByRole('link', { name: 'Browser study' }).waitFor();
    assert.equal(other.url(), `http://127.0.0.1:${recorder.port}/replay?session=${session}`);
    /* navigation continues within the new tab */
    await other.getByRole('link', { name: 'Browser study' }).click();
    await other.locator(`a[data-session="${session}"]`).waitFor();
    await other.close();
  }
  /* a grant is single-use: the same address again has no key */
  const byHand = await page.context().newPage();
  await byHand.goto(`http://127.0.0.1:${recorder.port}/replay?session=${session}`);
  await byHand.getByText('This tab has no valid key').waitFor();
  /* context menu of a link: the choice is left to the browser */
  await link.click({ button: 'right' });
  await byHand.reload();
  await byHand.getByRole('link', { name: 'Browser study' }).waitFor();
  await byHand.close();
  await link.click();
  await page.getByRole('link', { name: 'Browser study' }).waitFor();
  assert.deepEqual((await historyOf(page)).filter((url) => url.includes('#')), []);
  await page.goBack();
  await link.waitFor();
  await close(page);
  await recorder.end();
});

test('another link in the same tab replaces the key, half of one takes it away', async () => {
  const recorder = await Recorder.start(QUIET);
  const page = await open(recorder.links.library);
  await ready.library(page);
  await page.goto(recorder.links.library.replace(/#.*/, `#${recorder.token('moderate')}`));
  await page.getByRole('link', { name: 'New session' }).waitFor();
  await page.goto(recorder.links.library.replace(/#.*/, `#${recorder.token('moderate').slice(5)}`));
  await page.getByText('This tab has no valid key').waitFor();
  assert.ok(!page.url().includes('#'));
  await close(page);
  await recorder.end();
});

/* ---- hand-over to a browser ---- */

/** A folder with an xdg-open that logs its arguments and copies the file. */
function fakeBrowser(name) {
  const bin = join(folder, name);
  mkdirSync(bin);
  writeFileSync(join(bin, 'xdg-open'), `#!/bin/sh\ncp -p "$1" ${bin}/copy && printf %s "$*" >${bin}/given\nexec sleep 3\n`);
  chmodSync(join(bin, 'xdg-open'), 0o755);
  return { bin, path: `${bin}:${process.env.PATH}`, given: () => existsSync(join(bin, 'given')) && readFileSync(join(bin, 'given'), 'utf8') };
}

/** Command lines of all processes. */
const commandLines = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1');
      } catch {
        return '';
      }
    });

test('uxrec open hands the browser a file of this user alone, whose link opens once and leaves nothing in its history', async () => {
  const recorder = await Recorder.start(QUIET);
  const fake = fakeBrowser('open');
  const runtime = join(folder, 'runtime');
  mkdirSync(runtime, { mode: 0o700 });
  execFileSync(join(build, 'uxrec'), ['--control', recorder.control, 'open'], {
    env: { ...process.env, PATH: fake.path, XDG_RUNTIME_DIR: runtime },
  });
  const path = await until(fake.given, 'the browser');
  assert.ok(path.startsWith(`${runtime}/uxrec/`) && path.endsWith('.html'), path);
  assert.equal(statSync(join(fake.bin, 'copy')).mode & 0o777, 0o600);
  const key = recorder.token('moderate');
  const ticket = readFileSync(join(fake.bin, 'copy'), 'utf8').match(/#([0-9a-f]{32})/)[1];
  assert.notEqual(ticket, key);
  assert.deepEqual(commandLines().filter((line) => line.includes(key) || line.includes(ticket)), []);

  const { chromium } = await import('playwright-core');
  const profile = join(folder, 'profile');
  const context = await chromium.launchPersistentContext(profile, chromiumOptions());
  const page = await context.newPage();
  await page.goto(`file://${path}`).catch(() => undefined); // redirects at once
  await ready.moderate(page);
  assert.equal(page.url(), `http://127.0.0.1:${recorder.port}/moderate`);
  /* holds the ticket until the recorder answers with the key */
  await until(() => page.evaluate((wanted) => Object.values({ ...sessionStorage }).join() === wanted, key), 'the key');
  await page.reload();
  await ready.moderate(page);
  await context.close();
  const kept = readFileSync(join(profile, 'Default/History'), 'latin1');
  assert.ok(kept.includes(`127.0.0.1:${recorder.port}/moderate`), 'a browser with a history');
  assert.ok(!kept.includes(key), 'the history has the key');

  const again = await open(`http://127.0.0.1:${recorder.port}/live#${ticket}`, { expectErrors: true });
  await again.getByRole('heading', { name: 'This link is not valid' }).waitFor();
  assert.deepEqual(await again.evaluate(() => Object.values({ ...sessionStorage })), []);
  await close(again);
  await assert.rejects(recorder.uxrec('open', 'everything'), /one of moderate, live, library/);
  handed = path;
  await recorder.end();
});

test('make run shows the moderator’s page without its key in any command line', async () => {
  const desktop = await Desktop.start(640, 480);
  left.push(() => desktop.end());
  const fake = fakeBrowser('run');
  const home = join(folder, 'home');
  const env = { ...desktop.env, HOME: home, PATH: fake.path, XDG_RUNTIME_DIR: home };
  mkdirSync(home, { mode: 0o700 });
  for (const name of ['WAYLAND_DISPLAY', 'XDG_DATA_HOME']) delete env[name];
  const run = start(join(root, 'daemon/demo/run'), ['--listen', '127.0.0.1:0', '--input', 'none', '--sound', 'none'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  left.push(() => end(run));
  let output = '';
  run.stdout.on('data', (data) => {
    output += data;
  });
  const seen = new Set();
  await until(() => {
    for (const line of commandLines()) seen.add(line);
    return fake.given();
  }, () => `the browser: ${output}`);
  for (const line of commandLines()) seen.add(line);
  const keys = [...output.matchAll(/#([0-9a-f]{32})/g)].map((match) => match[1]);
  assert.equal(keys.length, 3);
  keys.push(readFileSync(join(fake.bin, 'copy'), 'utf8').match(/#([0-9a-f]{32})/)[1]);
  assert.deepEqual([...seen].filter((line) => keys.some((key) => line.includes(key))), []);
  await end(run, 'SIGINT');
});

/* ---- on the recorded display ---- */

test('the moderator’s page on the recorded display warns in red, and its window is hidden where nothing covers it', async () => {
  const desktop = await Desktop.start(1000, 700);
  left.push(() => desktop.end());
  desktop.paint('3c5a64');
  const recorder = await Recorder.start(['--display', desktop.display, '--input', 'none', '--sound', 'none'], desktop.env);
  const { chromium } = await import('playwright-core');
  const { executablePath, args } = chromiumOptions(['--window-position=100,50', '--window-size=700,600', '--force-device-scale-factor=1']);
  const here = await chromium.launch({
    executablePath,
    headless: false,
    args: args.filter((arg) => !arg.startsWith('--headless')),
    env: desktop.env,
  });
  left.push(() => here.close());
  const page = await here.newPage({ viewport: null });
  await page.goto(recorder.links.moderate);
  await ready.moderate(page);
  assert.equal(await page.getByText('on the recorded display').count(), 0);
  const session = await recorder.begin();
  const begun = Date.now();
  const alert = page.getByRole('alert').filter({ hasText: 'This page is on the recorded display' });
  await alert.waitFor();
  assert.match(await alert.textContent(), /its window is hidden in the recording/);
  const [red, green, blue] = (await alert.evaluate((note) => getComputedStyle(note).borderLeftColor)).match(/\d+/g).map(Number);
  assert.ok(red > 120 && red > 2 * green && red > 2 * blue, `rgb(${red}, ${green}, ${blue})`);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await checkAccessibility(page, `the warning, ${colorScheme}`);
  }
  await sleep(1500);
  const covering = Date.now();
  /* raise another window over its lower part */
  const terminal = start('xterm', ['-bg', '#ff0000', '-fg', '#ff0000', '-bw', '0', '-geometry', '60x12+100+450'], { env: desktop.env, stdio: 'ignore' });
  left.push(() => end(terminal));
  await sleep(4000);
  const covered = Date.now();
  const elsewhere = await open(recorder.links.moderate);
  await elsewhere.getByText('on the recorded display').waitFor();
  await close(elsewhere);
  await recorder.uxrec('stop');
  await end(terminal);
  await here.close();

  const colors = async (ms) => {
    const png = join(folder, 'at.png');
    rmSync(png, { force: true });
    await recorder.uxrec('export', join(recorder.library, session), '--to', 'png', '--at', String((ms - begun) / 1000), '-o', png);
    const pixels = execFileSync('ffmpeg', ['-v', 'error', '-i', png, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], { maxBuffer: 1 << 26 });
    return (x, y) => [...pixels.subarray(3 * (y * 1000 + x), 3 * (y * 1000 + x) + 3)];
  };
  const isNear = (color, wanted, what) =>
    assert.ok(color.every((value, i) => Math.abs(value - wanted[i]) < 16), `${what}: ${color}`);
  const GREY = [0x6e, 0x6e, 0x6e];
  for (const [when, ms, lower] of [['alone', covering - 200, GREY], ['covered', covered - 200, [255, 0, 0]]]) {
    const at = await colors(ms);
    isNear(at(40, 40), [0x3c, 0x5a, 0x64], `${when}, the desktop`);
    /* the toolbar with the address, and points all over the page */
    for (const [x, y] of [[300, 60], [110, 300], [300, 250], [500, 300], [780, 640]]) isNear(at(x, y), GREY, `${when}, the page at ${x}, ${y}`);
    isNear(at(200, 500), lower, `${when}, the lower part`);
  }
  await recorder.end();
});

test('a file that was handed to a browser is removed soon', async () => {
  assert.ok(handed, 'no file was handed to a browser');
  await until(() => !existsSync(handed), 'the file to be removed', 60000);
});
