// Connection loss: no typed text and no tag is lost, and pages show no state they cannot know.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, delay, Desktop, frayedLine, isLong, QUIET, Recorder, sleep, through, until } from '../harness/pages/lab.mjs';
import { browser, checkAccessibility, close, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

const BREAKS = isLong ? 1000 : 16;

useBrowser();

const open = (url, options = {}) => openPage(browser, url, { expectErrors: true, ...options });
const noAnswer = (page) => page.getByRole('heading', { name: 'No answer from the recorder' });

/** Pseudo-random numbers in [0, 1). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function storedMarks(recorder, session) {
  const client = await Client.open(recorder, 'library', 'Judge');
  const opened = await client.ask({ case: 'openSession', value: { session } });
  client.end();
  return opened.value.acts
    .filter(({ body }) => body.case === 'tag' || body.case === 'note')
    .sort((a, b) => Number(a.body.value.pressNs - b.body.value.pressNs));
}

/** Break a line in one of several ways. */
async function breakOnce(line, random) {
  const way = random();
  if (way < 0.3) line.cut();
  else if (way < 0.5) line.reset();
  else if (way < 0.75) line.cutAfter(1 + Math.floor(random() * 40));
  else if (way < 0.9) {
    line.slow(50 + random() * 250);
    await sleep(random() * 400);
    line.cut();
  } else {
    line.silence();
    await sleep(random() * 400);
    line.cut();
  }
}

/** Number of pending tags and notes of a page; its list renders only the visible rows. */
const waiting = (page) => page.evaluate(() => Number(/(\d+) tags? (?:and|or) notes? wait/.exec(document.body.innerText)?.[1] ?? 0));

test(`no note and no tag is lost or stored twice over ${BREAKS} broken connections`, async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin();
  const line = await frayedLine(recorder.port);
  const random = numbers(17);
  const page = await open(through(recorder.links.live, line));
  await live(page);
  /* retry at once, so that there is a connection to break */
  await page.evaluate(() => setInterval(() => window.dispatchEvent(new Event('online')), 100));
  const now = () => page.evaluate(() => window.uxrec.stats.presentationTimeNs);
  const made = [];
  let broken = 0;
  let stop = false;
  const breaking = (async () => {
    while (broken < BREAKS && !stop) {
      await sleep(random() * 400);
      if (line.count() === 0) continue;
      await breakOnce(line, random);
      broken++;
    }
  })();
  const codes = { s: 'slip', m: 'mistake', o: 'omission' };
  while (broken < BREAKS) {
    /* the outbox is limited to 300 acts: let the store catch up on a slow machine */
    if (made.length % 50 === 48)
      await until(async () => broken >= BREAKS || (await waiting(page)) < 100, 'the store');
    const key = Object.keys(codes)[Math.floor(random() * 3)];
    const text = `note ${made.length} ${'äbc deß 1234567890'.slice(0, Math.floor(random() * 18))}`.trim();
    for (const mark of [{ code: codes[key], keys: [key] }, { text, keys: ['n', 't'] }]) {
      const from = await now();
      if (mark.text) {
        await page.keyboard.press('n');
        await page.keyboard.type(mark.text.slice(0, 1));
      } else await page.keyboard.press(mark.keys[0]);
      made.push({ ...mark, from, to: await now() });
      if (!mark.text) continue;
      await page.keyboard.type(mark.text.slice(1));
      await page.keyboard.press('Enter');
      await page.keyboard.press('Escape');
    }
  }
  stop = true;
  await breaking;
  const areStored = async () => (await storedMarks(recorder, session)).length >= made.length;
  await until(areStored, 'all of them in the store', 120000).catch(async (error) => {
    const there = new Set((await storedMarks(recorder, session)).map(({ body }) => body.value.text || body.value.code));
    const missing = made.map((mark) => mark.text ?? mark.code).filter((mark) => !there.has(mark));
    assert.fail(`${error.message}: without ${JSON.stringify(missing)} of ${made.length}`);
  });
  await until(async () => (await page.locator('li.mark .waiting, li.mark.pending').count()) === 0, 'nothing that waits');
  const stored = await storedMarks(recorder, session);
  assert.deepEqual(
    stored.map(({ body }) => body.value.text || body.value.code),
    made.map((mark) => mark.text ?? mark.code),
  );
  for (const [i, { body }] of stored.entries()) {
    const at = Number(body.value.mediaNs);
    assert.ok(at >= made[i].from - 500 && at <= made[i].to + 500, `${i}: ${at} is not in ${made[i].from} to ${made[i].to}`);
  }
  /* size of the full list; only visible rows are rendered */
  assert.equal(await page.locator('li.mark').first().getAttribute('aria-setsize'), String(made.length));
  console.log(`# ${broken} breaks, ${made.length} notes and tags`);
  await close(page);
  line.end();
  await recorder.end();
});

