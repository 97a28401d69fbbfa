// QR codes for texts: byte mode, error correction level M, versions 1 to 20 (ISO/IEC 18004).

/* Table 9, level M, by version from 1: error correction codewords per block, number of blocks */
const CHECKS = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
const LEVEL_M = 0;

/** Modules by row and column; true: dark. Excludes the quiet zone of four modules. */
export type Modules = boolean[][];

/* ---- grid: function patterns and data positions ---- */

class Grid {
  readonly size: number;
  readonly dark: Modules;
  /** Function pattern modules, unavailable to data. */
  readonly fixed: Modules;

  constructor(readonly version: number) {
    this.size = 17 + 4 * version;
    const rows = () => Array.from({ length: this.size }, () => new Array<boolean>(this.size).fill(false));
    this.dark = rows();
    this.fixed = rows();
    for (let i = 0; i < this.size; i++) {
      this.fix(6, i, i % 2 === 0);
      this.fix(i, 6, i % 2 === 0);
    }
    this.#finder(3, 3);
    this.#finder(3, this.size - 4);
    this.#finder(this.size - 4, 3);
    this.#alignments();
    this.format(0);
    if (version >= 7) this.#versionBits();
  }

  fix(row: number, column: number, dark: boolean): void {
    const [darks, fixes] = [this.dark[row], this.fixed[row]];
    if (!darks || !fixes || column < 0 || column >= this.size) return;
    darks[column] = dark;
    fixes[column] = true;
  }

  /* includes the light separator */
  #finder(row: number, column: number): void {
    for (let y = -4; y <= 4; y++)
      for (let x = -4; x <= 4; x++) {
        const ring = Math.max(Math.abs(y), Math.abs(x));
        this.fix(row + y, column + x, ring !== 2 && ring !== 4);
      }
  }

  #alignments(): void {
    if (this.version === 1) return;
    const count = Math.floor(this.version / 7) + 2;
    const last = this.size - 7;
    const step = 2 * Math.ceil((last - 6) / (count - 1) / 2);
    const places = [6, ...Array.from({ length: count - 1 }, (_, i) => last - (count - 2 - i) * step)];
    for (const row of places)
      for (const column of places) {
        const isFinder = (row === 6 && column === 6) || (row === 6 && column === last) || (row === last && column === 6);
        for (let y = -2; y <= 2 && !isFinder; y++)
          for (let x = -2; x <= 2; x++)
            this.fix(row + y, column + x, Math.max(Math.abs(y), Math.abs(x)) !== 1);
      }
  }

  /** Format information: level and mask, twice. */
  format(mask: number): void {
    const data = (LEVEL_M << 3) | mask;
    const bits = ((data << 10) | remainder(data, 10, 0x537)) ^ 0x5412;
    const end = this.size - 1;
    for (let i = 0; i < 15; i++) {
      const dark = ((bits >> i) & 1) === 1;
      /* skip the timing pattern in row and column 6 */
      if (i < 8) {
        this.fix(i < 6 ? i : i + 1, 8, dark);
        this.fix(8, end - i, dark);
      } else {
        this.fix(8, i === 8 ? 7 : 14 - i, dark);
        this.fix(end - 14 + i, 8, dark);
      }
    }
    this.fix(this.size - 8, 8, true);
  }

  #versionBits(): void {
    const bits = (this.version << 12) | remainder(this.version, 12, 0x1f25);
    for (let i = 0; i < 18; i++) {
      const dark = ((bits >> i) & 1) === 1;
      const [a, b] = [this.size - 11 + (i % 3), Math.floor(i / 3)];
      this.fix(a, b, dark);
      this.fix(b, a, dark);
    }
  }

  /** Data bit positions in order: two columns at a time, alternating upwards and downwards, from the right. */
  *places(): Generator<[row: number, column: number]> {
    let up = true;
    for (let right = this.size - 1; right > 0; right -= 2) {
      if (right === 6) right = 5;
      for (let i = 0; i < this.size; i++) {
        const row = up ? this.size - 1 - i : i;
        for (const column of [right, right - 1]) if (!this.fixed[row]?.[column]) yield [row, column];
      }
      up = !up;
    }
  }
}

/** Check bits of a BCH code: remainder of `data`, shifted by `degree`. */
function remainder(data: number, degree: number, generator: number): number {
  let rest = data << degree;
  for (let bit = 31 - Math.clz32(rest); bit >= degree; bit = 31 - Math.clz32(rest))
    rest ^= generator << (bit - degree);
  return rest;
}

/* ---- Reed-Solomon over GF(256) with x^8 + x^4 + x^3 + x^2 + 1 ---- */

