// Patches of the screen in Debian's Chromium: every visible pixel is verified, live and in the replay, during playback,
// stepping and seeking.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadDecompressHandlers } from '@mcap/support';
import { build, colorOf, messagesOf, record, Recorder, sleep, stats, until } from '../harness/pages/lab.mjs';
import { browser, close, desktop, openPage, useBrowser } from '../harness/pages/pages.mjs';

const run = promisify(execFile);
const SESSION = '20231114-221320-0a1b';
const TORN = '20231114-221320-0a1c';
const CHANNELS = new Map([[6, '/screen/info'], [8, '/screen'], [26, '/screen/patches']]);
let recorder;
let messages;
let notes;

/** Make a session. @returns its messages with their expected content, and its notes to seek to */
async function makeSession(name, ...more) {
  const { stdout } = await run(join(build, 'tests/tools/patched_session'), [join(recorder.library, name), '7', ...more]);
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line));
  return [lines.filter((line) => line.t), lines.filter((line) => line.note).map((line) => line.note)];
}

async function makeShared() {
  recorder = await Recorder.start(['--screen', 'test', '--input', 'none']);
  [messages, notes] = await makeSession(SESSION);
}

useBrowser({ screen: [800, 600], shared: makeShared });

/* Small window: cheaper to draw for browsers without a GPU. */
const open = (url, options) => openPage(browser, url, { viewport: { width: 800, height: 600 }, ...options });

/**
 * Runs in a page: window.known has the expected picture of each time and compares it with the shown one, one word per
 * pixel.
 */
function know(all) {
  const states = [];
  let keyNs;
  /* ImageData words: red is the lowest byte; 0 is no patch */
  const word = (rgb) => ((rgb >> 16) | (rgb & 0xff00) | ((rgb & 255) << 16) | 0xff000000) >>> 0;
  const fill = ({ width, height, layer }, x, y, w, h, color) => {
    for (let j = 0; j < h && y + j < height; j++)
      for (let i = 0; i < w && x + i < width; i++) layer[(y + j) * width + x + i] = color(i, j);
  };
  for (const { t, key, width, height, rgb, cleared, patches } of all) {
    const t0 = BigInt(t);
    const last = states.at(-1);
    if (key) {
      keyNs = t0;
      states.push({ t: t0, width, height, rgb, layer: new Uint32Array(width * height) });
      continue;
    }
    if (t0 <= keyNs) continue;
    const state = { ...last, t: t0, rgb: rgb ?? last.rgb, layer: Uint32Array.from(last.layer) };
    for (let i = 0; i < cleared?.length; i += 4) fill(state, ...cleared.slice(i, i + 4), () => 0);
    for (const { x, y, width: w, height: h, rgb: color, broken } of patches ?? [])
      if (!broken) fill(state, x, y, w, h, (i, j) => word(color ^ ((i & 255) << 16) ^ ((j & 255) << 8)));
    if (last.t === t0) states.pop();
    states.push(state);
  }
  const read = () => {
    const canvas = document.getElementById('picture');
    const { width, height } = canvas;
    return { width, height, words: new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer) };
  };
  const MOST = 12; // tolerance of video without patches
  const isNear = (one, other) => {
    for (let shift = 0; shift < 24; shift += 8)
      if (Math.abs(((one >> shift) & 255) - ((other >> shift) & 255)) > MOST) return false;
    return true;
  };
  /* "" or an error text */
  const differs = (state, { width, height, words }) => {
    if (width !== state.width || height !== state.height) return `the size is ${width}x${height}`;
    const { layer } = state;
    const video = word(state.rgb);
    let near = video; // last matching word: a plain picture has few colours
    for (let i = 0; i < words.length; i++) {
      const shown = words[i];
      if (layer[i] ? shown === layer[i] : shown === near) continue;
      if (!layer[i] && isNear(shown, video)) near = shown;
      else
        return `${layer[i] ? 'patch' : 'video'} at ${i % width},${Math.floor(i / width)}: ${shown.toString(16)}, not ${(layer[i] || video).toString(16)}`;
    }
    return '';
  };
  const hash = ({ words }) => {
    let sum = 0x811c9dc5;
    for (const value of words) sum = Math.imul(sum ^ value, 0x01000193);
    return sum;
  };
  const known = {
    times: states.map(({ t }) => String(t)),
    at: (t) => states.findLastIndex((state) => state.t <= BigInt(t)),
    differs: (i) => differs(states[i], read()),
    /** Wait until it is shown. Returns its hash; fails with the difference. */
    async reach(i) {
      const end = performance.now() + 10000;
      for (;;) {
        const pixels = read();
        const wrong = differs(states[i], pixels);
        if (!wrong) return hash(pixels);
        if (performance.now() > end) throw new Error(`moment ${i}: ${wrong}`);
        await new Promise(requestAnimationFrame); // reading the picture takes longer than drawing it
      }
    },
    /** Check from now on that each painted picture is a known one, in order. */
    watch(from) {
      known.seen = {};
      known.strange = [];
      let at = from;
      const turn = (known.turn = {});
      const look = () => {
        if (known.turn !== turn) return;
        const pixels = read();
        const found = states.findIndex((state, i) => i >= at && !differs(state, pixels));
        if (found < 0) known.strange.push(`after ${at}: ${differs(states[at], pixels)}; ${differs(states[at + 1] ?? states[at], pixels)}`);
        else known.seen[(at = found)] ??= hash(pixels);
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    },
  };
  window.known = known;
  return known.times;
}

