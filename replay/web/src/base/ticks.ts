// Rendering by time.

import { useEffect, useState } from 'preact/hooks';

/** Render again every second, or as often as it is given, while it is there. */
export function useTicks(ms = 1000): void {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), ms);
    return () => clearInterval(timer);
  }, [ms]);
}
