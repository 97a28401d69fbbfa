// Likeness of a film to the screen: lossless copies of parts of the screen, against the film's picture of that moment.

import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from '../harness/pages/lab.mjs';

const run = promisify(execFile);

/* A picture drawn at T is searched among those of the film within this span around T: films have a resolution of one
 * picture of 30 a second, and in a film of 30 a second each picture lasts only that long. */
const BEFORE_S = 0.05;
const AFTER_S = 0.12;

/* inside the top left square by which films are aligned, where no coder blurs it */
const MARK_AT = 32;
const MARK_WITHIN_S = 60;

/** Run a program and pass its output to `take` in pieces of `size` bytes. */
function pieces(command, args, size, take) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let held = [];
    let length = 0;
    let errors = '';
    child.stderr.on('data', (data) => {
      errors += data;
    });
    child.stdout.on('data', (data) => {
      held.push(data);
      length += data.length;
      if (length < size) return;
      let all = Buffer.concat(held);
      for (; all.length >= size; all = all.subarray(size)) take(all.subarray(0, size));
      held = [Buffer.from(all)];
      length = all.length;
    });
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command}: ${errors.trim()}`))));
  });
}

/** Output of a program. */
async function printed(command, args) {
  const { stdout } = await run(command, args, { maxBuffer: 1 << 27 });
  return stdout.trim();
}

/** A film, decoded by ffmpeg. */
export class Film {
  constructor(path) {
    this.path = path;
  }

  #decode(filter, size, take, more = []) {
    const args = [
      '-v', 'error', ...more, '-i', this.path, '-map', '0:v:0', '-vf', `${filter},extractplanes=y`,
      '-vsync', 'passthrough', '-f', 'rawvideo', 'pipe:1',
    ];
    return pieces('ffmpeg', args, size, take);
  }

  async open() {
    const asked = ['-v', 'error', '-select_streams', 'v:0', '-of', 'csv=p=0', '-show_entries'];
    const text = await printed('ffprobe', [...asked, 'packet=pts_time', this.path]);
    this.times = text.split('\n').map(Number.parseFloat).filter(Number.isFinite).sort((a, b) => a - b);
    this.marks = [];
    await this.#decode(`crop=2:2:${MARK_AT}:${MARK_AT}`, 4, ([luma]) => this.marks.push(luma), ['-t', String(MARK_WITHIN_S)]);
    /* a film's tagged range is not always the actual one: white decides */
    this.full = Math.max(...this.marks) > 245;
  }

  /** Pass the luma of the pictures of these numbers to `take`, one by one. */
  pictures(numbers, size, take) {
    const chosen = spansOf(numbers).map(([from, to]) => `between(n,${from},${to})`);
    return this.#decode(`select='${chosen.join('+')}'`, size, take);
  }
}

/** A recording of ours, rendered as in our replays. */
export class OwnFilm {
  constructor(session) {
    this.session = session;
    this.tool = join(build, 'tests/tools/screen_pictures');
    this.full = false;
  }

  async open() {
    const lines = (await printed(this.tool, ['times', this.session, String(MARK_AT), String(MARK_AT)])).split('\n');
    this.times = lines.map((line) => Number(line.split(' ')[0]));
    this.marks = lines.map((line) => Number(line.split(' ')[1]));
  }

  pictures(numbers, size, take) {
    return pieces(this.tool, ['luma', this.session, ...numbers.map(String)], size, take);
  }
}

/** [from, to] of each run of consecutive numbers. */
function spansOf(numbers) {
  const spans = [];
  for (const number of numbers) {
    const last = spans.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else spans.push([number, number]);
  }
  return spans;
}

/** BT.601 luma, as coders use it. @param full  range is 0 to 255, else 16 to 235 */
export function lumaOf(pixels, full) {
  const [blue, green, red, least] = full ? [29.184, 150.272, 76.544, 0.5] : [25.064, 129.057, 65.738, 16.5];
  const luma = new Uint8Array(pixels.length / 4);
  for (let i = 0; i < luma.length; i++)
    luma[i] = least + (blue * pixels[4 * i] + green * pixels[4 * i + 1] + red * pixels[4 * i + 2]) / 256;
  return luma;
}

/**
 * SSIM of a part of a picture: the mean over windows of 8x8 pixels, every 4 pixels.
 *
 * @param golden  { luma, width, height }
 * @param picture rows of `stride`, the part at x, y
 */
export function similarity(golden, picture, stride, x, y) {
  const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];
  const { luma, width, height } = golden;
  let sum = 0;
  let windows = 0;
  for (let top = 0; top + 8 <= height; top += 4)
    for (let left = 0; left + 8 <= width; left += 4) {
      let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
      for (let row = top; row < top + 8; row++)
        for (let column = left; column < left + 8; column++) {
          const one = luma[row * width + column];
          const other = picture[(y + row) * stride + x + column];
          a += one;
          b += other;
          aa += one * one;
          bb += other * other;
          ab += one * other;
        }
      a /= 64;
      b /= 64;
      const [va, vb, cov] = [aa / 64 - a * a, bb / 64 - b * b, ab / 64 - a * b];
      sum += ((2 * a * b + c1) * (2 * cov + c2)) / ((a * a + b * b + c1) * (va + vb + c2));
      windows++;
    }
  return sum / windows;
}

/** Time in the film at which the mark turns white. */
function markIn(film) {
  const dark = film.marks.findIndex((luma) => luma < 100);
  const at = film.marks.findIndex((luma, i) => dark >= 0 && i > dark && luma > 160);
  if (at < 0) throw new Error('its film does not show the mark');
  return film.times[at];
}

/**
 * Best likeness of each golden picture among the film's pictures around its time.
 *
 * @param film     a Film or OwnFilm of that size
 * @param goldens  { path, x, y, width, height, ns } of the script
 * @param mark_ns  time at which the script showed its mark
 * @return the goldens with `ssim`
 */
export async function judge(film, [filmWidth, filmHeight], goldens, mark_ns) {
  await film.open();
  const mark = markIn(film);
  const wanted = goldens.map((golden) => {
    const time = mark + Number(golden.ns - mark_ns) / 1e9;
    return {
      golden,
      from: lastAtMost(film.times, time - BEFORE_S),
      to: lastAtMost(film.times, time + AFTER_S),
      ssim: -1,
    };
  });
  const numbers = [...new Set(wanted.flatMap(({ from, to }) => range(from, to)))].sort((a, b) => a - b);
  let at = 0;
  await film.pictures(numbers, filmWidth * filmHeight, (picture) => {
    const number = numbers[at++];
    for (const one of wanted) {
      if (number < one.from || number > one.to) continue;
      const { golden } = one;
      golden.luma ??= lumaOf(readFileSync(golden.path), film.full);
      one.ssim = Math.max(one.ssim, similarity(golden, picture, filmWidth, golden.x, golden.y));
    }
  });
  /* some formats count one picture more than there is at the end */
  if (wanted.some(({ ssim }) => ssim < 0)) throw new Error('pictures of its film are missing');
  return wanted.map(({ golden, ssim }) => ({ ...golden, luma: undefined, ssim }));
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

function lastAtMost(times, time) {
  let at = times.length - 1;
  while (at > 0 && times[at] > time) at--;
  return at;
}
