// Exports, decoded by ffmpeg: sound and pictures are in sync.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { Recorder, build, sleep, until } from '../../harness/pages/lab.mjs';

const run = promisify(execFile);

after(() => Recorder.endLeftovers());

/* time and value of each frame of a filter graph */
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

/* rising edges over a limit: times in s of the last frame below it and of the first one above */
function rises(values, limit) {
  return values.flatMap(([time, value], i) =>
    i > 0 && value > limit && values[i - 1][1] <= limit ? [[values[i - 1][0], time]] : [],
  );
}

/**
 * Offset of each click from its flash, in ms. A flash began between two pictures, which are further apart on a busy
 * machine: the offset of a click between them is 0.
 */
async function exportedOffsets(mkv) {
  const path = mkv.replaceAll(':', '\\:');
  /* the centre of the test picture is white at whole seconds, when the tone clicks */
  const flashes = rises(await frames(`movie=${path},crop=40:40,signalstats`, 'lavfi.signalstats.YMIN'), 180);
  /* peak levels of 1 ms blocks; a click lasts 5 ms */
  const clicks = rises(
    await frames(
      `amovie=${path},asetnsamples=48,astats=metadata=1:reset=1:measure_perchannel=none`,
      'lavfi.astats.Overall.Peak_level',
    ),
    -14,
  ).map(([, time]) => time).filter((time, i, all) => i === 0 || time - all[i - 1] > 0.5);
  return flashes.map(([before, flash]) => {
    const nearest = clicks.reduce((best, click) => (Math.abs(click - flash) < Math.abs(best - flash) ? click : best));
    return 1000 * (nearest > flash ? nearest - flash : Math.min(nearest - before, 0));
  });
}

/* PSNR of two pictures, in dB */
async function psnrOf(...pictures) {
  const { stderr } = await run('ffmpeg', [...pictures.flatMap((path) => ['-i', path]), '-lavfi', 'psnr', '-f', 'null', '-']);
  return Number(/average:([0-9.inf]+)/.exec(stderr)?.[1].replace('inf', '99'));
}

test('a flash and a click of one moment are together in an exported film, also behind a pause', async () => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone:200']);
  const session = await recorder.begin('paper:screen,sound');
  await sleep(3000);
  await recorder.uxrec('pause');
  await sleep(700);
  await recorder.uxrec('resume');
  await sleep(3000);
  await recorder.uxrec('stop');
  const mkv = join(recorder.folder, 'out.mkv');
  await recorder.uxrec('export', join(recorder.library, session), '--to', 'mkv', '-o', mkv);
  const offsets = await exportedOffsets(mkv);
  console.log(`# a click is outside of its flash by ${offsets.map((ms) => ms.toFixed(1)).join(' ')} ms`);
  assert.ok(offsets.length >= 4);
  for (const ms of offsets) assert.ok(Math.abs(ms) <= 20, `${ms} ms`);
  await recorder.end();
});

/* ffprobe's description of a file */
async function probe(path, ...more) {
  const { stdout } = await run(
    'ffprobe',
    ['-v', 'error', '-of', 'json', '-show_format', '-show_streams', '-show_chapters', ...more, path],
    { maxBuffer: 1 << 28 },
  );
  return JSON.parse(stdout);
}

/* the file decodes without a warning */
async function plays(path) {
  const { stderr } = await run('ffmpeg', ['-v', 'warning', '-i', path, '-fps_mode', 'passthrough', '-enc_time_base:v', '1/16000', '-f', 'null', '-']);
  assert.equal(stderr, '', path);
}

const codecs = (found) => found.streams.map((stream) => stream.codec_name);