const reach = (page, i) => page.evaluate((number) => window.known.reach(number), i);
const watch = (page, from) => page.evaluate((number) => window.known.watch(number), from);

/** Pictures painted since watch(): hashes by moment. */
async function watched(page) {
  const { seen, strange } = await page.evaluate(() => {
    window.known.turn = undefined;
    return { seen: window.known.seen, strange: window.known.strange };
  });
  assert.deepEqual(strange.slice(0, 3), []);
  return new Map(Object.entries(seen).map(([i, value]) => [Number(i), value]));
}

const ended = (page) => until(async () => (await stats(page)).state === 'stopped', 'the end', 30000);

test('replay: patches are exact, and the same after playing, stepping and seeking', async () => {
  const page = await open(recorder.replayLink(SESSION));
  await until(async () => (await stats(page)).state === 'stopped', 'the replay');
  const times = await page.evaluate(know, messages);
  await reach(page, 0);

  /* half speed, so that most are painted */
  await page.keyboard.press('[');
  await page.keyboard.press('[');
  await watch(page, 0);
  await page.keyboard.press(' ');
  await ended(page);
  await reach(page, times.length - 1);
  const played = await watched(page);
  console.log(`# ${played.size} of ${times.length} moments were painted`);
  assert.ok(played.size > times.length / 20);

  /* fast: most are skipped */
  await page.keyboard.press('Home');
  await reach(page, 0);
  for (let i = 0; i < 7; i++) await page.keyboard.press(']');
  await watch(page, 0);
  await page.keyboard.press(' ');
  await ended(page);
  await reach(page, times.length - 1);
  await watched(page);

  /* step by step */
  await page.keyboard.press('Home');
  const stepped = [await reach(page, 0)];
  for (let i = 1; i < times.length; i++) {
    await page.keyboard.press('.');
    stepped.push(await reach(page, i));
    assert.equal((await stats(page)).presentationTimeNs, Number(times[i]));
  }
  for (const [i, value] of played) assert.equal(stepped[i], value, `moment ${i}`);
  for (let i = times.length - 2; i > times.length - 12; i--) {
    await page.keyboard.press(',');
    assert.equal(await reach(page, i), stepped[i], `moment ${i}`);
  }

  /* random seeks */
  for (const note of notes) {
    await page.locator(`[data-media-ns="${note}"]`).first().click();
    const i = await page.evaluate((t) => window.known.at(t), note);
    assert.equal(await reach(page, i), stepped[i], `moment ${i}`);
  }
  await close(page);
});

test('replay: an undecodable picture leaves the last one, and the next keyframe goes on', async () => {
  const [shown, wanted] = await makeSession(TORN, 'torn');
  const page = await open(recorder.replayLink(TORN));
  await until(async () => (await stats(page)).state === 'stopped', 'the replay');
  const times = await page.evaluate(know, shown);
  for (const note of wanted) {
    await page.locator(`[data-media-ns="${note}"]`).first().click();
    await reach(page, await page.evaluate((t) => window.known.at(t), note));
  }
  await page.evaluate(() => document.activeElement.blur()); // otherwise space presses the note again
  await page.keyboard.press('Home');
  await reach(page, 0);
  await page.keyboard.press(' ');
  await until(async () => (await stats(page)).state === 'playing', 'playing');
  await ended(page);
  await reach(page, times.length - 1);
  await close(page);
});

