// Layout checks, measured in the page itself: overflowing, overlapping or unreachable parts, targets too small for
// touch, invisible focus.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isLong } from './lab.mjs';
import { RULES, violationsOf } from './pages.mjs';

const shots = process.env.UXREC_SHOTS;

/* with UXREC_LONG also a phone in landscape, 1280×800 at 200 % zoom and larger screens */
const SIZES = isLong
  ? ['390x844', '844x390', '640x400', '1280x800', '1366x768', '1920x1080']
  : ['390x844', '1280x800'];
const PHONE = '390x844';
const DESK = '1280x800';
/* A4 with margins of 1 cm, in px */
const PAPER = { width: 718, height: 1047 };

const USUAL = { media: 'screen', colorScheme: 'light', forcedColors: 'none', reducedMotion: 'no-preference' };

/* axe takes longer than all the rest: without UXREC_LONG each state is checked in one of these ways, in rotation */
const LOOKS = [[PHONE, 'dark'], [DESK, 'light'], [PHONE, 'light'], [DESK, 'dark']];
let looked = 0;

/* limit of faults per check: hundreds of rows may share one */
const MOST = 12;

const viewport = (size) => {
  const [width, height] = size.split('x').map(Number);
  return { width, height };
};

/**
 * Check a page in its current state, at every size and in every mode.
 *
 * @param name     of page and state, for messages and screenshot file names
 * @param options  `rows`: minimum height of the list beside the picture in px; `print`: also check the printed state;
 *                 `focus`: false if moving the focus would end the state; `reopen`: called after each resize, which has
 *                 ended the state
 *
 * @return faults, one per line
 */
export async function misfits(page, name, { rows = 0, print = false, focus = true, reopen } = {}) {
  const faults = new Map();
  const add = (where, found) => {
    for (const fault of [...new Set(found)].slice(0, MOST)) faults.set(fault, [...(faults.get(fault) ?? []), where]);
  };
  const look = async (where, media = {}) => {
    await page.emulateMedia({ ...USUAL, ...media });
    if (shots) await picture(page, `${name} ${where}`);
  };
  const resize = async (size) => {
    await page.setViewportSize(size);
    await reopen?.();
  };
  await page.bringToFront(); // a covered window is not painted
  for (const size of SIZES) {
    await resize(viewport(size));
    await look(`${size} light`);
    add(size, await page.evaluate(layoutFaults, { isPhone: size === PHONE, isPrinted: false, rows }));
    add(size, await page.evaluate(deadControls, { colors: ['var(--bad)', 'var(--accent)'], isOneOf: false }));
  }
  for (const [size, colorScheme] of isLong ? LOOKS : [LOOKS[looked++ % LOOKS.length]]) {
    await resize(viewport(size));
    await look(`${size} ${colorScheme}`, { colorScheme });
    add(`${size} ${colorScheme}`, await violationsOf(page, [...RULES, 'wcag22a', 'wcag22aa']));
  }
  if (shots) {
    await resize(viewport('1920x1080'));
    await look('1920x1080 dark', { colorScheme: 'dark' });
  }
  await resize(viewport(DESK));
  await look(`${DESK} forced colours`, { forcedColors: 'active', colorScheme: 'dark' });
  add('forced colours', await page.evaluate(unseenShapes));
  add('forced colours', await page.evaluate(deadControls, { colors: ['GrayText'], isOneOf: true }));
  await look(`${DESK} reduced motion`, { reducedMotion: 'reduce' });
  add('reduced motion', await page.evaluate(movingParts));
  if (print) {
    await resize(PAPER);
    await look('print', { media: 'print' });
    add('print', await page.evaluate(layoutFaults, { isPhone: false, isPrinted: true, rows: 0 }));
    await resize(viewport(DESK));
  }
  await page.emulateMedia(USUAL);
  if (focus) {
    await page.keyboard.press('Shift'); // switches the browser to keyboard focus
    add('focus', await page.evaluate(unseenFocus));
  }
  return [...faults].map(([fault, where]) => `${name} (${where.join(', ')}): ${fault}`);
}

async function picture(page, name) {
  mkdirSync(shots, { recursive: true });
  const path = join(shots, `${name.replace(/[^\w×-]+/g, '-')}.png`);
  await page.screenshot({ path, animations: 'disabled' });
}

/* ---- functions that run in the page ---- */

