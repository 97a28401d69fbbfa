// How like the screen a film is: of parts of the screen that were kept exactly, and of the picture that the film
// has of that moment.

import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/* A picture that was drawn at T is looked for among those the film shows in this time around T: films have
 * times to a picture of 30 a second, and in a film of 30 a second each picture is only there for so long. */
const BEFORE_S = 0.05;
const AFTER_S = 0.12;

/* the white square at the top left by which films are aligned: a part of it that no coder blurs */
const MARK = 'crop=16:16:24:24';
const MARK_WITHIN_S = 60;

/** Run a program; every `size` bytes of its output are given to `take`. */
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

/** Times of a film's pictures in seconds, in order. */
async function timesOf(path) {
  const asked = ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', path];
  const { stdout } = await run('ffprobe', asked, { maxBuffer: 1 << 26 });
  return stdout
    .split('\n')
    .map((line) => Number.parseFloat(line))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
}

const decoded = (path, filter, more = []) => [
  '-v', 'error', ...more, '-i', path, '-map', '0:v:0', '-vf', `${filter}extractplanes=y`,
  '-vsync', 'passthrough', '-f', 'rawvideo', 'pipe:1',
];

/** Luma as coders have it: BT.601, limited range. */
export function lumaOf(pixels) {
  const luma = new Uint8Array(pixels.length / 4);
  for (let i = 0; i < luma.length; i++)
    luma[i] = 16.5 + (25.064 * pixels[4 * i] + 129.057 * pixels[4 * i + 1] + 65.738 * pixels[4 * i + 2]) / 256;
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

/** When the film shows the mark. */
async function markIn(path, times) {
  let at;
  let number = 0;
  let dark = false;
  await pieces('ffmpeg', decoded(path, `${MARK},`, ['-t', String(MARK_WITHIN_S)]), 256, (square) => {
    if (at === undefined && dark && square[136] > 160) at = times[number];
    dark ||= square[136] < 100;
    number++;
  });
  if (at === undefined) throw new Error(`${path} does not show the mark`);
  return at;
}

/**
 * The best likeness of each golden picture among the pictures around its time.
 *
 * @param goldens  { path, x, y, width, height, ns }: of the script
 * @param mark_ns  when it showed its mark
 * @return the goldens with `ssim`
 */
export async function judge(path, [filmWidth, filmHeight], goldens, mark_ns) {
  const times = await timesOf(path);
  const mark = await markIn(path, times);
  const last = (time) => lastAtMost(times, time);
  const wanted = goldens.map((golden) => {
    const time = mark + Number(golden.ns - mark_ns) / 1e9;
    return { golden, from: last(time - BEFORE_S), to: last(time + AFTER_S), ssim: -1 };
  });
  const numbers = [...new Set(wanted.flatMap(({ from, to }) => range(from, to)))].sort((a, b) => a - b);
  const chosen = wanted.map(({ from, to }) => `between(n,${from},${to})`).join('+');
  let at = 0;
  const take = (picture) => {
    const number = numbers[at++];
    for (const one of wanted) {
      if (number < one.from || number > one.to) continue;
      const { golden } = one;
      golden.luma ??= lumaOf(readFileSync(golden.path));
      one.ssim = Math.max(one.ssim, similarity(golden, picture, filmWidth, golden.x, golden.y));
    }
  };
  await pieces('ffmpeg', decoded(path, `select='${chosen}',`), filmWidth * filmHeight, take);
  if (at < numbers.length) throw new Error(`${path}: ${numbers.length - at} pictures are missing`);
  return wanted.map(({ golden, ssim }) => ({ ...golden, luma: undefined, ssim }));
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

function lastAtMost(times, time) {
  let at = times.length - 1;
  while (at > 0 && times[at] > time) at--;
  return at;
}
