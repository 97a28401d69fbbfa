// Measures the README's claims beside a peer in the same run. Prints both figures and their ratio.
//   bench.mjs [--seconds N] [--rounds N] [--strokes N]

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { browse, build, cpuOf, Desktop, Recorder, sleep, stats, until } from '../harness/pages/lab.mjs';

const option = (name, usual) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? Number(process.argv[at + 1]) : usual;
};
const seconds = option('--seconds', 60);
const rounds = option('--rounds', 1);
const strokes = option('--strokes', 300);

function startPeer(desktop, folder) {
  const file = join(folder, 'peer.mkv');
  const child = spawn(
    'ffmpeg',
    [
      '-hide_banner', '-loglevel', 'error', '-f', 'x11grab', '-framerate', '30', '-video_size', '1920x1080',
      '-i', desktop.display, '-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency', '-crf', '23', '-y', file,
    ],
    { env: desktop.env, stdio: ['pipe', 'inherit', 'inherit'] },
  );
  return { child, bytes: () => statSync(file, { throwIfNoEntry: false })?.size ?? 0 };
}

async function endPeer(peer) {
  peer.child.stdin.write('q');
  await new Promise((resolve) => peer.child.once('exit', resolve));
}

/** CPU and bytes of one recorder during an action. */
async function measure(pid, bytes, what) {
  const cpu = cpuOf(pid);
  const size = bytes();
  await what();
  return { cpu: cpuOf(pid) - cpu, bytes: bytes() - size };
}

const idle = () => sleep(seconds * 1000);

async function typing(desktop) {
  /* lines as a person types them, at the robot's eight keys a second */
  const text = 'the quick brown fox jumps over the lazy dog ';
  const end = Date.now() + seconds * 1000;
  for (let at = 0; Date.now() < end; at += 8) {
    const piece = Array.from({ length: 8 }, (_, i) => text[(at + i) % text.length]).join('');
    desktop.do(`type ${piece}`);
    if (at % 80 === 72) desktop.do('key BackSpace');
    await sleep(1000);
  }
}

const add = (sum, value) => ({ cpu: sum.cpu + value.cpu, bytes: sum.bytes + value.bytes });

function row(what, ours, peer, more) {
  console.log(
    [
      what.padEnd(24),
      `${ours.cpu.toFixed(2)} s`.padStart(9),
      `${(ours.bytes / 1000).toFixed(0)} kB`.padStart(9),
      `${peer.cpu.toFixed(2)} s`.padStart(11),
      `${((100 * ours.cpu) / peer.cpu).toFixed(1)} %`.padStart(8),
      more,
    ].join('  '),
  );
}

/** The same load for us and for the peer, alternately. */
async function compare(name, load, must) {
  const folder = mkdtempSync(join(tmpdir(), 'uxrec-bench-'));
  let ours = { cpu: 0, bytes: 0 };
  let theirs = { cpu: 0, bytes: 0 };
  const desktop = await Desktop.start(1920, 1080);
  const window = [spawn('openbox', { env: desktop.env, stdio: 'ignore' })];
  await sleep(500);
  window.push(spawn('xterm', ['-geometry', '120x40+200+150', '-e', 'cat'], { env: desktop.env, stdio: 'ignore' }));
  await sleep(1500);
  desktop.do('move 500 400 100', 'click');
  for (let round = 0; round < rounds; round++) {
    const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
    const session = await recorder.begin();
    const file = join(recorder.library, session, 'recording-0001.mcap');
    await sleep(3000);
    ours = add(ours, await measure(recorder.child.pid, () => statSync(file).size, () => load(desktop)));
    await recorder.uxrec('stop');
    await recorder.end();
    const peer = startPeer(desktop, folder);
    await sleep(3000);
    theirs = add(theirs, await measure(peer.child.pid, peer.bytes, () => load(desktop)));
    await endPeer(peer);
  }
  for (const child of window) child.kill();
  await desktop.end();
  rmSync(folder, { recursive: true, force: true });
  const minutes = (rounds * seconds) / 60;
  for (const side of [ours, theirs]) {
    side.cpu /= minutes;
    side.bytes /= minutes;
  }
  row(name, ours, theirs, must(ours, theirs));
}

