// The recorder's files in npm's @mcap/core, the reference reader of MCAP: same channels, counts, times and bytes as in
// our reader.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { crc32 } from '@foxglove/crc';
import { McapIndexedReader, McapStreamReader, McapWriter } from '@mcap/core';
import { loadDecompressHandlers } from '@mcap/support';
import { bestOf, build, Desktop, record, Recorder, sleep } from '../../harness/pages/lab.mjs';

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
      await recorder.uxrec('stop', '--outcome', 'completed');
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
  /* the order of equal times is up to the reader */
  assert.deepEqual([...mine].sort(), [...theirs].sort());
  assert.equal(Number(reader.statistics.messageCount), mine.length);
  assert.equal(reader.statistics.chunkCount, reader.chunkIndexes.length);
  assert.equal(reader.header.profile, 'uxrec.v2');
  const info = JSON.parse(await recorder.uxrec('info', whole, '--json'));
  for (const channel of reader.channelsById.values()) {
    const told = info.channels.find((candidate) => candidate.topic === channel.topic);
    assert.equal(told.messages, Number(reader.statistics.channelMessageCounts.get(channel.id) ?? 0n), channel.topic);
    assert.equal(channel.messageEncoding, 'protobuf');
    assert.ok(channel.metadata.get('modality'));
  }
  /* one modality per chunk */
  for (const chunk of reader.chunkIndexes) {
    const modalities = new Set(
      [...chunk.messageIndexOffsets.keys()].map((id) => reader.channelsById.get(id).metadata.get('modality')),
    );
    assert.equal(modalities.size, 1);
  }
  await file.close();
});

/** Copy a running recording and its log as a power cut would leave them now. */
async function frozen(path) {
  const folder = await mkdtemp(join(tmpdir(), 'uxrec-frozen-'));
  folders.push(folder);
  const copy = join(folder, 'recording-0001.mcap');
  /* the log first: packets that have left it are in the file by then */
  for (const suffix of ['.wal-a', '.wal-b', '']) await copyFile(path + suffix, copy + suffix);
  return copy;
}

/** Messages by @mcap/core's stream reader, with their channels and schemas. */
async function messages(path) {
  const reader = new McapStreamReader({ validateCrcs: true, decompressHandlers: await loadDecompressHandlers() });
  reader.append(await readFile(path));
  const channels = new Map();
  const schemas = new Map();
  const all = [];
  for (let record = reader.nextRecord(); record; record = reader.nextRecord()) {
    if (record.type === 'Schema') schemas.set(record.id, record);
    else if (record.type === 'Channel') channels.set(record.id, record);
    else if (record.type === 'Message') {
      const channel = channels.get(record.channelId);
      all.push({ channel, schema: schemas.get(channel.schemaId), record });
    }
  }
  return { all, schemas, done: reader.done() };
}

async function stream(path) {
  const { all, done } = await messages(path);
  return { lines: all.map(({ channel, schema, record }) => line(channel, schema, record)), done };
}

test('a finished file has the same messages in the stream reader, to its closing mark', async () => {
  const { lines, done } = await stream(whole);
  assert.ok(done);
  assert.deepEqual(lines.sort(), ours(whole).sort());
});

test('an unfinished file has the same messages in the stream reader, but for its log', async () => {
  /* the log is empty at the moment when a chunk has been written */
  const { lines, done, mine } = await bestOf(
    20,
    async () => {
      await recorder.uxrec('tag', 's');
      const copy = await frozen(unfinished);
      return { ...(await stream(copy)), mine: new Set(ours(copy)) };
    },
    (found) => found.mine.size > found.lines.length,
  );
  assert.ok(!done);
  assert.ok(lines.length > 20);
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
  for (const compression of ['none', 'lz4', 'zstd']) {
    const packed = `${copy}.${compression}`;
    await recorder.uxrec('recover', whole, '--compression', compression, '-o', packed);
    assert.deepEqual((await stream(packed)).lines.sort(), ours(whole).sort(), compression);
    if (compression !== 'none') {
      const name = Buffer.from(`${String.fromCharCode(compression.length)}\0\0\0${compression}`);
      assert.ok((await readFile(packed)).includes(name), compression);
    }
    assert.match(await recorder.uxrec('verify', packed), /: whole/);
  }
});

