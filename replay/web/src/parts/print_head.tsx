import { useEffect, useState } from 'preact/hooks';
import { date } from '../base/format';

/** The head of a printed document: the part of the program that it is of, title, and when it was printed. */
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
