// Time stretching, sample by sample: pitch, length, position and smoothness.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageModule } from '../harness/pages/lab.mjs';

const { Stretcher } = await pageModule('base/stretch.ts');
const RATE = 48000;
const PACKET = 960;
const SPEEDS = [0.5, 0.75, 1.5, 2, 3];

const tone = (seconds, hz = 440, height = 0.5) =>
  Float32Array.from({ length: seconds * RATE }, (_, i) => height * Math.sin((2 * Math.PI * hz * i) / RATE));

/** Feed the input packet by packet; returns all output after checking each block's time. */
function stretch(input, speed, beginS = 0, ppm = 0) {
  const stretcher = new Stretcher(speed, RATE);
  const blocks = [];
  for (let at = 0; at < input.length; at += PACKET)
    blocks.push(...stretcher.put(input.subarray(at, at + PACKET), beginS + (at / RATE) * (1 + ppm / 1e6)));
  blocks.push(...stretcher.end());
  const output = new Float32Array(blocks.reduce((sum, block) => sum + block.samples.length, 0));
  let length = 0;
  for (const block of blocks) {
    /* blocks are contiguous, by their times, too */
    assert.ok(Math.abs(block.atS - beginS - (length / RATE) * speed) < 1e-6);
    output.set(block.samples, length);
    length += block.samples.length;
  }
  return output;
}

/** Frequency between the first and last upward zero crossing, interpolated between samples. */
function frequency(samples) {
  const crossings = [];
  for (let i = 1; i < samples.length; i++)
    if (samples[i - 1] < 0 && samples[i] >= 0) crossings.push(i - samples[i] / (samples[i] - samples[i - 1]));
  return ((crossings.length - 1) * RATE) / (crossings.at(-1) - crossings[0]);
}

const largestStep = (samples) =>
  samples.reduce((most, sample, i) => Math.max(most, i ? Math.abs(sample - samples[i - 1]) : 0), 0);

for (const speed of SPEEDS) {
  test(`at ${speed}× a tone keeps its pitch, is as long as it should be, and has no jumps`, () => {
    const input = tone(3);
    const output = stretch(input, speed);
    assert.ok(Math.abs(output.length - input.length / speed) <= RATE / 100, `${output.length} samples`);
    const hz = frequency(output);
    assert.ok(Math.abs(hz - 440) < 2, `${hz} Hz`);
    assert.ok(largestStep(output) < 1.1 * largestStep(input), `a step of ${largestStep(output)}`);
    const rms = Math.sqrt(output.reduce((sum, sample) => sum + sample * sample, 0) / output.length);
    assert.ok(Math.abs(rms / (0.5 / Math.SQRT2) - 1) < 0.03, `${rms} is as loud as before`);
  });

  test(`at ${speed}× clicks are where their time is`, () => {
    const input = new Float32Array(4 * RATE);
    const times = Array.from({ length: 24 }, (_, i) => 0.11 + i * 0.1571);
    /* five milliseconds of 1 kHz, like the recorder's test tone, in a room with slight noise */
    for (let i = 0; i < input.length; i++) input[i] = 0.001 * Math.sin(i * i);
    for (const time of times)
      for (let i = 0; i < 240; i++) input[Math.round(time * RATE) + i] += 0.5 * Math.cos((2 * Math.PI * i) / 48);
    const output = stretch(input, speed);
    let worst = 0;
    for (const time of times) {
      const from = Math.round(((time - 0.07) / speed) * RATE);
      const heard = output.subarray(from, Math.round(((time + 0.07) / speed) * RATE));
      const energy = heard.reduce((sum, sample) => sum + sample * sample, 0);
      const centre = heard.reduce((sum, sample, i) => sum + i * sample * sample, 0) / energy;
      const loudest = heard.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      assert.ok(loudest > 0.03, `the click at ${time} s has only ${loudest}`);
      worst = Math.max(worst, Math.abs((from + centre) / RATE - (time + 0.0025) / speed));
    }
    assert.ok(worst < 0.015, `a click is ${worst} s off`);
  });
}

test('the output does not depend on the division into packets', () => {
  const input = tone(1, 180);
  const stretcher = new Stretcher(1.5, RATE);
  const whole = [...stretcher.put(input, 0), ...stretcher.end()];
  const cut = stretch(input, 1.5);
  const at = Math.floor(cut.length / 2);
  assert.equal(whole.reduce((sum, block) => sum + block.samples.length, 0), cut.length);
  assert.ok(Math.abs(whole[0].samples[at] - cut[at]) < 1e-6);
});

test('a clock that is 300 ppm fast is followed, and nothing jumps', () => {
  const input = tone(60);
  const output = stretch(input, 2, 1000, 300);
  assert.ok(Math.abs(output.length / RATE - (60 * 1.0003) / 2) < 0.01);
  assert.ok(Math.abs(frequency(output) - 440) < 2);
  assert.ok(largestStep(output) < 1.1 * largestStep(input));
});

test('after a hole in the sound it goes on at the right time', () => {
  const stretcher = new Stretcher(2, RATE);
  const packet = tone(0.5);
  const first = [...stretcher.put(packet, 10)];
  const second = [...stretcher.put(packet, 12.5), ...stretcher.end()];
  const before = [...first, ...second.filter((block) => block.atS < 12)];
  assert.equal(before.reduce((sum, block) => sum + block.samples.length, 0), RATE / 4);
  assert.equal(second.find((block) => block.atS > 12).atS, 12.5);
});

test('silence and nothing at all are no trouble', () => {
  const stretcher = new Stretcher(3, RATE);
  assert.deepEqual(stretcher.end(), []);
  const output = stretch(new Float32Array(RATE), 0.5);
  assert.ok(output.every((sample) => sample === 0));
  assert.equal(stretch(new Float32Array(10), 2).length, 5);
});
