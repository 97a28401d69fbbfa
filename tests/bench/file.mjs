// Cost of the session file, beside the same pictures written by npm's @mcap/core. Prints a line for each figure, with
// its limit.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { McapWriter } from '@mcap/core';

const PICTURE_BYTES = 20_000;
const PICTURES = 50_000;

const build = process.env.UXREC_BUILD ?? 'build';
const folder = mkdtempSync('/dev/shm/uxrec-bench-');
let failed = false;

/** Run a part of file.c and relay its output. */
function ours(part) {
  let text;
  try {
    text = execFileSync(join(build, 'tests/bench/file'), [part, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    text = error.stdout;
    failed = true;
  }
  process.stdout.write(text);
  return text;
}

/** MB per second of CPU for @mcap/core: chunks of 1 MiB, not compressed, with CRCs and indexes, as ours. */
async function theirs() {
  const picture = new Uint8Array(PICTURE_BYTES).map((_, i) => i * 7);
  const fd = openSync(join(folder, 'theirs.mcap'), 'w');
  let position = 0n;
  const begun = process.cpuUsage();
  const writer = new McapWriter({
    writable: {
      position: () => position,
      write: async (bytes) => {
        writeSync(fd, bytes);
        position += BigInt(bytes.length);
      },
    },
    chunkSize: 1024 * 1024,
  });
  await writer.start({ profile: '', library: '' });
  const schemaId = await writer.registerSchema({ name: 'x', encoding: 'protobuf', data: new Uint8Array(100) });
  const channelId = await writer.registerChannel({ topic: '/screen', schemaId, messageEncoding: 'protobuf', metadata: new Map() });
  for (let i = 0; i < PICTURES; i++) {
    const time = BigInt(i) * 1_000_000n;
    await writer.addMessage({ channelId, sequence: i, logTime: time, publishTime: time, data: picture });
  }
  await writer.end();
  closeSync(fd);
  const { user, system } = process.cpuUsage(begun);
  return (PICTURE_BYTES * PICTURES) / (user + system);
}

try {
  const speed = Number(/^pictures.* ([0-9]+) MB/m.exec(ours('write'))[1]);
  const peer = await theirs();
  console.log(`the same by @mcap/core, which keeps no log               ${peer.toFixed(0).padStart(7)} MB/s of CPU; ours is ${(speed / peer).toFixed(1)} times as fast`);
  rmSync(join(folder, 'theirs.mcap'));
  ours('long');
  ours('read');
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(failed ? 1 : 0);
