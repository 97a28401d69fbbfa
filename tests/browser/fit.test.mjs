// Pages fit, in each of their states: in light, dark, print, forced colours and with less motion, with texts as long as
// they may be; and axe finds nothing. UXREC_LONG=1: at all sizes and zooms. UXREC_SHOTS=FOLDER: a picture of each.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browse, pageModule, Recorder, sleep, until } from '../harness/lab.mjs';
import { misfits } from '../harness/fit.mjs';
import { close, live, openPage } from '../harness/pages.mjs';

/* ---- texts as long as they may be ---- */

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

let browser;
let recorder;
let session;
const faults = [];

const check = async (page, name, options) => {
  const found = await misfits(page, name, options);
  faults.push(...found);
};
/* states that differ little from others in what may not fit */
const checkToo = async (page, name, options) => {
  if (process.env.UXREC_LONG === '1') await check(page, name, options);
};
function verdict() {
  const found = faults.splice(0);
  assert.ok(found.length === 0, `what does not fit:\n${found.join('\n')}`);
}
const link = (page, role, search = '') => `http://127.0.0.1:${recorder.port}/${page}${search}#${recorder.token(role)}`;
const open = (url, options) => openPage(browser, url, { viewport: { width: 1280, height: 800 }, ...options });

/** A page whose messages from the server go through `page.way.edit` first. */
async function openEdited(url, edit, options = {}) {
  const way = { edit };
  const page = await open(url, { ...options, between: { change: (body) => way.edit?.(body) } });
  return Object.assign(page, { way });
}

/** The id of a session with tags, which has ended. */
async function recorded() {
  if (session) return session;
  session = await recorder.uxrec('start', '--study', recorder.study, '--participant', PARTICIPANT, '--consent', 'paper:screen,sound');
  await recorder.uxrec('task', 'start', 'find');
  await sleep(2000);
  for (const key of ['a', 'b', 'c']) await recorder.uxrec('tag', key, '--note', NOTE);
  await recorder.uxrec('stop', '--outcome', 'completed');
  return session;
}

/** A page that never gets an answer. */
async function openUnanswered(url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.troubles = [];
  await page.routeWebSocket(/./, () => undefined);
  await page.goto(url);
  return page;
}

before(async () => {
  browser = await browse();
  recorder = await Recorder.start(['--screen', 'test', '--fps', '2', '--input', 'none', '--sound', 'tone']);
  writeFileSync(recorder.study, JSON.stringify(STUDY));
  writeFileSync(join(recorder.folder, 'broken.yaml'), 'study: Broken\ntasks:\n  - {id: a b, titel: x}\ncodes: 7\n');
});

after(async () => {
  await browser?.close();
  await Recorder.endLeftovers();
});

test('whatever colour a study picks for a code, its shape is seen on both themes and text on it is read', async () => {
  const { codeStyle } = await pageModule('colors.ts');
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
    await refused.getByText(/not valid/).first().waitFor();
    await check(refused, `${name} refused`);
    await close(refused);
  }
  const none = await open(`http://127.0.0.1:${recorder.port}/library`);
  await none.getByText('no valid key').waitFor();
  await check(none, 'no key');
  await close(none);
  verdict();
});

test('live without a session fits', async () => {
  const connecting = await openUnanswered(link('live', 'live'));
  await connecting.getByRole('heading', { name: 'Connecting' }).waitFor();
  await check(connecting, 'live connecting');
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
  await check(undecodable, 'live no decoder');
  await close(undecodable);
  verdict();
});

test('moderate before a session fits', async () => {
  const without = await openEdited(link('moderate', 'moderate'), (body) => {
    if (body.case === 'studyList') body.value.studies = [];
    if (body.case === 'status') body.value.sound = '';
  });
  await without.getByText('There is no study of yours yet.').waitFor();
  await check(without, 'moderate without study and sound');
  await close(without);
  const page = await openEdited(link('moderate', 'moderate'), (body) => {
    if (body.case !== 'doctorReport') return;
    for (const finding of body.value.findings) {
      finding.text = SENTENCE + finding.text;
      finding.advice = SENTENCE.repeat(2);
    }
  });
  await page.getByAltText('The participant’s screen as it is now').waitFor();
  await page.getByRole('combobox', { name: 'Study' }).selectOption({ label: STUDY.study });
  await page.getByRole('textbox', { name: 'Participant' }).fill(PARTICIPANT);
  await check(page, 'moderate before');
  await page.getByRole('combobox', { name: 'Study' }).selectOption({ label: 'broken (cannot be used)' }).catch(() => undefined);
  await check(page, 'moderate bad study');
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

  await close(page);
  await recorder.uxrec('stop', '--outcome', 'completed');
  await observer.getByRole('heading', { name: 'The session has ended' }).waitFor();
  await close(observer);
  verdict();
});

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
  const bad = await openEdited(link('library', 'moderate'), undefined, {});
  await bad.getByRole('table').waitFor();
  await bad.getByRole('button', { name: /^Actions:/ }).first().click();
  await bad.getByRole('menuitem', { name: /^Delete/ }).waitFor();
  await check(bad, 'library menu', { focus: false });
  if (!(await bad.getByRole('menu').isVisible())) await bad.getByRole('button', { name: /^Actions:/ }).first().click();
  await bad.getByRole('menuitem', { name: /^Delete/ }).click();
  await bad.getByRole('dialog').waitFor();
  await check(bad, 'library delete');
  await close(bad);
  verdict();
});
