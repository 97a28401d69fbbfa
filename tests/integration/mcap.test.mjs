// npm's @mcap/core, the reference reader of MCAP, judges what the recorder writes: same channels,
// counts, times and bytes as our reader gives.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { crc32 } from '@foxglove/crc';
import { McapIndexedReader, McapStreamReader } from '@mcap/core';
import { loadDecompressHandlers } from '@mcap/support';
import { build, Desktop, Recorder, sleep } from '../harness/lab.mjs';

let desktop;
let recorder;
let whole;
let unfinished;
const folders = [];

before(async () => {
  desktop = await Desktop.start(800, 600);
  recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  for (const finish of [true, false]) {
    const session = await recorder.begin();
    await recorder.uxrec('task', 'start', 'find');
    for (let i = 0; i < 30; i++) {
      desktop.paint((i * 0x080402).toString(16).padStart(6, '0'));
      desktop.do(`move ${i * 20} ${i * 10} 20`, 'click', 'type ab');
      await sleep(60);
    }
    await sleep(1500);
    await recorder.uxrec('tag', 's');
    const path = join(recorder.library, session, 'recording-0001.mcap');
    if (finish) {
      await recorder.uxrec('stop');
      whole = path;
    } else {
      unfinished = path;
    }
  }
});

after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
  await recorder?.end();
  await desktop?.end();
});

const line = (channel, schema, message) =>
  [
    channel.topic, schema.name, message.sequence, message.logTime, message.publishTime,
    message.data.length, crc32(message.data).toString(16).padStart(8, '0'),
  ].join(' ');

const ours = (path) =>
  execFileSync(join(build, 'tests/tools/message_list'), [path], { maxBuffer: 1 << 28 }).toString().trim().split('\n');

test('a finished file has the same messages in @mcap/core’s indexed reader', async () => {
  const file = await open(whole);
  const reader = await McapIndexedReader.Initialize({
    decompressHandlers: await loadDecompressHandlers(),
    readable: {
      size: async () => BigInt((await file.stat()).size),
      read: async (offset, size) => {
        const buffer = new Uint8Array(Number(size));
        await file.read(buffer, 0, Number(size), Number(offset));
        return buffer;
      },
    },
  });
  const theirs = [];
  for await (const message of reader.readMessages({ validateCrcs: true })) {
    const channel = reader.channelsById.get(message.channelId);
    theirs.push(line(channel, reader.schemasById.get(channel.schemaId), message));
  }
  assert.ok(theirs.length > 100);
  const mine = ours(whole);
  /* the order of equal times is a reader's own */
  assert.deepEqual([...mine].sort(), [...theirs].sort());
  assert.equal(Number(reader.statistics.messageCount), mine.length);
  assert.equal(reader.statistics.chunkCount, reader.chunkIndexes.length);
  assert.equal(reader.header.profile, 'uxrec.v1');
  const info = JSON.parse(await recorder.uxrec('info', whole, '--json'));
  for (const channel of reader.channelsById.values()) {
    const told = info.channels.find((candidate) => candidate.topic === channel.topic);
    assert.equal(told.messages, Number(reader.statistics.channelMessageCounts.get(channel.id) ?? 0n), channel.topic);
    assert.equal(channel.messageEncoding, 'protobuf');
    assert.ok(channel.metadata.get('modality'));
  }
  /* one modality a chunk */
  for (const chunk of reader.chunkIndexes) {
    const modalities = new Set(
      [...chunk.messageIndexOffsets.keys()].map((id) => reader.channelsById.get(id).metadata.get('modality')),
    );
    assert.equal(modalities.size, 1);
  }
  await file.close();
});

/** A running recording and its log as a power cut would leave them now. */
async function frozen(path) {
  const folder = await mkdtemp(join(tmpdir(), 'uxrec-frozen-'));
  folders.push(folder);
  const copy = join(folder, 'recording-0001.mcap');
  /* the log first: what it held and holds no more is in the file by then */
  for (const suffix of ['.wal-a', '.wal-b', '']) await copyFile(path + suffix, copy + suffix);
  return copy;
}

async function stream(path) {
  const reader = new McapStreamReader({ validateCrcs: true, decompressHandlers: await loadDecompressHandlers() });
  reader.append(await readFile(path));
  const channels = new Map();
  const schemas = new Map();
  const lines = [];
  for (let record = reader.nextRecord(); record; record = reader.nextRecord()) {
    if (record.type === 'Schema') schemas.set(record.id, record);
    else if (record.type === 'Channel') channels.set(record.id, record);
    else if (record.type === 'Message') {
      const channel = channels.get(record.channelId);
      lines.push(line(channel, schemas.get(channel.schemaId), record));
    }
  }
  return { lines, done: reader.done() };
}

test('a finished file has the same messages in the stream reader, to its closing mark', async () => {
  const { lines, done } = await stream(whole);
  assert.ok(done);
  assert.deepEqual(lines.sort(), ours(whole).sort());
});

test('an unfinished file has the same messages in the stream reader, but for its log', async () => {
  const copy = await frozen(unfinished);
  const { lines, done } = await stream(copy);
  assert.ok(!done);
  assert.ok(lines.length > 100);
  const mine = new Set(ours(copy));
  assert.ok(mine.size > lines.length, 'what is in the log is read too');
  for (const text of lines) assert.ok(mine.has(text), text);
});

test('recover makes one whole file of an unfinished one and its log', async () => {
  const copy = await frozen(unfinished);
  const out = `${copy}.whole`;
  await recorder.uxrec('recover', copy, '-o', out);
  const { lines, done } = await stream(out);
  assert.ok(done);
  assert.deepEqual(lines.sort(), ours(copy).sort());
  await recorder.uxrec('verify', out);
});

test('cut makes a whole file that begins at a keyframe', async () => {
  const out = `${whole}.part`;
  await recorder.uxrec('cut', whole, '--from', '1', '--to', '0:02', '-o', out);
  await recorder.uxrec('verify', out);
  const { lines, done } = await stream(out);
  assert.ok(done);
  const all = new Set(ours(whole));
  for (const text of lines) assert.ok(all.has(text), text);
  assert.ok(lines.length > 10 && lines.length < all.size);
});

test('dump prints every message as protobuf JSON', async () => {
  const messages = (await recorder.uxrec('dump', whole, '--json')).split('\n').map((text) => JSON.parse(text));
  assert.equal(messages.length, ours(whole).length);
  const video = messages.find((message) => message.topic === '/screen');
  assert.match(video.message.timestamp, /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.equal(video.message.format, 'h264');
  assert.deepEqual([...Buffer.from(video.message.data, 'base64').subarray(0, 4)], [0, 0, 0, 1]);
  assert.equal(messages.filter((message) => message.topic === '/session').at(-1).message.kind, 'KIND_ENDED');
});

test('the annotation log is an MCAP file too', async () => {
  const { lines } = await stream(whole.replace('recording-0001', 'annotations'));
  /* session_info, consent, the attempt's begin and end, the tag, the reason of the end */
  assert.equal(lines.length, 6);
  assert.ok(lines.every((text) => text.startsWith('/acts uxrec.Act ')));
});
