// Exports, read by ffmpeg: what happened together is seen and heard together.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { Recorder, sleep } from '../harness/lab.mjs';

const run = promisify(execFile);

after(() => Recorder.endLeftovers());

/* one line for every frame of a filter graph: its time and a value */
async function frames(graph, tag) {
  const { stdout } = await run(
    'ffprobe',
    ['-v', 'error', '-f', 'lavfi', '-i', graph, '-show_entries', `frame=pts_time:frame_tags=${tag}`, '-of', 'csv=p=0'],
    { maxBuffer: 1 << 28 },
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(Number))
    .filter(([, value]) => !Number.isNaN(value));
}

/* times in s at which a value rises over a limit */
function rises(values, limit) {
  return values.filter(([, value], i) => i > 0 && value > limit && values[i - 1][1] <= limit).map(([time]) => time);
}

/** By how much each click is after its flash, in ms. */
export async function exportedOffsets(mkv) {
  const path = mkv.replaceAll(':', '\\:');
  /* the test picture's middle is white at whole seconds, when the tone clicks */
  const flashes = rises(await frames(`movie=${path},crop=40:40,signalstats`, 'lavfi.signalstats.YMIN'), 180);
  /* levels of every millisecond; a click is 5 ms long */
  const clicks = rises(
    await frames(
      `amovie=${path},asetnsamples=48,astats=metadata=1:reset=1:measure_perchannel=none`,
      'lavfi.astats.Overall.Peak_level',
    ),
    -14,
  ).filter((time, i, all) => i === 0 || time - all[i - 1] > 0.5);
  return flashes.map((flash) => {
    const nearest = clicks.reduce((best, click) => (Math.abs(click - flash) < Math.abs(best - flash) ? click : best));
    return (nearest - flash) * 1000;
  });
}

test('a flash and a click of one moment are together in an exported film, also behind a pause', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone:200']);
  const session = await recorder.begin('paper:screen,sound');
  await sleep(3500);
  await recorder.uxrec('pause');
  await sleep(700);
  await recorder.uxrec('resume');
  await sleep(3500);
  await recorder.uxrec('stop');
  const mkv = join(recorder.folder, 'out.mkv');
  await recorder.uxrec('export', join(recorder.library, session), '--to', 'mkv', '-o', mkv);
  const offsets = await exportedOffsets(mkv);
  console.log(`# a click is after its flash by ${offsets.map((ms) => ms.toFixed(1)).join(' ')} ms`);
  assert.ok(offsets.length >= 5);
  for (const ms of offsets) assert.ok(Math.abs(ms) <= 40, `${ms} ms`);
  await recorder.end();
});
