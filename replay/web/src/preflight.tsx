// Before a session: what would be recorded, as the doctor finds it.

import { useEffect, useState } from 'preact/hooks';
import type { DoctorReport } from '../gen/protocol/wire_pb';
import { DoctorReport_Finding_Level } from '../gen/protocol/wire_pb';
import type { LiveDriver } from './live';
import { CheckedMeter } from './meter';
import { Notice } from './parts';

const LEVELS = new Map([
  [DoctorReport_Finding_Level.GOOD, ['good', '✓']],
  [DoctorReport_Finding_Level.WARNING, ['warning', '!']],
  [DoctorReport_Finding_Level.BAD, ['bad', '✗']],
] as const);

export function Preflight({ driver }: { driver: LiveDriver }) {
  const [report, setReport] = useState<DoctorReport>();
  const [trouble, setTrouble] = useState('');
  const [picture, setPicture] = useState('');
  const open = driver.connection.state === 'open';
  const look = () =>
    driver.connection.request({ case: 'runDoctor', value: {} }).then(
      (answer) => {
        if (answer.body.case !== 'doctorReport') return;
        setReport(answer.body.value);
        setTrouble('');
        const jpeg = answer.body.value.pictureJpeg;
        setPicture((before) => {
          if (before) URL.revokeObjectURL(before);
          return jpeg.length
            ? URL.createObjectURL(new Blob([jpeg as Uint8Array<ArrayBuffer>], { type: 'image/jpeg' }))
            : '';
        });
      },
      (error: Error) => setTrouble(error.message),
    );
  useEffect(() => {
    if (open) void look();
  }, [open]);
  return (
    <section class="card doctor" aria-labelledby="doctor-title">
      <div class="row">
        <h2 id="doctor-title">What would be recorded</h2>
        <span class="spring" />
        <button type="button" disabled={!open} onClick={() => void look()}>
          Look again
        </button>
      </div>
      {trouble && <Notice kind="error">{trouble}</Notice>}
      {picture ? (
        <figure>
          <img
            src={picture}
            width={report?.pictureWidthPx}
            height={report?.pictureHeightPx}
            alt="The participant’s screen as it is now"
          />
          <figcaption class="hint">As it is now. Shown only here and kept nowhere.</figcaption>
        </figure>
      ) : (
        <div class="nopicture">{report ? 'no picture' : 'looking …'}</div>
      )}
      <ul class="findings">
        {report?.findings.map((finding) => {
          const [level, mark] = LEVELS.get(finding.level) ?? ['bad', '?'];
          return (
            <li key={finding.subject + finding.text} class={level}>
              <span class="mark" aria-label={level}>
                {mark}
              </span>
              <b>{finding.subject}</b>
              <span>
                {finding.text}
                {finding.meter && <CheckedMeter meter={finding.meter} />}
                {finding.advice && <em> {finding.advice}</em>}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