test('live: patches are shown with their picture, at once when they are alone, and the time shown is the watermark', async () => {
  const file = readFileSync(join(recorder.library, SESSION, 'recording-0001.mcap'));
  const channelOf = (message) => message.readUInt16LE(9);
  const stream = [...messagesOf(file, await loadDecompressHandlers())].filter((message) => CHANNELS.has(channelOf(message)));
  let send;
  let pack;
  const startedNs = BigInt(messages[0].t);
  const status = { state: 2, session: 'of another recorder', startedNs };
  const page = await open(recorder.links.live, {
    between: {
      answer: (body) => (body.case === 'watchLive' ? { case: 'status', value: status } : undefined),
      change: (body) => body.case === 'status' && Object.assign(body.value, status),
      opened: (...given) => ([send, pack] = given),
    },
  });
  await until(async () => (await stats(page)).state === 'waiting for the picture', 'the session');
  const times = await page.evaluate(know, messages);
  for (const [id, topic] of CHANNELS) {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(id);
    head.writeUInt32LE(topic.length, 4);
    send(record(0x04, Buffer.concat([head, Buffer.from(topic)])));
  }
  /* messages of one moment are sent together; sizes precede their picture */
  let next = 0;
  const sendUpTo = (t) => {
    let pictures = 0;
    for (; next < stream.length && stream[next].readBigUInt64LE(15) <= t; next++) {
      send(stream[next]);
      pictures += channelOf(stream[next]) === 8;
    }
    return pictures;
  };

  /* a late client receives many at once */
  const first = 30;
  const decoded = sendUpTo(BigInt(times[first]));
  send(pack({ case: 'complete', value: { sessionNs: BigInt(times[first]) } }));
  await reach(page, first);
  assert.equal((await stats(page)).picturesDecoded, decoded);
  assert.equal((await stats(page)).presentationTimeNs, Number(times[first]));

  await watch(page, first);
  let cleared = 0;
  let completeNs = BigInt(times[first]);
  for (let i = first + 1; i < times.length; i++) {
    const t = BigInt(times[i]);
    if (i === times.length - 10)
      await page.evaluate(() => Object.defineProperty(document, 'hidden', { get: () => true }));
    const [patches, picture] = stream.slice(next).filter((message) => message.readBigUInt64LE(15) === t);
    if (picture && channelOf(patches) === 26 && channelOf(picture) === 8) {
      /* nothing is cleared before the picture shows the area below */
      send(patches);
      next++;
      if (cleared++ < 10) {
        await sleep(80);
        assert.equal(await page.evaluate((number) => window.known.differs(number), i - 1), '');
        assert.equal((await stats(page)).presentationTimeNs, Number(completeNs));
      }
    }
    sendUpTo(t);
    /* after a keyframe the next moment is one nanosecond later */
    completeNs = i + 1 < times.length && BigInt(times[i + 1]) < t + 500_000n ? t : t + 500_000n;
    send(pack({ case: 'complete', value: { sessionNs: completeNs } }));
    await reach(page, i);
    await until(async () => (await stats(page)).presentationTimeNs === Number(completeNs), 'the time that is complete');
  }
  assert.ok(cleared > 10);
  await watched(page);
  await close(page);
});