test('a server that vanishes is noticed, and unknown states are not claimed', async () => {
  const recorder = await Recorder.start(QUIET);
  await recorder.begin();
  const line = await frayedLine(recorder.port);
  const page = await open(through(recorder.links.live, line));
  await live(page);
  line.gone(true);
  await noAnswer(page).waitFor({ timeout: 60000 });
  const cover = await page.locator('.cover').innerText();
  assert.match(cover, /It may still be recording/);
  assert.doesNotMatch(cover, /continues|nothing .* lost/);
  await checkAccessibility(page, 'no answer');
  line.gone(false);
  await live(page);
  assert.equal(await noAnswer(page).count(), 0);
  await close(page);
  line.end();
  await recorder.end();
});

/** Texts of a page with a time before the begin. */
const negative = (page) =>
  page.evaluate(() => (document.body.innerText.match(/.*(−|-\d+:\d\d).*/g) ?? []).filter((text) => !/[+−]\d\d:\d\d$/.test(text)));

test('an open tab outlasts a restart, and shows the outcome of the session; no time is negative', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin();
  const line = await frayedLine(recorder.port);
  const page = await open(through(recorder.links.live, line));
  await live(page);
  await page.keyboard.press('m');
  await page.locator('li.mark:not(.pending)').waitFor();
  await until(async () => JSON.parse(await recorder.uxrec('status', '--json')).pictures > 5, 'pictures');
  await recorder.again('SIGKILL', async () => {
    await noAnswer(page).waitFor();
    await page.keyboard.press('s');
    assert.deepEqual(await negative(page), []);
  });
  await page.getByText('The recorder was killed and restarted. The session continues').waitFor();
  await until(async () => (await storedMarks(recorder, session)).length === 2, 'the tag of the break');
  await live(page);
  await page.keyboard.press('o');
  await until(async () => (await storedMarks(recorder, session)).length === 3, 'a tag after the break');
  await page.getByRole('button', { name: 'Dismiss' }).click();
  assert.deepEqual(await negative(page), []);
  await recorder.uxrec('stop');
  await page.getByRole('heading', { name: 'The session has ended' }).waitFor();
  assert.deepEqual(await negative(page), []);
  /* marks keep their times after the session leaves the status */
  const times = await page.locator('li.mark .time').allInnerTexts();
  assert.ok(times.length === 3 && times.every((time) => /^\d+:\d\d/.test(time)), times.join());
  await recorder.again('SIGTERM');
  await recorder.begin();
  await live(page);
  assert.deepEqual(await negative(page), []);
  /* a session that ends while the line is silent */
  line.gone(true);
  await noAnswer(page).waitFor({ timeout: 60000 });
  line.gone(false);
  await recorder.uxrec('stop');
  await page.getByRole('heading', { name: 'The session has ended' }).waitFor();
  assert.deepEqual(await negative(page), []);
  await close(page);
  line.end();
  await recorder.end();
});

test('a revoked link ends its pages, which show it', async () => {
  const recorder = await Recorder.start(QUIET);
  await recorder.begin();
  const page = await open(recorder.links.live);
  await live(page);
  const library = await open(recorder.links.library);
  await library.getByRole('heading', { name: 'Library' }).waitFor();
  await recorder.uxrec('links', 'revoke', 'all');
  await page.getByRole('heading', { name: 'This link was revoked' }).waitFor();
  await library.getByText('This link was revoked').waitFor();
  await checkAccessibility(page, 'revoked');
  for (const one of [page, library]) await close(one);
  await recorder.end();
});

