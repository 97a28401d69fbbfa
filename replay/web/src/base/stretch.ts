// Time stretching with constant pitch: waveform-similarity overlap-add (Verhelst and Roelands, ICASSP 1993). Input
// frames are overlapped at a different distance than they were taken at, each from the position near its ideal one that
// best continues the preceding frame.

/* distance of output frames */
const HOP_S = 0.01;
/* search range around a frame's ideal position: half of the longest period of a voice */
const SEARCH_S = 0.008;
/* step of the first search pass, in positions and in samples */
const COARSE = 4;
/* input that deviates more than this from its expected time restarts the stretcher */
const BREAK_S = 0.005;

export interface Stretched {
  samples: Float32Array<ArrayBuffer>;
  /** Input time of the first sample; each further one is `speed` input samples later. */
  atS: number;
}

/**
 * The output at a time comes from within the search range around it in the input. Frames are long enough to cover each
 * input sample at any speed, so nothing short is lost.
 */
export class Stretcher {
  #rateHz: number;
  #hop: number;
  #search: number;
  #window: Float32Array;
  #sum: Float32Array;

  #input: Float32Array;
  #end = 0; // end of the input in #input, after some leading silence; 0: no input
  #anchor = 0; // this sample …
  #anchorS = 0; // … is at this time: the newest timestamp
  #beganS = 0; // time of the first output sample
  #frame = 0; // number of the next frame; negative ones only lead in
  #last = 0; // position of the last frame

  constructor(
    readonly speed: number,
    rateHz: number,
  ) {
    const overlap = Math.max(2, Math.ceil(speed) + 1);
    this.#rateHz = rateHz;
    this.#hop = Math.round(HOP_S * rateHz);
    this.#search = Math.round(SEARCH_S * rateHz);
    const length = overlap * this.#hop;
    /* Hann window; overlapping ones add up to 1 */
    this.#window = Float32Array.from(
      { length },
      (_, i) => (2 / overlap) * Math.sin((Math.PI * (i + 0.5)) / length) ** 2,
    );
    this.#sum = new Float32Array(length);
    this.#input = new Float32Array(2 * rateHz);
  }

  /** @param atS  time of the first sample; returns the output ready so far */
  put(samples: Float32Array, atS: number): Stretched[] {
    const before = this.#end && Math.abs(atS - this.#endS()) > BREAK_S ? this.end() : [];
    if (!this.#end) this.#open(atS);
    /* clocks drift: each timestamp re-anchors the time */
    this.#anchor = this.#end;
    this.#anchorS = atS;
    this.#append(samples);
    return [...before, ...this.#run(Number.POSITIVE_INFINITY)];
  }

  /** Flush at the end of the input: returns the rest. */
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

  /** Overlap-add complete frames, or at the end all frames, up to `total` output samples. */
  #run(total: number): Stretched[] {
    const { length } = this.#window;
    const first = Math.max(0, this.#frame) * this.#hop;
    const hops: Float32Array[] = [];
    if (Number.isFinite(total)) this.#append(new Float32Array(3 * length));
    for (; this.#frame * this.#hop < total; this.#frame++) {
      /* the frame is centred on its time */
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

  /** Position near `ideal` whose input best matches the continuation of the last frame. */
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
    /* from the middle outwards: the nearest wins a tie */
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

  /** Similarity of two input positions over the overlap of two frames; 0 for silence. */
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

  /** Take the samples beyond the reach of further frames. */
  #take(): Float32Array {
    const out = this.#sum.slice(0, this.#hop);
    this.#sum.copyWithin(0, this.#hop);
    this.#sum.fill(0, this.#sum.length - this.#hop);
    return out;
  }
}