/* A real screen, with and without patches: the replay shows the same as live. */
test('small changes of a desktop are seen live and found in the replay', async (t) => {
  const real = await Recorder.start(['--input', 'none'], desktop.env);
  t.after(() => real.end());
  desktop.paint('204060');
  const session = await real.begin();
  const observer = await open(real.links.live);
  await until(async () => (await stats(observer)).state === 'live', 'the picture');
  const painter = spawn(join(build, 'tests/bench/painter'), ['20', '40', '200'], { env: desktop.env, stdio: 'ignore' });
  await new Promise((resolve) => painter.once('exit', resolve));
  /* the last of 20 is (20, 20, 20) times 8 */
  const off = async (page) => {
    const color = Number.parseInt(await colorOf(page), 16);
    return Math.max(...[16, 8, 0].map((shift) => Math.abs(((color >> shift) & 255) - 160)));
  };
  await until(async () => (await off(observer)) <= 3, 'the last grey');
  await sleep(2500);
  const patched = (await real.uxrec('dump', join(real.library, session), '--channel', '/screen/patches', '--json')) !== '';
  console.log(`# ${patched ? 'with' : 'without'} patches`);
  if (patched) assert.equal(await off(observer), 0, 'what has come to rest is exact');
  await close(observer);
  await real.uxrec('stop');

  const page = await open(real.replayLink(session));
  await until(async () => (await stats(page)).state === 'stopped', 'the replay');
  /* hash of the picture */
  const look = () =>
    page.evaluate(() => {
      const canvas = document.getElementById('picture');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let sum = 0x811c9dc5;
      for (const value of new Uint32Array(data.buffer)) sum = Math.imul(sum ^ value, 0x01000193);
      return `${canvas.width}x${canvas.height} ${sum}`;
    });
  /* the picture shown once decoding has settled */
  const settled = () => {
    let seen;
    let equal = 0;
    return until(async () => {
      const before = seen;
      await sleep(80);
      seen = `${(await stats(page)).picturesDecoded} ${await look()}`;
      equal = seen === before ? equal + 1 : 0;
      return equal === 3;
    }, 'a picture that stays').then(look);
  };
  /* of successive pictures with equal numbers the last one counts */
  const forth = new Map();
  for (let again = 0; again < 4; ) {
    const { presentationTimeNs } = await stats(page);
    again = forth.has(presentationTimeNs) ? again + 1 : 0;
    forth.set(presentationTimeNs, await settled());
    await page.keyboard.press('.');
  }
  assert.ok(forth.size > 8, `${forth.size} pictures`);
  await page.keyboard.press('End');
  await until(async () => (await off(page)) <= (patched ? 0 : 3), 'the last grey');
  for (const [at, picture] of [...forth].reverse().slice(1)) {
    for (let presses = 0; presses < 30 && (await stats(page)).presentationTimeNs !== at; presses++)
      await page.keyboard.press(',');
    await until(async () => (await stats(page)).presentationTimeNs === at, 'the picture before');
    await until(async () => (await look()) === picture, `what was seen at ${at}`);
  }
  await close(page);
});

/* Two alternating cursors: from the third change on they are references to stored ones. */
test("the pointer's shape is shown, live and in the replay, also where it is only referred to", async (t) => {
  const real = await Recorder.start(['--input', 'none'], desktop.env);
  t.after(() => real.end());
  desktop.paint('000000');
  desktop.do('cursor ff0000');
  const session = await real.begin();
  const observer = await openPage(browser, real.links.live);
  await until(async () => (await stats(observer)).state === 'live', 'the picture');
  const shows = (page, channel) =>
    page.evaluate((c) => {
      const canvas = document.getElementById('overlay');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < data.length; i += 4)
        if (data[i + c] > 200 && data[i + 1 - c] < 60 && data[i + 2] < 60) return true;
      return false;
    }, channel);
  for (let i = 0; i < 6; i++) {
    desktop.do(`cursor ${i % 2 ? 'ff0000' : '00ff00'}`);
    await until(() => shows(observer, i % 2 ? 0 : 1), 'the pointer, live');
    if (i === 4) await real.uxrec('tag', 's');
  }
  /* a late client receives the referenced cursors */
  const late = await openPage(browser, real.links.live);
  await until(() => shows(late, 0), 'the pointer of whoever comes late');
  await real.uxrec('stop');
  const { stdout } = await run(join(build, 'uxrec'), ['dump', join(real.library, session), '--channel', '/pointer/shape', '--json']);
  const shapes = stdout.trim().split('\n').map((line) => JSON.parse(line).message);
  assert.ok(shapes.filter((shape) => shape.shape && !shape.deflated).length >= 4);
  const replay = await openPage(browser, real.replayLink(session));
  await until(async () => (await stats(replay)).state === 'stopped', 'the replay');
  await replay.locator('[data-media-ns]').first().click();
  await until(() => shows(replay, 1), 'the green pointer, in the replay');
  await replay.keyboard.press('End');
  await until(() => shows(replay, 0), 'the red pointer, in the replay');
  for (const page of [observer, late, replay]) await close(page);
});
