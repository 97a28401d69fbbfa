// Periodic rendering.

import { useEffect, useState } from 'preact/hooks';

/** Render every second, or at the given interval, while mounted. */
export function useTicks(ms = 1000): void {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), ms);
    return () => clearInterval(timer);
  }, [ms]);
}
