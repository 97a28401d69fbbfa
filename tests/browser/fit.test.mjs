// Layout of pages in all states: light, dark, print, forced colours and reduced motion, with texts of maximum length;
// and no axe violations. UXREC_LONG=1: at all sizes and zooms. UXREC_SHOTS=FOLDER: save screenshots.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, delay, isLong, pageModule, Recorder, sleep, through, until } from '../harness/pages/lab.mjs';
import { misfits } from '../harness/pages/fit.mjs';
import { browser, close, live, openPage, pause, play, reached, useBrowser } from '../harness/pages/pages.mjs';

/* ---- texts of maximum length ---- */

const PARTICIPANT = `P${'㍿'.repeat(26)}`;
const WIDE = 'W'.repeat(80);
const KEYS = [...'abcdghimopqsuvwxy'];
const COLORS = ['#ffff00', '#000080', '#ffffff', '#000000', '#7f7f7f', '#00ff00', '#ff0000', '#c2410c'];
const CODES = KEYS.map((key, i) => ({
  id: `code-${key}`,
  key,
  name: i % 3 === 0 ? `Bedienelementverwechslungswahrscheinlichkeitsfehler ${key}` : `Fehleinschätzung der Systemrückmeldung ${key}`,
  counts_as: i < 6 ? 'error' : 'observation',
  color: COLORS[i % COLORS.length],
}));
const TASKS = [
  {
    id: 'find',
    title: 'Suchen Sie die Rechnung des Vormonats und laden Sie sie als Datei auf Ihren eigenen Rechner herunter',
    instructions: 'Öffnen Sie die Kundenkontoverwaltung und suchen Sie die Rechnung des vergangenen Monats. '.repeat(3),
    success: 'Die Rechnung ist heruntergeladen, und der Testteilnehmer hat gesagt, dass es die richtige ist. '.repeat(2),
    time_limit_s: 600,
    opportunities: [
      { id: 'menu', title: 'Öffnet das Benutzerkontoeinstellungsmenü über das Zahnradsymbol rechts oben' },
      { id: 'date', title: 'Wählt den Abrechnungszeitraum im Datumsauswahlfeld richtig aus' },
    ],
  },
  { id: 'pay', title: 'Zahlungsdienstleistungsvertragskündigungsbestätigungsschreibenanforderung' },
  { id: 'say', title: 'Sagen Sie, was Sie von dem Vorgang halten' },
];
const STUDY = {
  study: 'Gebrauchstauglichkeitsuntersuchung der Kundenkontoverwaltung, zweite Untersuchungsrunde',
  consent: 'Wir zeichnen den Bildschirm und die Eingaben auf. Die Aufzeichnung wird nur im Team ausgewertet. '.repeat(40),
  codes: CODES,
  tasks: TASKS,
};
const NOTE = `sieht verloren aus, ${'Donaudampfschifffahrtsgesellschaftskapitänswitwenrente'.repeat(3)}`;
const SENTENCE = 'Die Aufzeichnungsgeräteverbindungseinstellung wurde zurückgesetzt, weil sie nicht mehr gültig war; ';

/* ---- */

let recorder;
let session;
const faults = [];

const check = async (page, name, options) => {
  const found = await misfits(page, name, options);
  faults.push(...found);
};
/* states with a layout similar to others */
const checkToo = async (page, name, options) => {
  if (isLong) await check(page, name, options);
};
function verdict() {
  const found = faults.splice(0);
  assert.ok(found.length === 0, `what does not fit:\n${found.join('\n')}`);
}
const link = (page, role, search = '') => `http://127.0.0.1:${recorder.port}/${page}${search}#${recorder.token(role)}`;
const open = (url, options) => openPage(browser, url, { viewport: { width: 1280, height: 800 }, ...options });

/** A page with modified server messages. */
const openEdited = (url, change, options = {}) => open(url, { ...options, between: { change } });

/** Id of an ended session with tags. */
async function recorded() {
  if (session) return session;
  session = await recorder.uxrec('start', '--study', recorder.study, '--participant', PARTICIPANT, '--consent', 'paper:screen,sound');
  await recorder.uxrec('task', 'start', 'find');
  await sleep(2000);
  for (const key of ['a', 'b', 'c']) await recorder.uxrec('tag', key, '--note', NOTE);
  await recorder.uxrec('stop', '--outcome', 'completed');
  return session;
}

/** A page that never receives an answer. */
async function openUnanswered(url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.troubles = [];
  await page.routeWebSocket(/./, () => undefined);
  await page.goto(url);
  return page;
}

