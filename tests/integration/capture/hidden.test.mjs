// Hidden areas of a study, searched in the observer's stream with another program's decoders.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Desktop, hello, RawSocket, record, Recorder, sleep, until, watchLive } from '../../harness/pages/lab.mjs';

const WIDTH = 640;
const HEIGHT = 480;
const GREY = 0x6e;
const HIDDEN = { x: 91, y: 89, width: 221, height: 163 };
const CHANNEL_SCREEN = 8;
const CHANNEL_PATCHES = 26;
const terminals = [];
let desktop;
let recorder;

/* continuously changing text */
function write(place) {
  const script = 'while :; do od -An -N60 -tx1 /dev/urandom; sleep 0.05; done';
  terminals.push(
    spawn('xterm', ['-fn', 'fixed', '-bg', 'white', '-fg', 'black', '-geometry', `28x9${place}`, '-e', 'sh', '-c', script],
      { env: desktop.env, stdio: 'ignore' }),
  );
}

/** Fields of a message: [number, value]; values are numbers or bytes. */
function* fields(data) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      value += (data[at] & 127) * scale;
      if (data[at++] < 128) return value;
    }
  };
  while (at < data.length) {
    const tag = varint();
    if (tag % 8 === 0) {
      yield [tag >> 3, varint()];
    } else {
      assert.equal(tag % 8, 2);
      const size = varint();
      yield [tag >> 3, data.subarray(at, (at += size))];
    }
  }
}

const contentsOf = (socket, channel) =>
  socket.recorded().filter((message) => message.readUInt16LE(9) === channel).map((message) => message.subarray(31));

const decode = (format, input, pixels) =>
  execFileSync('ffmpeg', ['-v', 'error', '-f', format, '-i', '-', '-f', 'rawvideo', '-pix_fmt', pixels, '-'],
    { input, maxBuffer: 1 << 30 });

/* brightness of an area of a picture: largest deviation from the grey, and standard deviation */
function judge(picture, { x, y, width, height }, stride = WIDTH) {
  let worst = 0;
  let sum = 0;
  let squares = 0;
  for (let row = y; row < y + height; row++)
    for (let column = x; column < x + width; column++) {
      const value = picture[row * stride + column];
      worst = Math.max(worst, Math.abs(value - GREY));
      sum += value;
      squares += value * value;
    }
  const mean = sum / (width * height);
  return { worst, spread: Math.sqrt(Math.max(0, squares / (width * height) - mean * mean)) };
}

before(async () => {
  desktop = await Desktop.start(WIDTH, HEIGHT);
  recorder = await Recorder.start(['--input', 'none', '--sound', 'none'], desktop.env);
  write('+100+100');
  write('+400+100');
  await sleep(1500);
});

after(async () => {
  for (const terminal of terminals) terminal.kill();
  await recorder?.end();
  await desktop?.end();
});

test('hidden areas are in no picture and no patch of an observer’s stream', async () => {
  const { x, y, width, height } = HIDDEN;
  writeFileSync(recorder.study,
    `study: Hidden\nscreen: {hide: [{x: ${x}, y: ${y}, width: ${width}, height: ${height}}]}\n`);
  await recorder.begin();
  const observer = await RawSocket.open(recorder.port);
  observer.send(hello(recorder.token('live')));
  observer.send(watchLive());
  await until(() => contentsOf(observer, CHANNEL_SCREEN).length > 0, 'the live stream');
  await sleep(4000);
  await recorder.uxrec('stop');
  const video = contentsOf(observer, CHANNEL_SCREEN).map((message) => [...fields(message)].find(([number]) => number === 3)[1]);
  const pictures = decode('h264', Buffer.concat(video), 'gray');
  const count = pictures.length / (WIDTH * HEIGHT);
  assert.ok(count >= 5, `${count} pictures`);
  let worst = 0;
  let control = 0;
  for (let i = 0; i < count; i++) {
    const picture = pictures.subarray(i * WIDTH * HEIGHT, (i + 1) * WIDTH * HEIGHT);
    worst = Math.max(worst, judge(picture, HIDDEN).worst);
    control = judge(picture, { x: 410, y: 110, width: 100, height: 80 }).spread;
  }
  let patches = 0;
  for (const message of contentsOf(observer, CHANNEL_PATCHES))
    for (const [number, value] of fields(message)) {
      if (number !== 2) continue;
      const patch = Object.fromEntries(fields(value));
      const [left, top, png] = [patch[1] ?? 0, patch[2] ?? 0, patch[3]];
      const size = { width: png.readUInt32BE(16), height: png.readUInt32BE(20) };
      const inside = {
        x: Math.max(x - left, 0),
        y: Math.max(y - top, 0),
        width: Math.min(x + width, left + size.width) - Math.max(x, left),
        height: Math.min(y + height, top + size.height) - Math.max(y, top),
      };
      if (inside.width <= 0 || inside.height <= 0) continue;
      patches++;
      const rows = { ...inside, x: 3 * inside.x, width: 3 * inside.width };
      assert.equal(judge(decode('png_pipe', png, 'rgb24'), rows, 3 * size.width).worst, 0, 'a patch is exact');
    }
  console.log(`# ${count} pictures, up to ${worst} off the grey, the control spreads ${control.toFixed(0)}; ${patches} patches`);
  assert.ok(worst < 24, `${worst} off the grey`);
  assert.ok(control > 40, `the control spreads ${control}`);
  assert.ok(patches > 0);
  observer.end();
});

test('changes in hidden areas send nothing', async () => {
  terminals.pop().kill();
  await sleep(500);
  await recorder.begin();
  const observer = await RawSocket.open(recorder.port);
  observer.send(hello(recorder.token('live')));
  observer.send(watchLive());
  await until(() => contentsOf(observer, CHANNEL_SCREEN).length > 0, 'the live stream');
  const messages = () => contentsOf(observer, CHANNEL_SCREEN).length + contentsOf(observer, CHANNEL_PATCHES).length;
  /* the area behind the closed window arrives first */
  let before;
  await until(async () => {
    before = messages();
    await sleep(3000);
    return messages() === before;
  }, 'a screen at rest', 60000);
  await sleep(3000);
  assert.equal(messages(), before);
  await recorder.uxrec('stop');
  observer.end();
});

test('the moderator is shown no picture of the screen while a study hides something', async () => {
  const moderator = await RawSocket.open(recorder.port);
  const ask = async () => {
    const before = moderator.messages.length;
    moderator.send(record(0x80, Buffer.concat([Buffer.from([0x08, 0x01]), Buffer.from([0x9a, 0x01, 0x00])])));
    const isReport = (message) => message.includes('H.264');
    await until(() => moderator.messages.slice(before).some(isReport), 'what the doctor finds');
    return moderator.messages.slice(before).find(isReport);
  };
  const JPEG = Buffer.from([0xff, 0xd8, 0xff]);
  moderator.send(hello(recorder.token('moderate')));
  assert.ok(!(await ask()).includes(JPEG));
  writeFileSync(recorder.study, 'study: Hidden\n');
  assert.ok((await ask()).includes(JPEG));
  moderator.end();
});
