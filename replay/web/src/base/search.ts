// Case- and diacritic-insensitive search in the texts of a session.

export type HitKind = 'tag' | 'note' | 'event' | 'transcript';

export interface SearchItem {
  kind: HitKind;
  atNs: bigint;
  text: string;
}

export interface Found {
  kind: HitKind;
  /** The first of the hits. */
  items: SearchItem[];
  count: number;
}

const MARKS = /\p{M}/gu;

const foldedQuery = (query: string) => fold(query.trim()).replace(/\s+/g, ' ');

/** Fold to upper case, which maps ß to two letters and both sigmas to one. */
export function fold(text: string): string {
  return text.normalize('NFKD').replace(MARKS, '').toUpperCase();
}

/** All items of a session with their folded texts, computed once. */
export class SearchIndex {
  #items: SearchItem[] = [];
  #folded: string[] = [];

  constructor(items: readonly SearchItem[]) {
    this.#items = [...items];
    this.#folded = items.map(({ text }) => fold(text));
  }

  /** @param most  maximum number of items returned per kind; all are counted */
  find(query: string, most: number): Found[] {
    const wanted = foldedQuery(query);
    if (!wanted) return [];
    const found = new Map<HitKind, Found>();
    this.#folded.forEach((text, i) => {
      const item = this.#items[i];
      if (!item || !text.includes(wanted)) return;
      const ofKind = found.get(item.kind) ?? { kind: item.kind, items: [], count: 0 };
      found.set(item.kind, ofKind);
      ofKind.count++;
      if (ofKind.items.length < most) ofKind.items.push(item);
    });
    return KINDS.flatMap((kind) => found.get(kind) ?? []);
  }
}

export const KINDS: readonly HitKind[] = ['tag', 'note', 'event', 'transcript'];

/** Split a text into alternating parts without and with a match. Works letter by letter, so only for visible hits. */
export function marked(text: string, query: string): string[] {
  const wanted = foldedQuery(query);
  if (!wanted) return [text];
  let folded = '';
  const places: number[] = []; // position in the text of each letter of the folded text
  let at = 0;
  for (const letter of text) {
    const one = fold(letter);
    for (let i = 0; i < one.length; i++) places.push(at);
    folded += one;
    at += letter.length;
  }
  places.push(at);
  const parts: string[] = [];
  let done = 0;
  for (let hit = folded.indexOf(wanted); hit >= 0; hit = folded.indexOf(wanted, hit + wanted.length)) {
    const from = places[hit] ?? 0;
    let to = places[hit + wanted.length] ?? text.length;
    /* a match that ends within a letter, e.g. at the first s of ß, extends to the whole letter and its combining
       marks */
    while (to <= from && to < text.length) to++;
    while (to < text.length && /^\p{M}/u.test(text.slice(to))) to++;
    if (from < done) continue;
    parts.push(text.slice(done, from), text.slice(from, to));
    done = to;
  }
  parts.push(text.slice(done));
  return parts;
}
