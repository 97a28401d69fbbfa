// A Wayland compositor without hardware, for the recorder that needs one. The script's windows use Xwayland and place
// themselves.

import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { end, start, until } from '../harness/pages/lab.mjs';

/* sway refuses root, and Xwayland admits only users with a name: nobody */
const USER = 65534;
const isRoot = process.getuid() === 0;
const AS = isRoot ? ['setpriv', '--reuid', String(USER), '--regid', String(USER), '--clear-groups'] : [];

/** PID of a display's Xwayland, which is no child of ours. */
function xwaylandOf(display) {
  for (const pid of readdirSync('/proc').filter((one) => /^\d+$/.test(one)))
    try {
      const [command, first] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (command.endsWith('Xwayland') && first === display) return Number(pid);
    } catch {
      // it has exited meanwhile
    }
  return undefined;
}

export class Sway {
  static async open(width, height) {
    const sway = new Sway();
    sway.folder = mkdtempSync(join(tmpdir(), 'uxrec-sway-'));
    sway.give(sway.folder);
    chmodSync(sway.folder, 0o700);
    const config = join(sway.folder, 'config');
    const told = join(sway.folder, 'told');
    writeFileSync(
      config,
      `xwayland force\noutput * resolution ${width}x${height} position 0 0\ndefault_border none\n` +
        `exec sh -c 'echo "$DISPLAY $WAYLAND_DISPLAY" > ${told}.new && mv ${told}.new ${told}'\n`,
    );
    const env = {
      ...process.env, XDG_RUNTIME_DIR: sway.folder, HOME: sway.folder,
      WLR_BACKENDS: 'headless', WLR_LIBINPUT_NO_DEVICES: '1', WLR_RENDERER: 'pixman',
    };
    for (const name of ['DISPLAY', 'WAYLAND_DISPLAY', 'DBUS_SESSION_BUS_ADDRESS']) delete env[name];
    const [command, ...args] = [...AS, 'sway', '-c', config];
    sway.child = start(command, args, { env, stdio: 'ignore', detached: true });
    try {
      await until(() => existsSync(told) || sway.child.exitCode !== null, 'sway');
      if (sway.child.exitCode !== null) throw new Error(`sway ended with ${sway.child.exitCode}`);
      const [display, wayland] = readFileSync(told, 'utf8').trim().split(' ');
      const xwayland = await until(() => xwaylandOf(display), 'Xwayland');
      sway.display = display;
      sway.env = { ...env, DISPLAY: display, WAYLAND_DISPLAY: wayland };
      sway.pids = [sway.child.pid, xwayland];
      sway.script = ['--wayland', '--as', String(isRoot ? USER : process.getuid())];
      sway.as = AS;
      return sway;
    } catch (error) {
      await sway.end();
      throw error;
    }
  }

  /** Let sway's user write to a folder. */
  give(folder) {
    if (isRoot) chownSync(folder, USER, USER);
  }

  async end() {
    await end(this.child);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