test('a session becomes films, with its tasks as chapters and captions', async (t) => {
  const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--sound', 'tone:200']);
  /* seconds spent in commands and waits: at least the length of their recording, more on a busy machine */
  const took = async (...steps) => {
    const begun = performance.now();
    for (const step of steps) await (typeof step === 'number' ? sleep(step) : recorder.uxrec(...step));
    return (performance.now() - begun) / 1000;
  };
  const begun = performance.now();
  const id = await recorder.begin('paper:screen,sound');
  await sleep(1000);
  const longestTask = await took(['task', 'start', 'pay'], 2200, ['task', 'end', 'completed']);
  await took(800, ['stop']);
  const longest = (performance.now() - begun) / 1000;
  let taskBegin; // in s
  const session = join(recorder.library, id);
  const out = (name) => join(recorder.folder, name);
  const exported = (name, ...more) => recorder.uxrec('export', session, '-o', out(name), ...more);
  const refused = (name, ...more) => assert.rejects(exported(name, ...more));
  /* files of that name, whole or partial */
  const left = (name) => readdirSync(recorder.folder).filter((found) => found.startsWith(name));

  await t.test('mkv, mp4 and webm have both, at their times', async () => {
    for (const [to, codec] of [['mkv', 'h264'], ['mp4', 'h264'], ['webm', 'vp9']]) {
      const name = `film.${to}`;
      await exported(name, '--to', to);
      await plays(out(name));
      const found = await probe(out(name));
      assert.deepEqual(codecs(found).slice(0, 2), [codec, 'opus'], to);
      const lasts = Number(found.format.duration);
      assert.ok(lasts > 3.9 && lasts < longest + 0.1, `${to}: ${lasts} s of ${longest}`);
      const offsets = await exportedOffsets(out(name));
      assert.ok(offsets.length >= 2, to);
      /* VP9 is re-encoded at the available rate: a flash may take two more pictures to become white */
      for (const ms of offsets) assert.ok(Math.abs(ms) <= (to === 'webm' ? 80 : 20), `${to}: ${ms} ms`);
      const task = found.chapters.filter((chapter) => chapter.tags.title === 'Pay it');
      assert.equal(task.length, 1);
      taskBegin = Number(task[0].start_time);
      const length = Number(task[0].end_time) - taskBegin;
      assert.ok(taskBegin > 0.9, `${to}: a chapter from ${taskBegin} s on`);
      assert.ok(length > 2.1 && length < longestTask + 0.1, `${to}: a chapter of ${length} s of ${longestTask}`);
    }
  });

  await t.test('an mp4 begins with its index', async () => {
    const begin = readFileSync(out('film.mp4'));
    assert.ok(begin.indexOf('moov') < begin.indexOf('mdat'));
  });

  await t.test('a film can be entered at every keyframe', async () => {
    const { packets } = await probe(out('film.mkv'), '-select_streams', 'v', '-show_packets');
    const { frames: decoded } = await probe(out('film.mkv'), '-select_streams', 'v', '-show_frames');
    assert.deepEqual(
      packets.map((packet) => packet.flags.includes('K')),
      decoded.map((frame) => frame.key_frame === 1),
    );
  });

  await t.test('h264 is the video as it was coded', async () => {
    await exported('film.h264', '--to', 'h264');
    await plays(out('film.h264'));
    const packets = async (name) =>
      Number((await probe(out(name), '-select_streams', 'v', '-count_packets')).streams[0].nb_read_packets);
    /* Matroska repeats the last picture at the end of the film if it lasted */
    const again = (await packets('film.mkv')) - (await packets('film.h264'));
    assert.ok(again === 0 || again === 1, `${again} pictures more`);
  });

  await t.test('pictures are coded anew from the moment on that was asked for', async () => {
    const from = taskBegin + 0.3;
    await exported('part.mp4', '--to', 'mp4', '--draw', 'pointer,clicks,keys', '--from', from.toFixed(3), '--until', (from + 1).toFixed(3));
    await plays(out('part.mp4'));
    const found = await probe(out('part.mp4'), '-select_streams', 'v', '-show_frames');
    assert.equal(Number(found.frames[0].pts_time), 0);
    assert.ok(Math.abs(Number(found.streams[0].duration) - 1) < 0.05, found.streams[0].duration);
    assert.equal(found.chapters[0].start_time, '0.000000');
    const { packets } = await probe(out('part.mp4'), '-select_streams', 'v', '-show_packets');
    assert.ok(Number(packets.at(-1).duration_time) > 0, 'the last picture is shown');
  });

  await t.test('a name with a colon is a name', async () => {
    const name = 'file:P03 1:30.mp4';
    await run(join(build, 'uxrec'), ['export', session, '--to', 'mp4', '-o', name], { cwd: recorder.folder });
    await plays(out(name));
    assert.ok(!readdirSync(recorder.folder).some((entry) => entry.includes('part-')));
  });

  await t.test('captions are beside the film, from its begin', async () => {
    const said = out('said.vtt');
    const from = taskBegin + 0.3; // the task goes on for at least 2.2 s
    const time = (seconds) => `00:${seconds.toFixed(3).padStart(6, '0')}`;
    const cue = (begin, end, text) => `${time(begin)} --> ${time(end)}\n${text}\n`;
    const cues = [cue(from - 0.5, from + 0.5, '<v Ana>Where is it?'), cue(from + 2, from + 2.4, 'There.')];
    writeFileSync(said, `WEBVTT\n\n${cues.join('\n')}`);
    await recorder.uxrec('transcript', session, '--attach', said);
    const part = ['--to', 'webm', '--from', from.toFixed(3), '--until', (from + 1.5).toFixed(3), '--vtt', 'transcript,tasks'];
    await assert.rejects(exported('said.webm', ...part), ({ stderr }) => /said\.vtt: the file already exists/.test(stderr));
    await exported('cut.webm', ...part);
    const text = readFileSync(out('cut.vtt'), 'utf8');
    assert.match(text, /^WEBVTT\n/);
    assert.match(text, /00:00:00\.000 --> 00:00:00\.500\n<v Ana>Where is it\?\n/);
    assert.match(text, /00:00:00\.000 --> 00:00:01\.[0-9]{3}\nPay it: completed\n/);
    assert.doesNotMatch(text, /There/);
  });

  await t.test('png equals the screen', async () => {
    await exported('one.png', '--to', 'png', '--at', '2');
    const [one] = (await probe(out('one.png'))).streams;
    assert.deepEqual([one.codec_name, one.width, one.height, one.pix_fmt], ['png', 640, 360, 'rgb24']);
    await exported('two', '--to', 'png', '--at', '1,0:02.5');
    assert.deepEqual(readdirSync(out('two')), ['00-00-01.000.png', '00-00-02.500.png']);
    await exported('many', '--to', 'png', '--every', '0.5', '--from', '1', '--until', '3');
    assert.deepEqual(
      readdirSync(out('many')),
      ['1.000', '1.500', '2.000', '2.500'].map((time) => `00-00-0${time}.png`),
    );
    /* the same picture as in the film with patches drawn, but for coding loss */
    await exported('sharp.mkv', '--to', 'mkv', '--draw', 'patches');
    const { packets } = await probe(out('sharp.mkv'), '-select_streams', 'v', '-show_packets');
    const times = packets.map((packet) => Number(packet.pts_time));
    /* midway between two pictures more than 20 ms apart */
    const number = times.findIndex((time, i) => time > 1 && times[i + 1] - time > 0.02);
    assert.ok(number > 0, `pictures at ${times}`);
    await exported('still.png', '--to', 'png', '--at', ((times[number] + times[number + 1]) / 2).toFixed(3));
    const select = ['-vf', `select=eq(n\\,${number})`, '-frames:v', '1'];
    await run('ffmpeg', ['-v', 'error', '-i', out('sharp.mkv'), '-fps_mode', 'passthrough', ...select, out('film.png')]);
    const psnr = await psnrOf(out('film.png'), out('still.png'));
    assert.ok(psnr > 35, `${psnr} dB`);
  });

  await t.test('invalid options are refused, and nothing is left or lost', async () => {
    const before = readFileSync(out('film.mkv'));
    await refused('film.mkv', '--to', 'mkv');
    assert.deepEqual(readFileSync(out('film.mkv')), before);
    await refused('many', '--to', 'png', '--every', '1');
    await refused('new', '--to', 'png');
    await refused('new', '--to', 'png', '--at', '1', '--every', '1');
    await refused('new', '--to', 'png', '--every', '0');
    await refused('new', '--to', 'png', '--every', 'nan');
    await refused('new', '--to', 'png', '--at', '1,,2');
    await refused('new', '--to', 'png', '--every', '1', '--from', '100');
    await refused('new', '--to', 'mkv', '--at', '1');
    await refused('new', '--to', 'wav', '--draw', 'pointer');
    await refused('new', '--to', 'h264', '--vtt', 'tasks');
    await refused('new', '--to', 'mp4', '--draw', 'pointer,');
    await refused('new', '--to', 'mp4', '--vtt', 'words');
    await refused('new', '--to', 'avi');
    assert.ok(!existsSync(out('new')) && !existsSync(out('new.vtt')));
    await assert.rejects(
      recorder.uxrec('export', session, '--to', 'mp4', '-o', '/dev/full/film.mp4'),
      ({ stderr }) => /film\.mp4/.test(stderr),
    );
  });

  await t.test('a span behind the end, before the begin or without length is refused everywhere', async () => {
    const info = async () => JSON.parse(await recorder.uxrec('info', session, '--json'));
    const { duration_s: length } = await info();
    const bad = [['100', '110'], ['1', '110'], ['-1', '2'], ['3', '2'], ['2', '2'], ['nan', '2'], ['1', 'inf'], ['1', '1e300'], ['1e9:1e9:1e9', '2'], [String(length), String(length + 0.5)]];
    const commands = [
      (from, to) => ['erase', session, '--from', from, '--to', to, '--who', 'Ana'],
      (from, to) => ['bleep', session, '--from', from, '--to', to],
      (from, to) => ['cut', session, '--from', from, '--to', to, '-o', out('span')],
      (from, to) => ['dump', session, '--from', from, '--to', to],
      (from, to) => ['export', session, '--to', 'mkv', '--from', from, '--until', to, '-o', out('span')],
      (from, to) => ['export', session, '--to', 'wav', '--from', from, '--until', to, '-o', out('span')],
      (from, to) => ['export', session, '--to', 'png', '--every', '1', '--from', from, '--until', to, '-o', out('span')],
    ];
    /* every span with one command, two spans with all */
    for (const [i, command] of commands.entries())
      for (const [from, to] of i === 0 ? bad : bad.slice(0, 2))
        await assert.rejects(
          recorder.uxrec(...command(from, to)),
          ({ code, stderr }) => code === 2 && (from === '100' || to === '110' ? stderr.includes(`the session is ${length.toFixed(3)} s long`) : stderr !== ''),
          command(from, to).join(' '),
        );
    for (const at of ['100', '-1', 'nan', '1,100', String(Math.ceil(length) + 1)])
      await assert.rejects(exported('span', '--to', 'png', '--at', at), ({ code }) => code === 2, at);
    await assert.rejects(recorder.uxrec('cut', session, '-o', out('span')), ({ code, stderr }) => code === 2 && /--from, --to or both/.test(stderr));
    assert.deepEqual(left('span'), []);
    assert.equal((await info()).duration_s, length);
    assert.equal(await recorder.uxrec('bleep', session), '');
    /* lengths are shown in whole seconds, so the next whole second counts as the end */
    await exported('rounded.png', '--to', 'png', '--at', String(Math.ceil(length)));
    await recorder.uxrec('cut', session, '--from', '1', '--to', String(Math.ceil(length)), '-o', out('rounded.mcap'));
  });

  const uxrec = (...args) => spawn(join(build, 'uxrec'), ['export', session, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = async (child) => {
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    const [status, signal] = await once(child, 'close');
    return { status, signal, stderr };
  };

  await t.test('an export that is interrupted leaves nothing, and ends by the signal', async () => {
    const slow = ['--to', 'webm', '--draw', 'pointer'], many = ['--to', 'png', '--every', '0.002'];
    for (const [name, signal, how] of [['ended.webm', 'SIGINT', slow], ['ended.webm', 'SIGTERM', slow], ['ended', 'SIGINT', many]]) {
      const child = uxrec(...how, '-o', out(name));
      const end = ended(child);
      await until(() => left(name).length > 0, 'something is written');
      assert.match(left(name)[0], /^ended(\.webm)?\.part-[0-9a-f]{8}$/);
      child.kill(signal);
      const { signal: by, stderr } = await end;
      assert.equal(by, signal);
      assert.match(stderr, new RegExp(`${name}: interrupted; the file was removed`));
      assert.deepEqual(left(name), []);
    }
    /* after SIGKILL the file's name marks it as partial */
    const child = uxrec(...slow, '-o', out('killed.webm'));
    const end = ended(child);
    await until(() => left('killed').length > 0, 'something is written');
    child.kill('SIGKILL');
    await end;
    assert.match(left('killed').join(' '), /^killed\.webm\.part-[0-9a-f]{8}$/);
  });

  await t.test('an export without room leaves nothing, and reports it', async () => {
    for (const [name, ...how] of [['room.mp4', '--to', 'mp4'], ['room.wav', '--to', 'wav'], ['room', '--to', 'png', '--every', '0.5']]) {
      const command = `ulimit -f 4; exec "$@"`; /* KiB per file */
      const child = spawn('bash', ['-c', command, '-', join(build, 'uxrec'), 'export', session, ...how, '-o', out(name)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const { status, stderr } = await ended(child);
      assert.equal(status, 3, stderr);
      assert.match(stderr, new RegExp(`${name}: the file exceeds the size limit`));
      assert.deepEqual(left(name), []);
    }
  });

  await t.test('a file that takes the name meanwhile is not lost', async () => {
    const child = uxrec('--to', 'webm', '--draw', 'pointer', '-o', out('taken.webm'));
    const end = ended(child);
    await until(() => left('taken').length > 0, 'something is written');
    writeFileSync(out('taken.webm'), 'mine');
    const { status, stderr } = await end;
    assert.equal(status, 3);
    assert.match(stderr, /taken\.webm: the file already exists/);
    assert.equal(readFileSync(out('taken.webm'), 'utf8'), 'mine');
    assert.deepEqual(left('taken'), ['taken.webm']);
  });
  await recorder.end();
});

test('a session is AV1, or has the colour of every pixel, by option', async () => {
  const record = async ([encoder, chroma, codec, format, ...films]) => {
    const recorder = await Recorder.start(['--screen', 'test', '--input', 'none', '--encoder', encoder, '--chroma', chroma]);
    const id = await recorder.begin('paper:screen');
    await sleep(1200);
    await recorder.uxrec('stop');
    const session = join(recorder.library, id);
    const out = (name) => join(recorder.folder, name);
    const exported = (name, to, ...more) => recorder.uxrec('export', session, '--to', to, '-o', out(name), ...more);
    assert.match(await recorder.uxrec('verify', session), / 0 problems/);
    for (const to of films) {
      await exported(`film.${to}`, to);
      await plays(out(`film.${to}`));
      const [video] = (await probe(out(`film.${to}`), '-select_streams', 'v')).streams;
      const { codec_name: name, pix_fmt: pixels, width, height, color_space: colors } = video;
      assert.deepEqual([name, pixels, width, height, colors], [codec, format, 640, 360, 'smpte170m'], `${encoder}: ${to}`);
    }
    const { packets } = await probe(out('film.mkv'), '-select_streams', 'v', '-show_packets');
    const { frames: decoded } = await probe(out('film.mkv'), '-select_streams', 'v', '-show_frames');
    assert.deepEqual(
      packets.map((packet) => packet.flags.includes('K')),
      decoded.map((frame) => frame.key_frame === 1),
    );
    /* the replay's decoder agrees with ffmpeg's; times of films are rounded */
    await exported('last.png', 'png', '--at', (Number(packets.at(-1).pts_time) + 0.001).toFixed(3));
    await run('ffmpeg', ['-v', 'error', '-i', out('film.mkv'), '-fps_mode', 'passthrough', '-update', '1', out('film.png')]);
    const psnr = await psnrOf(out('film.png'), out('last.png'));
    assert.ok(psnr > 30, `${psnr} dB`);
    if (codec === 'av1')
      await assert.rejects(exported('film.h264', 'h264'), ({ stderr: said }) => /AV1.*--draw/.test(said));
    await recorder.end();
  };
  /* mostly waiting, so in parallel */
  await Promise.all([
    record(['libaom-av1', '420', 'av1', 'yuv420p', 'mkv', 'mp4', 'webm']),
    record(['libaom-av1', '444', 'av1', 'yuv444p', 'mkv']),
    record(['libx264', '444', 'h264', 'yuv444p', 'mkv', 'mp4']),
  ]);
});