/** Layout faults, one per line. */
function layoutFaults({ isPhone, isPrinted, rows }) {
  const SLACK = 1.5; // px: rounding
  const root = document.documentElement;
  const scope = [...document.querySelectorAll('dialog:modal, :popover-open')].at(-1) ?? document.body;
  const faults = [];
  const style = (element) => getComputedStyle(element);
  const nameOf = (element) => {
    const text = (element.getAttribute('aria-label') ?? element.textContent ?? '').trim().slice(0, 40);
    const classes = [...element.classList].join('.');
    return `<${element.localName}${classes && `.${classes}`}> "${text}"`;
  };
  const say = (element, what) => faults.push(`${nameOf(element)} ${what}`);
  const isForReadersAlone = (element) => element.closest('.hidden') !== null;
  const isShown = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !isForReadersAlone(element);
  const all = [...scope.querySelectorAll('*')].filter((element) => !element.closest('svg') || element.localName === 'svg');
  const shown = all.filter(isShown);

  const rectsOf = (text) => {
    const range = document.createRange();
    range.selectNodeContents(text);
    return [...range.getClientRects()].filter(({ width }) => width > 0);
  };
  const textRects = (element) => {
    const rects = [];
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode())
      if (node.data.trim() && isShown(node.parentElement)) rects.push(...rectsOf(node));
    return rects;
  };

  /* the document */
  const tooWide = root.scrollWidth - root.clientWidth;
  if (tooWide > 0) faults.push(`the document is ${tooWide} px too wide`);

  /* boxes that clip their content or scroll horizontally */
  for (const element of shown) {
    const { overflowX, overflowY, textOverflow, display } = style(element);
    /* flex and grid boxes, and texts of their items, are clipped without an ellipsis */
    const isShortened = textOverflow === 'ellipsis' && /^(inline-)?block$|flow-root|list-item|table-c/.test(display);
    if (['IFRAME', 'INPUT', 'TEXTAREA', 'SELECT', 'CANVAS', 'SVG'].includes(element.tagName.toUpperCase()) || overflowX === 'visible') continue;
    const wide = element.scrollWidth - element.clientWidth;
    const high = element.scrollHeight - element.clientHeight;
    const scrollsX = /auto|scroll/.test(overflowX);
    if (wide > SLACK && isPrinted) say(element, `cuts ${wide} px off on paper`);
    else if (wide > SLACK && scrollsX && !element.matches('[role=region][tabindex]') && style(element).maskImage === 'none') say(element, `scrolls sideways by ${wide} px`);
    else if (wide > SLACK && !scrollsX && (!isShortened || !element.closest('[title]')))
      say(element, `cuts ${wide} px off${isShortened ? ' and has no title' : ''}`);
    if (high > SLACK && !(style(element).webkitLineClamp !== 'none' && element.closest('[title]')) && (isPrinted || !/auto|scroll/.test(overflowY)) && element !== document.body && element.textContent.trim())
      say(element, `cuts ${high} px off below`);
  }

  /* table head: whole words; titles of figure columns directly above the figures */
  for (const title of shown.filter((element) => element.matches('thead th'))) {
    const rects = textRects(title);
    const lines = new Set(rects.map(({ bottom }) => Math.round(bottom))).size;
    if (lines > title.innerText.trim().split(/\s+/).length) say(title, `breaks its words over ${lines} lines`);
    const cell = title.closest('table').querySelector(`tbody tr > :nth-child(${title.cellIndex + 1})`);
    const below = cell ? textRects(cell) : [];
    if (rects.length === 0 || below.length === 0) continue;
    const isRight = style(cell).textAlign === 'right';
    const edgeOf = (all) => (isRight ? Math.max(...all.map(({ right }) => right)) : Math.min(...all.map(({ left }) => left)));
    const off = Math.abs(edgeOf(rects) - edgeOf(below));
    if (off > SLACK) say(title, `stands ${off.toFixed(0)} px beside its column`);
  }

  /* texts and controls: within their boxes, not overlapping, reachable */
  const CONTROLS = 'button, a[href], input, select, textarea, summary, [role=slider], [tabindex="0"]';
  const boxOf = (element) => {
    for (let box = element; box && box !== document.body; box = box.parentElement) {
      const { backgroundColor, borderTopWidth, borderRightWidth, overflowX, position, display } = style(box);
      if (/auto|scroll|hidden|clip/.test(overflowX)) return undefined; // checked above
      if (/absolute|fixed/.test(position)) return undefined;
      const isDecorated = !/, 0\)$|transparent/.test(backgroundColor) || (borderTopWidth !== '0px' && borderRightWidth !== '0px');
      if (isDecorated && display !== 'inline') return box;
    }
    return undefined;
  };
  const visiblePart = (element, rect) => {
    let { left, right, top, bottom } = rect;
    for (let box = element; box && box !== document.body; box = box.parentElement) {
      const { overflowX, overflowY, position } = style(box);
      if (overflowX !== 'visible' || overflowY !== 'visible') {
        const around = box.getBoundingClientRect();
        left = Math.max(left, around.left);
        right = Math.min(right, around.right);
        top = Math.max(top, around.top);
        bottom = Math.min(bottom, around.bottom);
      }
      if (position === 'fixed') break;
    }
    return { left, right, top, bottom };
  };
  const layerOf = (element) => {
    for (let box = element; box && box !== scope; box = box.parentElement)
      if (/fixed|sticky/.test(style(box).position) || box.matches('.cover, .chips, :popover-open')) return box;
    return scope;
  };
  const things = [];
  const walker = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node && things.length < 4000; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest('svg, option, select, .captions') || !isShown(element)) continue;
    for (const rect of rectsOf(node)) things.push({ element, rect, isText: true });
  }
  const controls = shown.filter((element) => element.matches(CONTROLS));
  for (const element of controls) things.push({ element, rect: element.getBoundingClientRect(), isText: false });
  for (const { element, rect, isText } of things) {
    const box = boxOf(isText ? element : element.parentElement);
    if (box) {
      const around = box.getBoundingClientRect();
      const out = Math.max(rect.right - around.right, around.left - rect.left, rect.bottom - around.bottom, around.top - rect.top);
      if (out > SLACK) say(element, `stands ${out.toFixed(0)} px out of ${nameOf(box)}`);
    }
    if (rect.left + scrollX < -SLACK || rect.top + scrollY < -SLACK) {
      const inScroller = (() => {
        for (let one = element.parentElement; one; one = one.parentElement)
          if (/auto|scroll/.test(style(one).overflowX + style(one).overflowY)) return true;
        return false;
      })();
      if (!inScroller) say(element, 'is left of or above all that can be scrolled to');
    }
  }
  const seen = things
    .map((thing) => ({ ...thing, part: visiblePart(thing.element, thing.rect), layer: layerOf(thing.element) }))
    .filter(({ part }) => part.right - part.left > 2 && part.bottom - part.top > 2)
    .slice(0, 1200);
  const isLabelOf = (a, b) => a.isText && a.element.closest('label')?.contains(b.element) && b.element.matches('[type=checkbox], [type=radio]');
  seen.sort((a, b) => a.part.top - b.part.top);
  for (const [i, one] of seen.entries())
    for (let j = i + 1; j < seen.length && seen[j].part.top < one.part.bottom - 4; j++) {
      const other = seen[j];
      const wide = Math.min(one.part.right, other.part.right) - Math.max(one.part.left, other.part.left);
      const high = Math.min(one.part.bottom, other.part.bottom) - other.part.top;
      if (wide <= 2 || high <= 4 || one.layer !== other.layer) continue;
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
      if (one.element.closest('.track') || other.element.closest('.track')) continue;
      if (isLabelOf(one, other) || isLabelOf(other, one)) continue;
      say(one.element, `lies over ${nameOf(other.element)} by ${wide.toFixed(0)}×${high.toFixed(0)} px`);
    }
  if (isPrinted) return faults;

  /* every control can be scrolled into view, uncovered */
  const scrolled = shown.filter((element) => element.scrollTop || element.scrollLeft).map((element) => [element, element.scrollTop, element.scrollLeft]);
  const [x, y] = [scrollX, scrollY];
  for (const element of controls.slice(0, 200)) {
    if (element.matches('[role=slider], [role=tabpanel], [role=region], .lanes *') || element.disabled) continue;
    element.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' });
    const rect = element.getClientRects()[0];
    if (!rect) continue;
    const hit = document.elementFromPoint(rect.left + rect.width / 2, rect.top + rect.height / 2);
    if (!hit) say(element, 'cannot be scrolled into sight');
    else if (!element.contains(hit) && !hit.contains(element)) say(element, `is covered by ${nameOf(hit)}`);
  }
  for (const [element, top, left] of scrolled) {
    element.scrollTop = top;
    element.scrollLeft = left;
  }
  scrollTo(x, y);

  /* target sizes: WCAG 2.5.8, and touch targets on a phone; inline links are as high as their line */
  for (const element of controls) {
    if (element.matches('[role=slider], [role=tabpanel], [role=region], [role=tabpanel] *[tabindex="0"]:not(button)')) continue;
    const label = element.matches('[type=checkbox], [type=radio]') ? element.closest('label') : null;
    const { width, height } = (label ?? element).getBoundingClientRect();
    if (element.localName === 'a' && style(element).display === 'inline') continue;
    const isPrimary = isPhone && element.matches('button:not(.link, .small), .button, select, input:not([type=checkbox], [type=radio], [type=range]), textarea');
    const least = isPrimary ? 44 : 24;
    if (height < least - 0.5 || width < Math.min(least, 24) - 0.5)
      say(element, `is ${width.toFixed(0)}×${height.toFixed(0)} px: less than ${least}`);
  }

  const list = document.querySelector('.side [role=tabpanel]');
  if (list && rows && scope === document.body && list.clientHeight < rows)
    say(list, `is ${list.clientHeight} px high: less than ${rows}`);
  return faults;
}

