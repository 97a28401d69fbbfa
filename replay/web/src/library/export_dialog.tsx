// Export of a session: files as made by the recorder's commands, for download.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ExportSession_Part as Part, type SessionSummary } from '../../gen/protocol/wire_pb';
import { copyText } from '../base/clipboard';
import { bytes } from '../base/format';
import type { Connection } from '../net/connection';
import { Notice } from '../parts/parts';
import { sessionName } from './session_actions';

const PARTS: ReadonlyArray<[Part, string]> = [
  [Part.TAGS, 'Tags of all layers (CSV)'],
  [Part.NOTES, 'Notes (CSV)'],
  [Part.ATTEMPTS, 'Attempts with outcomes and times (CSV)'],
  [Part.EVENTS, 'Events: clicks, scrolling, keys (CSV)'],
  [Part.TRANSCRIPT_VTT, 'Transcript (WebVTT)'],
  [Part.TRANSCRIPT_JSON, 'Transcript (JSON)'],
];

/** Start a browser download. */
function download(name: string, type: string, content: Uint8Array): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content as BlobPart], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function ask(connection: Connection, session: string, part: Part) {
  const answer = await connection.request({ case: 'exportSession', value: { session, part } });
  if (answer.body.case !== 'exported') throw new Error('the recorder is of another version');
  return answer.body.value;
}

export function ExportDialog({
  session,
  connection,
  onClose,
}: {
  session: SessionSummary;
  connection: Connection;
  onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [part, setPart] = useState(Part.TAGS);
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<{ text: string; leftOut: string[] }>();
  const [trouble, setTrouble] = useState('');
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const make = async () => {
    setBusy(true);
    setTrouble('');
    setResult(undefined);
    try {
      const file = await ask(connection, session.session, part);
      download(file.name, file.type, file.content);
      setResult({ text: `Downloaded: ${file.name}, ${bytes(file.content.length)}`, leftOut: file.leftOut });
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <dialog ref={dialog} class="asking exporting" aria-labelledby="export-title" onClose={onClose}>
      <h2 id="export-title">Export {sessionName(session)}</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void make();
        }}
      >
        <fieldset>
          <legend>Data to export</legend>
          {PARTS.map(([value, name]) => (
            <label key={value} class="check">
              <input type="radio" name="part" checked={part === value} onChange={() => setPart(value)} />
              {name}
            </label>
          ))}
        </fieldset>
        <div role="status">
          {busy && <p>Creating the file…</p>}
          {result && <p>{result.text}</p>}
          {result?.leftOut.map((text) => (
            <p key={text} class="hint">
              {text}
            </p>
          ))}
        </div>
        {trouble && <Notice kind="error">Not exported: {trouble}</Notice>}
        <Film session={session.session} connection={connection} />
        <div class="row">
          <button type="submit" class="primary" disabled={busy}>
            Download
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** Rendering a film takes minutes: the dialog offers its command, to be run on the recorder's machine. */
function Film({ session, connection }: { session: string; connection: Connection }) {
  const [command, setCommand] = useState('');
  const [reason, setReason] = useState('');
  const [copied, setCopied] = useState('');
  const text = useRef<HTMLElement>(null);
  useEffect(() => {
    ask(connection, session, Part.FILM).then(
      (answer) => setCommand(answer.command),
      (error: Error) => setReason(error.message),
    );
  }, [session]);
  const copy = async () => {
    const isCopied = await copyText(command);
    if (!isCopied && text.current) getSelection()?.selectAllChildren(text.current);
    setCopied(isCopied ? 'Copied' : 'Selected: press Ctrl+C to copy');
  };
  return (
    <section class="film" aria-labelledby="film-title">
      <h3 id="film-title">Film</h3>
      {reason && <p class="hint">{reason}</p>}
      {command && (
        <>
          <p class="hint">Run this command on the recorder’s machine:</p>
          <div class="row">
            <code ref={text}>{command}</code>
            <button type="button" class="small" onClick={() => void copy()}>
              Copy
            </button>
          </div>
          <p class="hint" role="status">
            {copied}
          </p>
        </>
      )}
    </section>
  );
}
