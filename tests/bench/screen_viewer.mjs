// A VNC viewer (RFC 6143) that requests the next update as soon as it has the last one, and counts the bytes received.
// It draws nothing.

import net from 'node:net';

const ENCODINGS = { raw: 0, copyRect: 1, zrle: 16, cursor: -239, pointer: -232 };

export class Viewer {
  static async open(port) {
    const viewer = new Viewer();
    viewer.bytes = 0;
    viewer.held = Buffer.alloc(0);
    viewer.net = net.connect(port, '127.0.0.1');
    viewer.net.setNoDelay(true);
    viewer.net.on('error', () => undefined);
    viewer.net.on('close', () => viewer.wake?.());
    viewer.net.on('data', (data) => {
      viewer.bytes += data.length;
      viewer.held = Buffer.concat([viewer.held, data]);
      viewer.wake?.();
    });
    await viewer.#greet();
    viewer.done = viewer.#watch().catch(() => undefined);
    return viewer;
  }

  async #take(count) {
    while (this.held.length < count) {
      if (this.net.destroyed) throw new Error('the server has gone');
      await new Promise((resolve) => {
        this.wake = resolve;
      });
    }
    const taken = this.held.subarray(0, count);
    this.held = this.held.subarray(count);
    return taken;
  }

  async #greet() {
    await this.#take(12);
    this.net.write('RFB 003.008\n');
    const [kinds] = await this.#take(1);
    await this.#take(kinds);
    this.net.write(Buffer.from([1])); // no password
    if ((await this.#take(4)).readUInt32BE() !== 0) throw new Error('the viewer was refused');
    this.net.write(Buffer.from([1])); // shared with other viewers
    const said = await this.#take(24);
    this.width = said.readUInt16BE(0);
    this.height = said.readUInt16BE(2);
    this.pixelBytes = said[4] / 8;
    await this.#take(said.readUInt32BE(20));
    const wanted = [ENCODINGS.zrle, ENCODINGS.copyRect, ENCODINGS.raw, ENCODINGS.cursor, ENCODINGS.pointer];
    const message = Buffer.alloc(4 + 4 * wanted.length);
    message[0] = 2;
    message.writeUInt16BE(wanted.length, 2);
    wanted.forEach((encoding, i) => message.writeInt32BE(encoding, 4 + 4 * i));
    this.net.write(message);
    this.#ask(0);
  }

  /** @param incremental  0: the whole screen; 1: changes only */
  #ask(incremental) {
    const message = Buffer.from([3, incremental, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.writeUInt16BE(this.width, 6);
    message.writeUInt16BE(this.height, 8);
    this.net.write(message);
  }

  async #watch() {
    for (;;) {
      const [kind] = await this.#take(1);
      if (kind === 0) {
        const count = (await this.#take(3)).readUInt16BE(1);
        this.#ask(1);
        for (let i = 0; i < count; i++) await this.#rectangle();
      } else if (kind === 3) {
        await this.#take((await this.#take(7)).readUInt32BE(3));
      } else if (kind !== 2) {
        throw new Error(`the server said ${kind}`);
      }
    }
  }

  async #rectangle() {
    const head = await this.#take(12);
    const pixels = head.readUInt16BE(4) * head.readUInt16BE(6);
    const encoding = head.readInt32BE(8);
    if (encoding === ENCODINGS.zrle) await this.#take((await this.#take(4)).readUInt32BE());
    else if (encoding === ENCODINGS.raw) await this.#take(pixels * this.pixelBytes);
    else if (encoding === ENCODINGS.copyRect) await this.#take(4);
    else if (encoding === ENCODINGS.cursor)
      await this.#take(pixels * this.pixelBytes + Math.ceil(head.readUInt16BE(4) / 8) * head.readUInt16BE(6));
    else if (encoding !== ENCODINGS.pointer) throw new Error(`the server sends encoding ${encoding}`);
  }

  end() {
    this.net.destroy();
  }
}