/** Disabled buttons that look enabled, judged by presence or absence of colours. */
function deadControls({ colors, isOneOf }) {
  const probe = document.body.appendChild(document.createElement('span'));
  const known = colors.map((color) => {
    probe.style.color = color;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return [...document.querySelectorAll('button:is(:disabled, [aria-disabled=true])')]
    .filter((button) => button.checkVisibility() && !button.closest('.zoombar'))
    .filter((button) => {
      const { color, borderTopColor } = getComputedStyle(button);
      return isOneOf ? !known.includes(color) : known.includes(color) || known.includes(borderTopColor);
    })
    .map((button) => `<button class="${button.className}"> "${button.textContent.slice(0, 30)}" is disabled and looks enabled`);
}

/** Controls with an invisible focus. */
function unseenFocus() {
  const scope = [...document.querySelectorAll('dialog:modal, :popover-open')].at(-1) ?? document.body;
  const before = document.activeElement;
  const faults = [];
  for (const element of scope.querySelectorAll('button, a[href], input, select, textarea, summary, [tabindex="0"]')) {
    if (element.disabled || !element.checkVisibility({ visibilityProperty: true })) continue;
    element.focus({ preventScroll: true });
    if (document.activeElement !== element) continue;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    if (outlineStyle === 'none' || Number.parseFloat(outlineWidth) < 2)
      faults.push(`<${element.localName} class="${element.className}"> "${element.textContent.slice(0, 30)}" shows no focus`);
  }
  document.activeElement?.blur();
  before?.focus?.({ preventScroll: true });
  return [...new Set(faults)];
}

/** Shapes without text that vanish in forced colours. */
function unseenShapes() {
  const SHAPES = '.dot, .meter, .meter i, .tick, .lane .task, .lane .click, .playhead, .track .gap, .lane .bleep, .chip .cap';
  const rgb = (color) => color.replace(/\s/g, '');
  return [...document.querySelectorAll(SHAPES)]
    .filter((element) => element.checkVisibility() && element.getBoundingClientRect().width > 0)
    .filter((element) => {
      const { backgroundColor, backgroundImage, borderTopStyle, borderTopWidth, outlineStyle } = getComputedStyle(element);
      const hasBorder = borderTopStyle !== 'none' && Number.parseFloat(borderTopWidth) >= 1;
      const hasGround = rgb(backgroundColor) !== rgb(getComputedStyle(document.body).backgroundColor) && !/, 0\)$/.test(backgroundColor);
      return !hasBorder && outlineStyle === 'none' && !hasGround && backgroundImage === 'none';
    })
    .map((element) => `.${element.className} has neither border nor ground`);
}

/** Parts that move despite reduced motion. */
function movingParts() {
  const faults = document.getAnimations().map((animation) => `${animation.effect?.target?.className ?? '?'} is animated`);
  for (const element of document.querySelectorAll('body *')) {
    const { transitionDuration, animationName } = getComputedStyle(element);
    if (animationName !== 'none' || transitionDuration.split(',').some((one) => Number.parseFloat(one) > 0.001))
      faults.push(`.${element.className} moves`);
  }
  return [...new Set(faults)];
}