async function makeShared() {
  recorder = await Recorder.start(['--screen', 'test', '--fps', '2', '--input', 'none', '--sound', 'tone']);
  writeFileSync(recorder.study, JSON.stringify(STUDY));
  writeFileSync(join(recorder.folder, 'broken.yaml'), 'study: Broken\ntasks:\n  - {id: a b, titel: x}\ncodes: 7\n');
}

useBrowser({ shared: makeShared });

test('whatever colour a study picks for a code, its shape is seen on both themes and text on it is read', async () => {
  const { codeStyle } = await pageModule('base/colors.ts');
  const rgb = (color) => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255);
  const luminance = (color) => {
    const [red, green, blue] = rgb(color).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const steps = ['00', '33', '80', 'cc', 'ff'];
  const all = steps.flatMap((red) => steps.flatMap((green) => steps.map((blue) => `#${red}${green}${blue}`)));
  for (const color of [...COLORS, ...all, '', 'red', '#12345g', undefined]) {
    const style = codeStyle(color);
    const [codes, inks] = [style['--code'], style['--ink']].map((both) => both.match(/#[0-9a-f]{6}/g));
    for (const [i, grounds] of [['#ffffff', '#f5f8f8'], ['#141c1d', '#1c2728']].entries()) {
      assert.ok(contrast(codes[i], inks[i]) >= 4.5, `text on ${color}: ${inks[i]} on ${codes[i]}`);
      for (const ground of grounds) assert.ok(contrast(codes[i], ground) >= 3, `${color}: ${codes[i]} on ${ground}`);
    }
  }
  assert.match(codeStyle('#c2410c')['--code'], /^light-dark\(#c2410c,/, 'a colour that is seen stays as it is');
});

test('an empty library and a link that is not valid fit', async () => {
  const page = await open(link('library', 'moderate'));
  await page.getByRole('heading', { name: 'No session yet' }).waitFor();
  await check(page, 'library empty', { print: true });
  await close(page);
  for (const name of ['library', 'live', 'moderate', 'replay']) {
    const refused = await open(`http://127.0.0.1:${recorder.port}/${name}?session=20260101-000000#${'0'.repeat(32)}`, { expectErrors: true });
    await refused.getByText(/This link is not valid/).first().waitFor();
    await (name === 'live' ? check : checkToo)(refused, `${name} refused`);
    await close(refused);
  }
  const none = await open(`http://127.0.0.1:${recorder.port}/library`);
  await none.getByText('no valid key').waitFor();
  await checkToo(none, 'no key');
  await close(none);
  verdict();
});

test('live without a session fits', async () => {
  const connecting = await openUnanswered(link('live', 'live'));
  await connecting.getByRole('heading', { name: 'Connecting' }).waitFor();
  await checkToo(connecting, 'live connecting');
  await close(connecting);
  const page = await open(link('live', 'live'));
  await page.getByRole('heading', { name: 'No session yet' }).waitFor();
  await check(page, 'live no session');
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await check(page, 'live help');
  await close(page);
  const undecodable = await open(link('live', 'live'), { script: 'delete window.VideoDecoder;' });
  await undecodable.getByRole('heading', { name: /cannot decode/ }).waitFor();
  await checkToo(undecodable, 'live no decoder');
  await close(undecodable);
  verdict();
});

test('moderate before a session fits', async () => {
  const without = await openEdited(link('moderate', 'moderate'), (body) => {
    if (body.case === 'studyList') body.value.studies = [];
    if (body.case === 'status') body.value.sound = '';
  });
  await without.getByText('You have no study yet.').waitFor();
  await check(without, 'moderate without study and sound');
  await close(without);
  const page = await openEdited(link('moderate', 'moderate'), (body) => {
    if (body.case !== 'doctorReport') return;
    for (const finding of body.value.findings) {
      finding.text = SENTENCE + finding.text;
      finding.advice = SENTENCE.repeat(2);
    }
  });
  await page.getByAltText('The participant’s current screen').waitFor();
  await page.getByRole('combobox', { name: 'Study' }).selectOption({ label: STUDY.study });
  await page.getByRole('textbox', { name: 'Participant' }).fill(PARTICIPANT);
  await check(page, 'moderate before');
  await page.getByRole('combobox', { name: 'Study' }).selectOption({ label: 'broken (cannot be used)' }).catch(() => undefined);
  await checkToo(page, 'moderate bad study');
  await close(page);
  verdict();
});

test('moderate and live fit while a session runs', async () => {
  session = await recorder.uxrec('start', '--study', recorder.study, '--participant', PARTICIPANT, '--consent', 'paper:screen,sound');
  const script = `localStorage.setItem('name', '${WIDE}');`;
  const observer = await open(link('live', 'live'), { script });
  const page = await open(link('moderate', 'moderate'), { script });
  await live(page);
  await live(observer);
  await checkToo(observer, 'live no tags');
  await checkToo(page, 'moderate no task');
  await page.keyboard.press('t');
  await page.getByRole('button', { name: /Ready/ }).waitFor();
  await check(page, 'moderate reading');
  await page.keyboard.press('t');
  await page.getByRole('button', { name: /Ready/ }).waitFor({ state: 'detached' });
  for (const key of ['a', 'b', 'c']) {
    await recorder.uxrec('tag', key, '--note', NOTE, '--opportunity', 'menu');
    await observer.keyboard.press(key);
  }
  await observer.locator('li.mark').nth(5).waitFor();
  await check(observer, 'live with tags', { print: true });
  await check(page, 'moderate task');
  await page.keyboard.press('e');
  await page.getByRole('group', { name: 'How did the task end?' }).waitFor();
  await check(page, 'moderate choosing', { focus: false });
  await page.keyboard.press('Escape');
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('Shift+I');
  await page.getByRole('region', { name: 'Interruption' }).waitFor();
  await checkToo(page, 'moderate interruption');
  await page.getByRole('button', { name: 'Withdraw…' }).click();
  await checkToo(page, 'moderate withdraw');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Session details…' }).click();
  await checkToo(page, 'moderate details');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByRole('button', { name: 'Show as QR code' }).click();
  await page.getByRole('img', { name: /^QR code/ }).waitFor();
  await check(page, 'moderate invite', { focus: false });
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('heading', { name: 'End the session?' }).waitFor();
  await check(page, 'moderate stop', { focus: false });
  await page.keyboard.press('Escape');
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('?');
  await checkToo(page, 'moderate help');
  await page.keyboard.press('Escape');
  if (isLong) await checkTroubles(page, observer, script);
  await close(page);
  await recorder.uxrec('stop', '--outcome', 'completed');
  await observer.getByRole('heading', { name: 'The session has ended' }).waitFor();
  await checkToo(observer, 'live ended');
  await close(observer);
  verdict();
});

/** A running session that is paused, waits for disk space, or does not answer. */
async function checkTroubles(page, observer, script) {
  await recorder.uxrec('pause');
  await observer.getByRole('heading', { name: 'Paused' }).waitFor();
  await check(observer, 'live paused');
  await check(page, 'moderate paused');
  await recorder.uxrec('resume');
  await live(page);

  const full = await openEdited(link('moderate', 'moderate'), ({ case: kind, value }) => {
    if (kind !== 'status') return;
    value.state = 4;
    value.waitingBytes = 123_456_789n;
    value.waitingFromNs = value.nowNs - 90_000_000_000n;
    value.waitingToNs = value.nowNs;
    value.warning = SENTENCE;
  });
  await full.getByText('is waiting for disk space').waitFor();
  await check(full, 'moderate full disk');
  await close(full);

  const proxy = await delay(recorder.port, 0);
  const broken = await open(through(link('live', 'live'), proxy), { expectErrors: true, script });
  await live(broken);
  proxy.end();
  await broken.getByRole('heading', { name: 'No answer from the recorder' }).waitFor();
  await broken.keyboard.press('a');
  await check(broken, 'live no answer');
  await close(broken);
}

test('a library with sessions fits, also on paper', async () => {
  await recorded();
  const few = await open(link('library', 'moderate'));
  await few.getByRole('table').waitFor();
  await few.getByRole('img', { name: /^success/ }).first().waitFor();
  await check(few, 'library few', { print: true });
  await close(few);
  const health = [1, 2, 3, 4, 5];
  const many = await openEdited(link('library', 'moderate'), (body) => {
    if (body.case !== 'sessionList' || body.value.more) return;
    const [one] = body.value.sessions;
    for (let i = 0; one && i < 150; i++)
      body.value.sessions.push({
        ...one,
        session: `${one.session}-${i}`,
        health: health[i % 5],
        gaps: i % 3,
        pilot: i % 4 === 0,
        excluded: i % 7 === 0,
        consent: i % 9 ? '' : 'partly withdrawn',
        trouble: i % 5 > 2 ? SENTENCE : '',
      });
  });
  await until(async () => (await many.locator('tbody tr').count()) >= 100, 'the table');
  await check(many, 'library many', { print: true, focus: false });
  await close(many);
  const bad = await open(link('library', 'moderate'));
  await bad.getByRole('table').waitFor();
  /* the menu closes when the window is resized */
  const reopen = async () => {
    await bad.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    if (!(await bad.getByRole('menu').isVisible())) await bad.getByRole('button', { name: /^Actions:/ }).first().click();
    await bad.getByRole('menuitem', { name: /^Delete/ }).waitFor();
  };
  await reopen();
  await check(bad, 'library menu', { focus: false, reopen });
  await bad.getByRole('menuitem', { name: /^Delete/ }).click();
  await bad.getByRole('dialog').waitFor();
  await check(bad, 'library delete');
  await close(bad);
  verdict();
});

/** Tags as sent by the server, one per millisecond. */
async function manyTags(firstNs) {
  const { create } = await import('@bufbuild/protobuf');
  const { ActSchema } = await pageModule('../gen/protocol/acts_pb.ts');
  return Array.from({ length: 10_000 }, (_, i) => {
    const value = { code: CODES[i % CODES.length].id, mediaNs: firstNs + BigInt(i) * 1_000_000n, impact: i % 6, note: i % 5 ? '' : NOTE };
    const id = i.toString(16).padStart(32, '0');
    return create(ActSchema, { id, kind: 1, counter: BigInt(i + 1), author: i % 2 ? WIDE : 'Ana', layer: 'live', body: { case: 'tag', value } });
  });
}

test('replay fits', async () => {
  await recorded();
  const client = await Client.open(recorder, 'moderate', 'Writer');
  const cues = Array.from({ length: 40 }, (_, i) => {
    const time = (seconds) => `00:00:${String(seconds).padStart(2, '0')}.000`;
    return `${time(i)} --> ${time(i + 1)}\n<v Moderatorin>${i % 4 ? SENTENCE : NOTE}\n`;
  });
  await client.ask({ case: 'putTranscript', value: { session, vtt: `WEBVTT\n\n${cues.join('\n')}` } });
  const { beginNs, endNs } = (await client.ask({ case: 'openSession', value: { session } })).value.summary;
  client.end();
  const url = link('replay', 'moderate', `?session=${session}`);
  const page = await open(url, { script: `localStorage.setItem('name', '${WIDE}'); localStorage.setItem('captions', 'yes');` });
  await reached(page, 'stopped');
  await check(page, 'replay stopped', { print: true });
  await page.keyboard.press('Home');
  await page.keyboard.press('b');
  await page.locator('li.mark.mine').first().waitFor();
  await page.getByRole('button', { name: /^Change/ }).first().click();
  await check(page, 'replay editor', { focus: false });
  await page.keyboard.press('Escape');
  await page.getByRole('tab', { name: 'Events' }).click();
  await checkToo(page, 'replay events');
  await page.getByRole('tab', { name: 'Transcript' }).click();
  await checkToo(page, 'replay transcript');
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('/');
  await page.keyboard.type('Gerät');
  await page.getByRole('option').first().waitFor();
  await check(page, 'replay search', { focus: false });
  await page.keyboard.press('Escape');
  if (isLong) {
    await page.evaluate(() => document.activeElement?.blur());
    await checkReplay(page);
    await checkEdited(url, beginNs, endNs);
  }
  await close(page);
  verdict();
});

/** A replay during playback, and its dialogs. */
async function checkReplay(page) {
  await play(page);
  await check(page, 'replay playing', { focus: false });
  await pause(page);
  for (const name of ['Session…', 'Bleep…']) {
    await page.getByRole('button', { name }).click();
    await check(page, `replay ${name}`, { focus: false });
    await page.keyboard.press('Escape');
    await page.evaluate(() => document.activeElement?.blur());
  }
  await page.keyboard.press('?');
  await check(page, 'replay help');
}

/** Replays with an unusual answer of the recorder, or none yet. */
async function checkEdited(url, beginNs, endNs) {
  const opening = await openUnanswered(url);
  await opening.getByRole('heading', { name: 'Opening' }).waitFor();
  /* nothing is known about the session yet */
  assert.doesNotMatch(await opening.locator('.side').innerText(), /No task|No tags/);
  await check(opening, 'replay opening');
  await close(opening);

  const gap = await openEdited(url, ({ case: kind, value }) => {
    if (kind === 'timeline') value.screenGaps = [{ $typeName: 'uxrec.Timeline.ScreenGap', fromNs: beginNs, toNs: endNs + 1n, text: SENTENCE }];
    if (kind === 'sessionOpened') value.summary.trouble = SENTENCE;
  });
  await gap.getByRole('heading', { name: 'No picture' }).waitFor();
  await check(gap, 'replay gap and damage');
  await close(gap);

  const kept = await openEdited(url, ({ case: kind, value }) => {
    if (kind === 'sessionOpened') Object.assign(value.summary, { keptBack: true, withdrawn: true });
  });
  await kept.getByRole('heading', { name: 'Consent was withdrawn' }).waitFor();
  await check(kept, 'replay kept back');
  await close(kept);

  const tags = await manyTags(beginNs);
  const many = await openEdited(url, ({ case: kind, value }) => {
    if (kind === 'sessionOpened') value.acts.push(...tags);
  });
  await reached(many, 'stopped');
  await check(many, 'replay many tags', { focus: false });
  await close(many);
}
