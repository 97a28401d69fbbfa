// Drives the USB devices of the virtual machine through QEMU's monitor, once the guest says so.
// qmp.mjs SOCKET FOLDER

import { existsSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

const [socketPath, folder] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const end = Date.now() + 280_000;

async function waitFor(path) {
  while (!existsSync(path)) {
    if (Date.now() > end) process.exit(1);
    await sleep(50);
  }
}

async function connect() {
  await waitFor(socketPath);
  for (;;) {
    const socket = net.connect(socketPath);
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (open) return socket;
    await sleep(100);
  }
}

const socket = await connect();
socket.on('error', () => process.exit(0)); // the machine has ended
const answers = [];
let text = '';
socket.on('data', (data) => {
  text += data;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
    const message = JSON.parse(text.slice(0, at));
    text = text.slice(at + 1);
    if ('return' in message || 'error' in message) answers.shift()?.(message);
  }
});

async function command(execute, args) {
  const answer = await new Promise((resolve) => {
    answers.push(resolve);
    socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
  });
  if (answer.error) throw new Error(answer.error.desc);
}

const input = (...events) => command('input-send-event', { events });
const key = (name, down) => input({ type: 'key', data: { down, key: { type: 'qcode', data: name } } });

await command('qmp_capabilities');
await waitFor(join(folder, 'qmp-go'));
for (const name of 'secret') {
  await key(name, true);
  await sleep(60);
  await key(name, false);
  await sleep(60);
}
for (const [x, y] of [[1000, 2000], [8000, 16000], [16384, 16384], [30000, 100], [32767, 32767]]) {
  await input(
    { type: 'abs', data: { axis: 'x', value: x } },
    { type: 'abs', data: { axis: 'y', value: y } },
  );
  await sleep(80);
  await input({ type: 'btn', data: { button: 'left', down: true } });
  await sleep(80);
  await input({ type: 'btn', data: { button: 'left', down: false } });
  await sleep(80);
}
writeFileSync(join(folder, 'qmp-done'), '');
socket.end();
