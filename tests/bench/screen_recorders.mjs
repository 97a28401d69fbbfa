// The screen recorders: ours and Debian's. Each starts on a display, names the process whose CPU counts, counts its
// bytes so far, and yields a film at the end.

import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuOf, end, Recorder, start, until } from '../harness/pages/lab.mjs';
import { Film, OwnFilm } from './screen_quality.mjs';
import { Viewer } from './screen_viewer.mjs';

const LONGEST_END_MS = 600000; // one encodes only then
const SIZE = '1920x1080';
const X264 = ['-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency', '-crf', '23', '-pix_fmt', 'yuv420p'];

const sizeOf = (path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const sizeOfAll = (folder) => readdirSync(folder).reduce((sum, name) => sum + sizeOf(join(folder, name)), 0);

/** CPU seconds of all ended children of this process. */
function cpuOfEnded() {
  const text = readFileSync('/proc/self/stat', 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 0.01;
}

/** End a child by `ask`, a signal or otherwise. @return the CPU seconds of its shutdown */
async function finish(child, ask) {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error('it has ended by itself');
  const before = cpuOfEnded() + cpuOf(child.pid);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const late = setTimeout(() => child.kill('SIGKILL'), LONGEST_END_MS);
  ask();
  await gone;
  clearTimeout(late);
  return Math.max(0, cpuOfEnded() - before);
}

function ffmpeg(more) {
  return async ({ env, display }, folder) => {
    const film = join(folder, 'film.mkv');
    const child = start(
      'ffmpeg',
      [
        '-hide_banner', '-loglevel', 'error', '-f', 'x11grab', '-framerate', '30', '-video_size', SIZE,
        '-i', display, ...more, ...X264, '-flush_packets', '1', '-y', film,
      ],
      { env, stdio: ['pipe', 'inherit', 'inherit'] },
    );
    return {
      pid: child.pid,
      bytes: () => sizeOf(film),
      stop: async () => ({ film: new Film(film), after: await finish(child, () => child.stdin.write('q')) }),
      close: () => end(child),
    };
  };
}

async function uxrecd({ env }, folder) {
  const recorder = await Recorder.start(['--input', 'none', '--sound', 'none'], env);
  const session = await recorder.begin();
  const kept = join(recorder.library, session);
  return {
    pid: recorder.child.pid,
    bytes: () => sizeOfAll(kept),
    stop: async () => {
      const before = cpuOf(recorder.child.pid);
      await recorder.uxrec('stop');
      const after = cpuOf(recorder.child.pid) - before;
      const film = join(folder, session);
      cpSync(kept, film, { recursive: true });
      writeFileSync(join(folder, 'uxrecd.log'), recorder.output);
      return { film: new OwnFilm(film), after };
    },
    close: () => recorder.end(),
  };
}

/* keeps changes and encodes them when it is stopped */
async function recordmydesktop({ env, display }, folder) {
  const film = join(folder, 'film.ogv');
  const child = start(
    'recordmydesktop',
    ['--display', display, '--no-sound', '--fps', '30', '--workdir', folder, '-o', film],
    { env, stdio: 'ignore' },
  );
  return {
    pid: child.pid,
    bytes: () => 0,
    stop: async () => ({ film: new Film(film), after: await finish(child, () => child.kill('SIGINT')) }),
    close: () => end(child),
  };
}

async function x11vnc({ env, display }) {
  const child = start(
    'x11vnc',
    ['-display', display, '-localhost', '-nopw', '-forever', '-shared', '-quiet', '-autoport', '5900'],
    { env, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  const [, port] = await until(() => /PORT=(\d+)/.exec(said), 'x11vnc');
  const viewer = await Viewer.open(Number(port));
  return {
    pid: child.pid,
    bytes: () => viewer.bytes,
    stop: async () => {
      viewer.end();
      return { after: await finish(child, () => child.kill('SIGTERM')) };
    },
    close: async () => {
      viewer.end();
      await end(child);
    },
  };
}

async function wfRecorder({ env, as }, folder) {
  const film = join(folder, 'film.mkv');
  const [command, ...args] = [
    ...as, 'wf-recorder', '-f', film, '-c', 'libx264', '-p', 'preset=superfast', '-p', 'tune=zerolatency',
    '-p', 'crf=23', '-x', 'yuv420p',
  ];
  const child = start(command, args, { env, stdio: 'ignore' });
  return {
    pid: child.pid,
    bytes: () => sizeOf(film),
    stop: async (change) => {
      /* wf-recorder handles a signal only when the screen changes */
      const changing = setInterval(change, 300);
      try {
        return { film: new Film(film), after: await finish(child, () => child.kill('SIGINT')) };
      } finally {
        clearInterval(changing);
      }
    },
    close: () => end(child, 'SIGKILL'),
  };
}

const has = (program) => {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** Recorders by their names in --peers. `needs`: required programs. */
export const recorders = {
  uxrec: { server: 'x11', needs: [], start: uxrecd },
  x11grab: { server: 'x11', needs: ['ffmpeg'], start: ffmpeg([]) },
  mpdecimate: { server: 'x11', needs: ['ffmpeg'], start: ffmpeg(['-vf', 'mpdecimate', '-vsync', 'vfr']) },
  recordmydesktop: { server: 'x11', needs: ['recordmydesktop'], start: recordmydesktop, bytesAtEnd: true },
  x11vnc: { server: 'x11', needs: ['x11vnc'], start: x11vnc, lossless: true },
  'wf-recorder': { server: 'sway', needs: ['wf-recorder', 'sway', 'Xwayland'], start: wfRecorder },
};

/** Reason why a recorder is unavailable, or undefined. */
export function missing(name) {
  const absent = recorders[name].needs.filter((program) => !has(program));
  return absent.length ? `there is no ${absent.join(', no ')}` : undefined;
}