const verdict = (good, text) => `${good ? 'ok  ' : 'MISS'} ${text}`;

/** Latency from drawing on the desktop to the observer's canvas. */
async function latency() {
  const desktop = await Desktop.start(1920, 1080);
  const recorder = await Recorder.start(['--input', 'x11'], desktop.env);
  desktop.paint('205080');
  await recorder.begin();
  const browser = await browse();
  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  await page.addInitScript(() => {
    window.painted = [];
    const draw = CanvasRenderingContext2D.prototype.drawImage;
    CanvasRenderingContext2D.prototype.drawImage = function (...given) {
      draw.apply(this, given);
      if (this.canvas.id !== 'picture') return;
      const [, green] = this.getImageData(this.canvas.width >> 1, this.canvas.height >> 1, 1, 1).data;
      window.painted.push([green, (performance.timeOrigin + performance.now()) * 1000]);
    };
  });
  await page.goto(recorder.links.live);
  await until(async () => (await stats(page)).state === 'live', 'the picture');
  const { firstPictureMs } = await stats(page);
  await sleep(1000);
  const painter = spawn(join(build, 'tests/bench/painter'), [String(strokes), '150', '450'], { env: desktop.env });
  let text = '';
  painter.stdout.on('data', (data) => {
    text += data;
  });
  await new Promise((resolve) => painter.once('exit', resolve));
  await sleep(1000);
  const painted = await page.evaluate(() => window.painted);
  const drawn = text.trim().split('\n').map((line) => line.split(' ').map(Number));
  const delays = [];
  for (const [number, us] of drawn) {
    const wanted = (number % 32) * 8;
    const shown = painted.find(([green, at]) => at > us && at < us + 2e6 && Math.abs(green - wanted) <= 3);
    delays.push(shown ? (shown[1] - us) / 1000 : Number.POSITIVE_INFINITY);
  }
  delays.sort((a, b) => a - b);
  const at = (share) => delays[Math.min(delays.length - 1, Math.floor(share * delays.length))].toFixed(0);
  console.log(
    `\ndraw → painted in the observer's canvas, ${delays.length} strokes: ` +
      `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms   ` +
      verdict(at(0.5) <= 60 && at(0.99) <= 200, 'p50 <= 60 ms, p99 <= 200 ms'),
  );
  const steps = [10, 20, 30, 40, 50, 60, 80, 100, 150, 200, 500];
  let before = 0;
  for (const step of steps) {
    const many = delays.filter((delay) => delay > before && delay <= step).length;
    console.log(`  ${String(before).padStart(4)}–${String(step).padEnd(4)} ms ${String(many).padStart(4)} ${'#'.repeat(Math.round((60 * many) / delays.length))}`);
    before = step;
  }
  console.log(
    `\nfirst picture ${firstPictureMs.toFixed(0)} ms after the page began   ${verdict(firstPictureMs <= 1000, 'at most 1 s')}`,
  );
  await browser.close();
  await recorder.end();
  await desktop.end();
}

console.log(`${cpus().length} cores, ${cpus()[0].model.trim()}; ${rounds} × ${seconds} s each, by turns; per minute:`);
console.log(
  [''.padEnd(24), 'uxrec CPU'.padStart(9), 'file'.padStart(9), 'x11grab CPU'.padStart(11), 'ratio'.padStart(8)].join('  '),
);
await compare('idle desktop', idle, (ours) =>
  verdict(ours.cpu <= 0.5 && ours.bytes <= 50_000, 'at most 0.5 s and 50 kB'),
);
await compare('typing, 8 keys a second', typing, (ours, peer) =>
  verdict(ours.cpu <= 0.35 * peer.cpu, 'at most 35 % of x11grab'),
);
await latency();
