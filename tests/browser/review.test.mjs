// The reviewer's page: gaps in words, seeking, the list, search, links to moments, what fits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageModule } from '../harness/lab.mjs';

const MS = 1_000_000n;
const S = 1000n * MS;

test('gaps: texts by parts and in milliseconds, short ones as one run, lost time as a union', async () => {
  const { gapText, gapRuns, lostTimes, lostText } = await pageModule('gaps.ts');
  const gap = (reason, fromNs, toNs, ...topics) => ({ reason, fromNs, toNs, topics, count: 0n, detail: '' });
  assert.equal(gapText(gap(3, S, S + 2n * MS, '/sound')), 'sound lost for 2 ms: the device’s queue overflowed');
  assert.equal(gapText(gap(1, S, 65n * S)), 'paused for 1:04 min');
  assert.equal(gapText(gap(4, S, 0n, '/screen', '/pointer')), 'screen, pointer lost to the end: the source was lost');
  assert.equal(gapText(gap(4, S, S + 500n, '/input/clicked')), 'names of clicked objects lost for less than 1 ms: the source was lost');
  assert.equal(gapText(gap(3, S, S + 40n * MS, '/input/controls', '/input/keys')), 'input lost for 40 ms: the device’s queue overflowed');
  assert.equal(gapText(gap(4, S, S + 1200n * MS, '/input/keys', '/input/keys/full')), 'keys lost for 1.2 s: the source was lost');
  assert.equal(gapText(gap(11, S, 0n, '/sound')), 'sound: not covered by the consent to the end');
  const holes = Array.from({ length: 231 }, (_, i) => gap(3, BigInt(i + 1) * S, BigInt(i + 1) * S + 2n * MS, '/sound'));
  const rows = gapRuns([...holes, gap(1, 5n * S, 9n * S), gap(4, 300n * S, 302n * S, '/screen')]);
  assert.deepEqual(
    rows.map(({ text }) => text),
    [
      '231 short holes in the sound, 462 ms together: the device’s queue overflowed',
      'paused for 4.0 s',
      'screen lost for 2.0 s: the source was lost',
    ],
  );
  assert.equal(rows[0].gaps.length, 231);
  /* two are no run, nor are those an hour apart */
  assert.equal(gapRuns(holes.slice(0, 2)).length, 2);
  assert.equal(gapRuns([0n, 3600n, 7200n].map((s) => gap(3, s * S, s * S + MS, '/sound'))).length, 3);
  const lost = lostTimes([...holes, ...holes, gap(1, 0n, 900n * S), gap(4, 290n * S, 0n, '/screen')], 300n * S);
  assert.equal(lostText(lost), 'screen 10.0 s, sound 462 ms in 462 holes');
  assert.equal(lostText([]), '');
});