function multiply(a: number, b: number): number {
  let product = 0;
  for (let i = 7; i >= 0; i--) {
    product = (product << 1) ^ (product & 0x80 ? 0x11d : 0);
    if ((b >> i) & 1) product ^= a;
  }
  return product;
}

/** Coefficients of the product of (x - 2^i), without the leading 1. */
function generatorOf(degree: number): number[] {
  let terms = [1];
  for (let i = 0, root = 1; i < degree; i++, root = multiply(root, 2))
    terms = [...terms, 0].map((term, k) => term ^ multiply(terms[k - 1] ?? 0, root));
  return terms.slice(1);
}

function checksOf(data: number[], generator: number[]): number[] {
  let rest = generator.map(() => 0);
  for (const byte of data) {
    const factor = byte ^ (rest[0] ?? 0);
    rest = [...rest.slice(1), 0].map((term, i) => term ^ multiply(generator[i] ?? 0, factor));
  }
  return rest;
}

/* ---- text to codewords ---- */

/** Mode, length, bytes, terminator, padding: exactly `room` codewords; undefined if too long. */
function pack(bytes: Uint8Array, version: number, room: number): number[] | undefined {
  const bits: number[] = [];
  const put = (value: number, count: number) => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  if (bits.length > 8 * room) return undefined;
  put(0, Math.min(4, 8 * room - bits.length));
  while (bits.length % 8) bits.push(0);
  const words: number[] = [];
  for (let i = 0; i < bits.length; i += 8) words.push(bits.slice(i, i + 8).reduce((byte, bit) => 2 * byte + bit, 0));
  for (let pad = 0xec; words.length < room; pad ^= 0xec ^ 0x11) words.push(pad);
  return words;
}

/** Blocks with their error correction codewords, interleaved. The last blocks are one longer. */
function interleave(data: number[], blocks: number, checks: number): number[] {
  const short = Math.floor(data.length / blocks);
  const longer = data.length % blocks;
  const generator = generatorOf(checks);
  let at = 0;
  const parts = Array.from({ length: blocks }, (_, i) => {
    const part = data.slice(at, at + short + (i >= blocks - longer ? 1 : 0));
    at += part.length;
    return part;
  });
  const inTurn = (lists: number[][]) =>
    Array.from({ length: Math.max(...lists.map((list) => list.length)) }, (_, i) =>
      lists.flatMap((list) => list[i] ?? []),
    ).flat();
  return [...inTurn(parts), ...inTurn(parts.map((part) => checksOf(part, generator)))];
}

/* ---- masks ---- */

const MASKS: ReadonlyArray<(row: number, column: number) => boolean> = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

/** Penalty score of section 7.8.3; lower is easier to scan. */
function penalty(dark: Modules): number {
  const size = dark.length;
  const lines = [...dark, ...dark.map((_, i) => dark.map((row) => row[i] ?? false))].map((line) =>
    line.map((one) => (one ? '1' : '0')).join(''),
  );
  let sum = 0;
  for (const line of lines) {
    for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
    /* finder-like patterns with a light side; they may overlap */
    for (const _ of line.matchAll(/(?=00001011101|10111010000)/g)) sum += 40;
  }
  for (let r = 1; r < size; r++)
    for (let c = 1; c < size; c++) {
      const one = dark[r]?.[c];
      if (one === dark[r - 1]?.[c] && one === dark[r]?.[c - 1] && one === dark[r - 1]?.[c - 1]) sum += 3;
    }
  const share = dark.flat().filter(Boolean).length / (size * size);
  return sum + 10 * Math.floor(Math.abs(share - 0.5) * 20);
}

function fill(version: number, words: number[], mask: number): Modules {
  const grid = new Grid(version);
  grid.format(mask);
  let at = 0;
  for (const [row, column] of grid.places()) {
    const bit = ((words[at >> 3] ?? 0) >> (7 - (at & 7))) & 1; // remainder bits are 0
    at++;
    const line = grid.dark[row];
    if (line) line[column] = (bit === 1) !== MASKS[mask]?.(row, column);
  }
  return grid.dark;
}

/** Smallest code for a text. @return undefined for texts above 666 bytes */
export function qrCode(text: string): Modules | undefined {
  const bytes = new TextEncoder().encode(text);
  for (let version = 1; version <= CHECKS.length; version++) {
    const [checks, blocks] = [CHECKS[version - 1] ?? 0, BLOCKS[version - 1] ?? 0];
    const total = Math.floor([...new Grid(version).places()].length / 8);
    const data = pack(bytes, version, total - checks * blocks);
    if (!data) continue;
    const words = interleave(data, blocks, checks);
    const codes = MASKS.map((_, mask) => fill(version, words, mask));
    return codes.reduce((best, code) => (penalty(code) < penalty(best) ? code : best));
  }
  return undefined;
}
