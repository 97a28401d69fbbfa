// Faster or slower sound with its pitch kept: waveform-similarity overlap-add (Verhelst and Roelands,
// ICASSP 1993). Frames of the input are laid over each other at another distance than they were taken
// at, each of them where, near its ideal place, it goes on best from the frame before.

/* the distance of two frames in the output */
const HOP_S = 0.01;
/* how far from its ideal place a frame may be taken: half of the longest period of a voice */
const SEARCH_S = 0.008;
/* the search first looks at every so many-th place, and there at every so many-th sample */
const COARSE = 4;
/* what comes further than this from where it was expected begins anew */
const BREAK_S = 0.005;

export interface Stretched {
  samples: Float32Array<ArrayBuffer>;
  /** When the first of them was in the input; each other is `speed` samples of the input later. */
  atS: number;
}

/**
 * What comes out at a time was within the search range of it. Frames are so long that every
 * sample of the input lies inside one of them: nothing short is left out at any speed.
 */
export class Stretcher {
  #rateHz: number;
  #hop: number;
  #search: number;
  #window: Float32Array;
  #sum: Float32Array;

  #input: Float32Array;
  #end = 0; // of what was put, in #input, after some silence; 0: nothing was put
  #anchor = 0; // this sample …
  #anchorS = 0; // … was at this time: the newest that was told
  #beganS = 0; // the output's first sample
  #frame = 0; // the next one's number; those before 0 only lead in
  #last = 0; // where the last one was taken

  constructor(
    readonly speed: number,
    rateHz: number,
  ) {
    const overlap = Math.max(2, Math.ceil(speed) + 1);
    this.#rateHz = rateHz;
    this.#hop = Math.round(HOP_S * rateHz);
    this.#search = Math.round(SEARCH_S * rateHz);
    const length = overlap * this.#hop;
    /* of Hann; all that lie over a sample add up to 1 */
    this.#window = Float32Array.from(
      { length },
      (_, i) => (2 / overlap) * Math.sin((Math.PI * (i + 0.5)) / length) ** 2,
    );
    this.#sum = new Float32Array(length);
    this.#input = new Float32Array(2 * rateHz);
  }

  /** @param atS  when the first sample was; returns what can be played by now */
  put(samples: Float32Array, atS: number): Stretched[] {
    const before = this.#end && Math.abs(atS - this.#endS()) > BREAK_S ? this.end() : [];
    if (!this.#end) this.#open(atS);
    /* clocks drift: what comes says anew what the time is */
    this.#anchor = this.#end;
    this.#anchorS = atS;
    this.#append(samples);
    return [...before, ...this.#run(Number.POSITIVE_INFINITY)];
  }

  /** Nothing more comes: returns the rest. */
  end(): Stretched[] {
    if (!this.#end) return [];
    const rest = this.#run(Math.round(((this.#endS() - this.#beganS) / this.speed) * this.#rateHz));
    this.#end = 0;
    return rest;
  }

  #endS(): number {
    return this.#anchorS + (this.#end - this.#anchor) / this.#rateHz;
  }

  #open(atS: number): void {
    const overlap = this.#window.length / this.#hop;
    this.#input.fill(0);
    this.#sum.fill(0);
    this.#end = 3 * this.#window.length;
    this.#beganS = atS;
    this.#frame = 1 - overlap;
    this.#last = 0;
  }

  #append(samples: Float32Array): void {
    if (this.#end + samples.length > this.#input.length) {
      const drop = Math.max(0, this.#last - this.#window.length - this.#search);
      const kept = this.#input.subarray(drop, this.#end);
      const grown = Math.max(this.#input.length, kept.length + 2 * samples.length);
      const input = new Float32Array(grown);
      input.set(kept);
      this.#input = input;
      this.#end -= drop;
      this.#anchor -= drop;
      this.#last -= drop;
    }
    this.#input.set(samples, this.#end);
    this.#end += samples.length;
  }

  /** Lay the frames that are there whole, or all up to the end, by when `total` samples came out. */
  #run(total: number): Stretched[] {
    const { length } = this.#window;
    const first = Math.max(0, this.#frame) * this.#hop;
    const hops: Float32Array[] = [];
    if (Number.isFinite(total)) this.#append(new Float32Array(3 * length));
    for (; this.#frame * this.#hop < total; this.#frame++) {
      /* the middle of the frame is at its time */
      const atS = this.#beganS + ((this.#frame * this.#hop + length / 2) * this.speed) / this.#rateHz;
      const ideal = Math.round(this.#anchor + (atS - this.#anchorS) * this.#rateHz - length / 2);
      if (ideal + this.#search + length > this.#end) break;
      this.#last = this.#bestNear(ideal);
      this.#lay();
      const hop = this.#take();
      if (this.#frame >= 0) hops.push(hop);
    }
    const samples = new Float32Array(Math.min(hops.length * this.#hop, total - first));
    hops.forEach((hop, i) => samples.set(hop.subarray(0, samples.length - i * this.#hop), i * this.#hop));
    return samples.length ? [{ samples, atS: this.#beganS + (first * this.speed) / this.#rateHz }] : [];
  }

  /** Where near `ideal` the input is most like what would have come after the last frame. */
  #bestNear(ideal: number): number {
    const natural = this.#last + this.#hop;
    let best = ideal;
    let most = this.#likeness(natural, ideal, COARSE);
    const look = (at: number, step: number) => {
      if (at < 0) return;
      const likeness = this.#likeness(natural, at, step);
      if (likeness <= most) return;
      most = likeness;
      best = at;
    };
    /* from the middle outwards: of equals the nearest is taken */
    for (let off = COARSE; off <= this.#search; off += COARSE) {
      look(ideal - off, COARSE);
      look(ideal + off, COARSE);
    }
    const coarse = best;
    most = this.#likeness(natural, coarse, 1);
    for (let off = 1; off < COARSE; off++) {
      look(coarse - off, 1);
      look(coarse + off, 1);
    }
    return best;
  }

  /** Of two places of the input, over the length that two frames share; 0 of silence. */
  #likeness(a: number, b: number, step: number): number {
    const input = this.#input;
    const length = this.#window.length - this.#hop;
    let product = 0;
    let energy = 1e-9;
    for (let i = 0; i < length; i += step) {
      const sample = input[b + i] ?? 0;
      product += (input[a + i] ?? 0) * sample;
      energy += sample * sample;
    }
    return product / Math.sqrt(energy);
  }

  #lay(): void {
    for (let i = 0; i < this.#sum.length; i++)
      this.#sum[i] = (this.#sum[i] ?? 0) + (this.#window[i] ?? 0) * (this.#input[this.#last + i] ?? 0);
  }

  /** What no further frame will reach. */
  #take(): Float32Array {
    const out = this.#sum.slice(0, this.#hop);
    this.#sum.copyWithin(0, this.#hop);
    this.#sum.fill(0, this.#sum.length - this.#hop);
    return out;
  }
}