test('cut makes a whole file that begins at a keyframe', async () => {
  const out = `${whole}.part`;
  await recorder.uxrec('cut', whole, '--from', '1', '--to', '0:02', '-o', out);
  await recorder.uxrec('verify', out);
  const { lines, done } = await stream(out);
  assert.ok(done);
  const all = new Set(ours(whole));
  /* the consent precedes the cut part, and is added in a packet of its own */
  const act = (text) => text.replace(/^(\/acts \S+) .* (\d+ \S+)$/, '$1 $2');
  const added = lines.filter((text) => !all.has(text));
  const acts = added.filter((text) => text.startsWith('/acts '));
  assert.equal(acts.length, 1);
  assert.ok([...all].map(act).includes(act(acts[0])), acts[0]);
  /* a batch that spans the end is a new packet, too, with a sequence that no packet of the recording has */
  for (const text of added) {
    assert.match(text, /^\/(acts|pointer|input\/\w+) /);
    assert.ok(Number(text.split(' ')[2]) >= 2 ** 31, text);
  }
  assert.ok(lines.length > 10 && lines.length < all.size);
});

test('erase leaves a gap and nothing of the span', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'uxrec-erase-'));
  folders.push(folder);
  for (const name of ['recording-0001.mcap', 'annotations.mcap'])
    await copyFile(whole.replace('recording-0001.mcap', name), join(folder, name));
  const dump = async () =>
    (await recorder.uxrec('dump', folder, '--json')).split('\n').map((text) => JSON.parse(text));
  const before = await dump();
  const begin = before[0].logTime;
  /* the middle third of the pictures by count, to the millisecond as a person types it */
  const screen = before.filter((message) => message.topic === '/screen');
  assert.ok(screen.length >= 6);
  const [from, to] = [1 / 3, 2 / 3].map((part) => {
    const { logTime } = screen[Math.floor(screen.length * part)];
    return Math.floor((logTime - begin) / 1e6) * 1e6;
  });
  /* times of day in ns exceed a double's exact integers: one microsecond of slack at the end */
  const inside = (message) => message.logTime >= begin + from && message.logTime < begin + to - 1000;
  const pictures = screen.filter(inside);
  assert.ok(pictures.length > 0);
  const span = ['--from', (from / 1e9).toFixed(3), '--to', (to / 1e9).toFixed(3)];
  await recorder.uxrec('erase', folder, ...span, '--who', 'Ana', '--why', 'the participant asked');
  const after = await dump();
  await recorder.uxrec('verify', folder);
  assert.ok(!after.some((message) => /^\/(screen|pointer|input)/.test(message.topic) && inside(message)));
  assert.ok(after.length < before.length);
  const erased = after.filter(({ topic, message }) => topic === '/gaps' && message.reason === 'REASON_ERASED');
  assert.equal(erased.length, 1);
  const gap = erased[0].message;
  assert.equal(gap.detail, 'erased by Ana: the participant asked');
  assert.ok(Number(gap.fromNs) <= begin + from && Number(gap.toNs) >= begin + to);
  /* every remaining picture was there before; no file has any of the erased ones */
  const names = await readdir(folder);
  assert.deepEqual(names.sort(), ['annotations.mcap', 'recording-0001.mcap']);
  const bytes = Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))));
  for (const picture of pictures) {
    const data = Buffer.from(picture.message.data, 'base64');
    assert.equal(bytes.indexOf(data), -1);
  }
  const kept = new Set(before.map((message) => JSON.stringify(message)));
  /* values that changed in the span and still hold are repeated at its end */
  const said = ({ topic, message }) => topic + JSON.stringify(message);
  const latched = new Set(before.filter(inside).map(said));
  const isRepeated = (message) => Math.abs(message.logTime - begin - to) < 1e6 && latched.has(said(message));
  for (const message of after)
    assert.ok(kept.has(JSON.stringify(message)) || message.message?.reason === 'REASON_ERASED' || isRepeated(message), JSON.stringify(message));
  await assert.rejects(recorder.uxrec('erase', unfinished.replace(/\/[^/]*$/, ''), '--from', '1', '--to', '2', '--who', 'Ana'), /being recorded/);
});

