// Drives the virtual machine's devices through QEMU's monitor, on requests of the guest: a file ask-N in the shared
// folder has lines of JSON, each a command of the monitor or {"sleep": milliseconds}; answer-N is "done" or the
// refusal.
// qmp.mjs SOCKET FOLDER

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

const [socketPath, folder] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function waitFor(path) {
  while (!existsSync(path)) await sleep(20);
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
const answers = [];
let text = '';
socket.on('error', () => process.exit(0)); // the machine has exited
socket.on('close', () => process.exit(0));
socket.on('data', (data) => {
  text += data;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
    const message = JSON.parse(text.slice(0, at));
    text = text.slice(at + 1);
    if ('return' in message || 'error' in message) answers.shift()?.(message);
  }
});

async function command(request) {
  const answer = await new Promise((resolve) => {
    answers.push(resolve);
    socket.write(`${JSON.stringify(request)}\n`);
  });
  if (answer.error) throw new Error(answer.error.desc);
}

async function obey(lines) {
  for (const line of lines.split('\n').filter((each) => each.trim())) {
    const request = JSON.parse(line);
    if ('sleep' in request) await sleep(request.sleep);
    else await command(request);
  }
}

await command({ execute: 'qmp_capabilities' });
for (let number = 1; ; number++) {
  const ask = join(folder, `ask-${number}`);
  await waitFor(ask);
  let answer = 'done';
  try {
    await obey(readFileSync(ask, 'utf8'));
  } catch (error) {
    answer = String(error.message);
  }
  writeFileSync(join(folder, 'answer'), answer);
  renameSync(join(folder, 'answer'), join(folder, `answer-${number}`));
}
