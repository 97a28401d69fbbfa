// A minimal observable: an object that notifies its listeners of changes.

import { useEffect, useReducer } from 'preact/hooks';

export class Emitter {
  #listeners = new Set<() => void>();

  /** Call `listener` after every change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Render again whenever the emitter changes, at most once a frame. */
export function useEmitter<T extends Emitter>(emitter: T): T {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let asked = 0;
    const stop = emitter.subscribe(() => {
      if (asked) return;
      asked = requestAnimationFrame(() => {
        asked = 0;
        render(undefined);
      });
    });
    render(undefined); // it may have changed before this effect ran
    return () => {
      stop();
      cancelAnimationFrame(asked);
    };
  }, [emitter]);
  return emitter;
}
