// Preflight: findings of the doctor, and a preview of the recorded picture.

import { useEffect, useState } from 'preact/hooks';
import type { DoctorReport, DoctorReport_Finding } from '../../gen/protocol/wire_pb';
import { DoctorReport_Finding_Level } from '../../gen/protocol/wire_pb';
import type { LiveDriver } from '../driver/live';
import { CheckedMeter } from '../media/meter';
import { Notice } from '../parts/parts';

const LEVELS = new Map([
  [DoctorReport_Finding_Level.GOOD, ['good', '✓']],
  [DoctorReport_Finding_Level.WARNING, ['warning', '!']],
  [DoctorReport_Finding_Level.BAD, ['bad', '✗']],
] as const);

/** A doctor report with its picture of the screen. */
function useDoctor(driver: LiveDriver) {
  const [report, setReport] = useState<DoctorReport>();
  const [trouble, setTrouble] = useState('');
  const [picture, setPicture] = useState('');
  const [busy, setBusy] = useState(false);
  const open = driver.connection.state === 'open';
  const look = () => {
    setBusy(true);
    driver.connection
      .request({ case: 'runDoctor', value: {} })
      .then(
        (answer) => {
          if (answer.body.case !== 'doctorReport') return;
          setReport(answer.body.value);
          setTrouble('');
        },
        (error: Error) => setTrouble(error.message),
      )
      .finally(() => setBusy(false));
  };
  useEffect(() => {
    if (open) look();
  }, [open]);
  useEffect(() => {
    const jpeg = report?.pictureJpeg as Uint8Array<ArrayBuffer> | undefined;
    const url = jpeg?.length ? URL.createObjectURL(new Blob([jpeg], { type: 'image/jpeg' })) : '';
    setPicture(url);
    return () => URL.revokeObjectURL(url);
  }, [report]);
  return { report, trouble, picture, busy, open, look };
}

export function Preflight({ driver }: { driver: LiveDriver }) {
  const { report, trouble, picture, busy, open, look } = useDoctor(driver);
  return (
    <section class="card doctor" aria-labelledby="doctor-title">
      <div class="row wrap">
        <h2 id="doctor-title">Recording check</h2>
        <span class="spring" />
        <button type="button" disabled={!open || busy} data-why="the check is running" onClick={look}>
          Check again
        </button>
      </div>
      {trouble && <Notice kind="error">{trouble}</Notice>}
      {picture ? (
        <figure>
          <img
            src={picture}
            width={report?.pictureWidthPx}
            height={report?.pictureHeightPx}
            alt="The participant’s current screen"
          />
          <figcaption class="hint">Current picture. Shown only here, not stored.</figcaption>
        </figure>
      ) : (
        <div class="nopicture">{report ? 'no picture' : open ? 'checking …' : 'not connected'}</div>
      )}
      <ul class="findings" aria-busy={busy}>
        {report?.findings.map((finding) => (
          <Finding key={finding.subject + finding.text} finding={finding} />
        ))}
      </ul>
    </section>
  );
}

function Finding({ finding }: { finding: DoctorReport_Finding }) {
  const [level, mark] = LEVELS.get(finding.level) ?? ['bad', '?'];
  return (
    <li class={level}>
      <span class="mark" role="img" aria-label={level}>
        {mark}
      </span>
      <b>{finding.subject}</b>
      <div class="found">
        {finding.text}
        {finding.meter && <CheckedMeter meter={finding.meter} />}
        {finding.advice && <em>{finding.advice}</em>}
        {finding.details.length > 0 && (
          <details>
            <summary aria-label={`Details: ${finding.subject}`}>Details</summary>
            <ul>
              {finding.details.map((detail) => (
                <li key={detail}>{detail}</li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </li>
  );
}