test('moderators see each other and the observers by name; observers see the number alone', async () => {
  const recorder = await Recorder.start(QUIET);
  await recorder.begin();
  const ann = await open(recorder.links.moderate, { script: () => localStorage.setItem('name', 'Ann') });
  const ben = await Client.open(recorder, 'moderate', 'Ben');
  const cleo = await Client.open(recorder, 'live', 'Cleo');
  await cleo.ask({ case: 'watchLive', value: {} });
  const said = (client, kind) =>
    client.socket.messages
      .filter((message) => message[0] === 0x80)
      .map((message) => client.unpack(message).body)
      .filter((body) => body.case === kind)
      .map((body) => body.value);
  await ann.getByText('also moderating: Ben').waitFor();
  await ann.getByRole('button', { name: '2 watching' }).click();
  const list = ann.getByRole('group', { name: 'Connected people' });
  await list.locator('li', { hasText: 'Cleo' }).getByText(/observing for 0:\d\d/).waitFor();
  await list.locator('li', { hasText: 'Ann' }).getByText('(you)').waitFor();
  await checkAccessibility(ann, 'who is connected');
  /* Escape closes a list opened by pointer although the page's keys have the focus again; also by keyboard */
  assert.equal(await ann.evaluate(() => document.activeElement?.tagName), 'BODY');
  await ann.keyboard.press('Escape');
  await list.waitFor({ state: 'detached' });
  await ann.getByRole('button', { name: '2 watching' }).click();
  await list.getByText('Cleo').click();
  await ann.getByRole('button', { name: '2 watching' }).focus();
  await ann.keyboard.press('Escape');
  assert.equal(await list.count(), 0);
  await ben.ask({ case: 'pause', value: {} });
  await ann.getByText('Ben paused.').waitFor();
  await recorder.uxrec('resume');
  await ann.getByText('A command on the recorder’s machine resumed.').waitFor();
  assert.deepEqual(said(ben, 'conducted').map(({ name }) => name), ['Ben', '']);
  await until(() => said(ben, 'people').some(({ people }) => people.length === 3), 'the people');
  const names = said(ben, 'people').find(({ people }) => people.length === 3).people.map(({ name }) => name);
  assert.deepEqual(names.sort(), ['Ann', 'Ben', 'Cleo']);
  await until(() => said(cleo, 'status').some(({ observers }) => observers === 2), 'the number');
  assert.equal(said(cleo, 'people').length + said(cleo, 'conducted').length, 0);
  for (const client of [ben, cleo]) client.end();
  await close(ann);
  await recorder.end();
});

test('a picture that is late is called behind, and a screen on which nothing moves is not', async () => {
  const desktop = await Desktop.start(640, 480);
  const recorder = await Recorder.start(['--input', 'none', '--sound', 'none'], desktop.env);
  await recorder.begin();
  desktop.paint('336699');
  const still = await open(recorder.links.live);
  const slow = await delay(recorder.port, 1500);
  const late = await open(through(recorder.links.live, slow));
  await live(still);
  await live(late);
  await late.getByText(/^BEHIND by \d+(\.\d)? s \(slow connection\)/).waitFor();
  /* beyond the stall timeout; a busy machine may lag, but always receives something new */
  for (let i = 0; i < 7; i++) {
    await sleep(1000);
    assert.doesNotMatch(await still.locator('.badge').innerText(), /NO PICTURE/);
  }
  await until(async () => /^LIVE/.test(await still.locator('.badge').innerText()), 'a screen that is live');
  await checkAccessibility(late, 'behind');
  for (const page of [still, late]) await close(page);
  slow.end();
  await recorder.end();
  await desktop.end();
});

test('a clock of the browser that is hours off moves no tag and no time', async () => {
  const recorder = await Recorder.start(QUIET);
  const session = await recorder.begin();
  const page = await open(recorder.links.live, {
    script: () => {
      const Right = Date;
      const off = 5 * 3600_000;
      window.Date = class extends Right {
        constructor(...values) {
          super(...(values.length ? values : [Right.now() + off]));
        }
        static now() {
          return Right.now() + off;
        }
      };
    },
  });
  await live(page);
  await page.keyboard.press('m');
  await page.locator('li.mark:not(.pending)').waitFor();
  const [tag] = await storedMarks(recorder, session);
  const status = JSON.parse((await recorder.uxrec('status', '--json')).replace(/_ns": (\d+)/g, '_ns": "$1"'));
  for (const ns of [tag.body.value.mediaNs, tag.body.value.pressNs])
    assert.ok(ns >= BigInt(status.started_ns) && ns <= BigInt(status.now_ns), `${ns}`);
  const time = await page.locator('li.mark .time').innerText();
  assert.match(time, /^\d:\d\d/);
  assert.match(await page.locator('.badge').innerText(), /^(LIVE|BEHIND|NO PICTURE)/);
  assert.deepEqual(await negative(page), []);
  await recorder.uxrec('stop');
  /* the library has the begin by the recorder's clock */
  const library = await open(recorder.links.library, { script: () => (Date.now = () => 0) });
  await library.getByText(session.slice(0, 4)).first().waitFor();
  for (const one of [page, library]) await close(one);
  await recorder.end();
});
