import { useEffect, useState } from 'preact/hooks';
import { date } from '../base/format';

/** Head of a printed document: part of the program, title, time of printing. */
export function PrintHead({ title, part = 'library', lines = [] }: { title: string; part?: string; lines?: string[] }) {
  const [printedNs, setPrinted] = useState(() => BigInt(Date.now()) * 1_000_000n);
  useEffect(() => {
    const now = () => setPrinted(BigInt(Date.now()) * 1_000_000n);
    window.addEventListener('beforeprint', now);
    return () => window.removeEventListener('beforeprint', now);
  }, []);
  return (
    <header class="printhead" aria-hidden="true">
      <strong>
        uxrec {part}: {title}
      </strong>
      <span>printed {date(printedNs)}</span>
      {lines.map((line) => (
        <span key={line}>{line}</span>
      ))}
    </header>
  );
}