test('copies of annotations merge as their union, in any order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'uxrec-merge-'));
  folders.push(folder);
  /* a copy of the session, with a bleep when `from` is given */
  const copyOf = async (name, from) => {
    const copy = join(folder, name);
    await mkdir(copy);
    for (const file of ['recording-0001.mcap', 'annotations.mcap'])
      await copyFile(whole.replace('recording-0001.mcap', file), join(copy, file));
    if (from) await recorder.uxrec('bleep', copy, '--from', `0.${from}`, '--to', `0.${from + 1}`);
    return join(copy, 'annotations.mcap');
  };
  const [base, a, b, c] = [await copyOf('base'), await copyOf('a', 1), await copyOf('b', 3), await copyOf('c', 3)];
  const count = async (path) => (await stream(path)).lines.length;
  await copyFile(b, c);
  assert.match(await recorder.uxrec('merge', a, b), /: 1 act.* new/);
  await recorder.uxrec('merge', c, base, a);
  assert.equal(await count(a), (await count(base)) + 2);
  assert.deepEqual((await stream(a)).lines.sort(), (await stream(c)).lines.sort());
  assert.match(await recorder.uxrec('merge', a, b, c), / 0 acts were new/);
  /* acts of another session are not merged */
  await assert.rejects(recorder.uxrec('merge', a, unfinished.replace('recording-0001', 'annotations')), /another session/);
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

test('protoc decodes every kind of message with the schema from the file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'uxrec-protoc-'));
  folders.push(folder);
  const path = join(folder, 'every.mcap');
  execFileSync(join(build, 'tests/tools/every_message'), [path]);
  const { all, schemas } = await messages(path);
  for (const schema of schemas.values()) await writeFile(join(folder, `${schema.name}.desc`), schema.data);
  const protoc = (schema, what, input) =>
    execFileSync('protoc', [`--descriptor_set_in=${join(folder, `${schema.name}.desc`)}`, `--${what}=${schema.name}`], { input });
  for (const { schema, record } of all) {
    const text = protoc(schema, 'decode', record.data);
    assert.doesNotMatch(text.toString(), /^\s*\d+[:{ ]/m, `${schema.name} has a field that its schema does not know`);
    assert.deepEqual(protoc(schema, 'encode', text), Buffer.from(record.data), schema.name);
  }
  const decoded = new Set(all.map(({ schema }) => schema.name));
  assert.deepEqual(decoded, new Set([...schemas.values()].map((schema) => schema.name)));
  assert.ok(all.length > decoded.size, 'each case of a oneof has its message');
});

test('ffprobe plays the pictures that dump prints', async () => {
  const printed = await recorder.uxrec('dump', whole, '--channel', '/screen', '--json');
  const pictures = printed.split('\n').map((text) => Buffer.from(JSON.parse(text).message.data, 'base64'));
  const folder = await mkdtemp(join(tmpdir(), 'uxrec-h264-'));
  folders.push(folder);
  const path = join(folder, 'screen.h264');
  await writeFile(path, Buffer.concat(pictures));
  const told = JSON.parse(
    execFileSync('ffprobe', ['-v', 'error', '-count_frames', '-show_streams', '-of', 'json', path], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  assert.equal(told.streams.length, 1);
  const [{ codec_name: codec, width, height, nb_read_frames: frames }] = told.streams;
  assert.deepEqual({ codec, width, height, frames }, { codec: 'h264', width: 800, height: 600, frames: String(pictures.length) });
});

/** A file by @mcap/core's writer. @return its bytes, and the lines expected of message_list */
async function theirs(options, extras) {
  const parts = [];
  let size = 0n;
  const writable = {
    position: () => size,
    write: async (bytes) => {
      parts.push(Buffer.from(bytes));
      size += BigInt(bytes.length);
    },
  };
  const writer = new McapWriter({ writable, ...options });
  await writer.start({ profile: 'x', library: 'test' });
  const lines = [];
  const channels = [];
  for (const topic of ['/one', '/two', '/three']) {
    const schemaId = await writer.registerSchema({ name: `S${topic}`, encoding: 'text', data: new Uint8Array(40) });
    channels.push(
      await writer.registerChannel({ topic, schemaId, messageEncoding: 'protobuf', metadata: new Map([['a', 'b']]) }),
    );
  }
  for (let i = 0; i < 300; i++) {
    const data = new Uint8Array(i * 7).fill(i);
    /* times are not monotonic */
    const time = 1000000n + BigInt((i * 37) % 101) * 1000n;
    await writer.addMessage({ channelId: channels[i % 3], sequence: i, logTime: time, publishTime: time + 1n, data });
    const topic = ['/one', '/two', '/three'][i % 3];
    lines.push(`${topic} S${topic} ${i} ${time} ${time + 1n} ${data.length} ${crc32(data).toString(16).padStart(8, '0')}`);
    if (i === 100 && extras) {
      await writer.addAttachment({ name: 'a', logTime: 1n, createTime: 2n, mediaType: 'text/plain', data: new Uint8Array(10) });
      await writer.addMetadata({ name: 'm', metadata: new Map([['k', 'v']]) });
    }
  }
  await writer.end();
  return { file: Buffer.concat(parts), lines };
}

/** Add records with unknown opcodes, and bytes after known fields, to a file without CRCs. */
function strange(file) {
  const parts = [file.subarray(0, 8)];
  for (let at = 8; at + 9 <= file.length - 8;) {
    const length = 9 + Number(file.readBigUInt64LE(at + 1));
    const one = file.subarray(at, at + length);
    if (one[0] === 0x0f) break;
    if (one[0] === 0x04) parts.push(record(0x04, Buffer.concat([one.subarray(9), Buffer.from('later fields')])));
    else parts.push(one);
    if (one[0] === 0x03 || one[0] === 0x06) parts.push(record(0x81, Buffer.alloc(50, 5)), record(0x7f, Buffer.alloc(0)));
    at += length;
  }
  return Buffer.concat(parts);
}

test('files by @mcap/core are read, with and without every optional part', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'uxrec-matrix-'));
  folders.push(folder);
  const { default: zstd } = await import('@foxglove/wasm-zstd');
  await zstd.isLoaded;
  const flags = [
    'useChunks', 'useStatistics', 'useSummaryOffsets', 'useMessageIndex', 'useChunkIndex', 'repeatSchemas',
    'repeatChannels', 'useAttachmentIndex', 'useMetadataIndex',
  ];
  const compressions = [
    undefined,
    (data) => ({ compression: 'zstd', compressedData: zstd.compress(data) }),
  ];
  const out = join(folder, 'theirs.mcap');
  const printed = () => ours(out).sort();
  for (let bits = 0; bits < 1 << flags.length; bits += bits < 64 ? 1 : 13) {
    const options = Object.fromEntries(flags.map((flag, i) => [flag, !(bits >> i & 1)]));
    const { file, lines } = await theirs({ ...options, chunkSize: 5000, compressChunk: compressions[bits % 2] }, bits % 3);
    await writeFile(out, file);
    assert.deepEqual(printed(), lines.sort(), JSON.stringify(options));
    /* without chunks @mcap/core gives attachments and metadata the offset of data it has not written yet */
    if (bits % 7 === 0 && (options.useChunks || bits % 3 === 0))
      assert.match(
        await recorder.uxrec('verify', out).catch((error) => error.stdout),
        /: whole: 300 messages/,
        JSON.stringify(options),
      );
    /* a truncated file is read by its records */
    if (bits % 5 === 0) {
      await writeFile(out, strange(file));
      assert.deepEqual(printed(), lines.sort(), `strange ${JSON.stringify(options)}`);
    }
  }
  /* lz4 in its own frame format, which the package only decompresses: made by hand of stored blocks */
  const stored = (data) => {
    const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    const blocks = [];
    for (let at = 0; at < data.length; at += 65536) {
      const block = data.subarray(at, at + 65536);
      const length = Buffer.alloc(4);
      length.writeUInt32LE((block.length | 0x80000000) >>> 0);
      blocks.push(length, block);
    }
    return Buffer.concat([head, ...blocks, Buffer.alloc(4)]);
  };
  const { file, lines } = await theirs({ chunkSize: 5000, compressChunk: (data) => ({ compression: 'lz4', compressedData: stored(data) }) }, true);
  await writeFile(out, file);
  assert.deepEqual(printed(), lines.sort());
  /* an unknown compression is damage, not a crash */
  const other = await theirs({ chunkSize: 5000, compressChunk: (data) => ({ compression: 'bz9', compressedData: data }) }, false);
  await writeFile(out, other.file);
  assert.throws(() => ours(out));
});

test('files of every format version are read as they were then', async () => {
  const data = new URL('../../data/', import.meta.url).pathname;
  for (const version of (await readdir(data)).filter((name) => name.startsWith('format-')))
    for (const kind of await readdir(join(data, version))) {
      const folder = join(data, version, kind);
      const told = (await readFile(join(folder, 'messages.txt'), 'utf8')).trim().split('\n');
      assert.deepEqual(ours(join(folder, 'recording-0001.mcap')).sort(), told.sort(), folder);
      const info = JSON.parse(await recorder.uxrec('info', folder, '--json'));
      assert.equal(info.complete, kind === 'whole');
    }
});

test('the annotation log is an MCAP file too, and whole when it is exported', async () => {
  const path = whole.replace('recording-0001', 'annotations');
  const { lines } = await stream(path);
  /* session_info, consent, begin and end of the attempt, the tag, the reason of the end */
  assert.equal(lines.length, 6);
  assert.ok(lines.every((text) => text.startsWith('/acts uxrec.Act ')));
  const out = `${path}.whole`;
  await recorder.uxrec('recover', path, '-o', out);
  const exported = await stream(out);
  assert.ok(exported.done);
  assert.deepEqual(exported.lines.sort(), lines.sort());
  await recorder.uxrec('verify', out);
});
