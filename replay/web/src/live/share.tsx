// The observers' link, to copy, and as a QR code for phones. The moderator link is never shown.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { PAGE_LIVE } from '../../gen/protocol/constants';
import { copyText } from '../base/clipboard';
import { type Modules, qrCode } from '../base/qr';
import type { Connection } from '../net/connection';

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Address of a sibling page, with its key. */
function linkTo(page: string, key: string): string {
  const folder = location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1);
  return `${location.origin}${folder}${page}#${key}`;
}

/** Dark modules as one path; the quiet zone of four modules is light in both themes. */
function QrImage({ modules }: { modules: Modules }) {
  const size = modules.length + 8;
  const path = modules
    .map((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : '')).join(''))
    .join('');
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code of the observers’ link">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" shape-rendering="crispEdges" />
    </svg>
  );
}

export function ShareButton({ connection }: { connection: Connection }) {
  const panel = useRef<HTMLDivElement>(null);
  const [link, setLink] = useState('');
  const [trouble, setTrouble] = useState('');
  const ask = async () => {
    try {
      const { body } = await connection.request({ case: 'getObserverLink', value: {} });
      if (body.case === 'observerLink') setLink(linkTo(PAGE_LIVE, body.value.key));
      setTrouble('');
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <button type="button" popovertarget="share">
        Invite
      </button>
      <div
        ref={panel}
        id="share"
        popover="auto"
        class="share"
        role="dialog"
        aria-labelledby="share-title"
        onToggle={(event) => {
          if (event.newState === 'open') void ask();
          else setLink('');
        }}
      >
        <h2 id="share-title">Observers’ link</h2>
        {trouble && (
          <p class="trouble" role="alert">
            {trouble}
          </p>
        )}
        {link && <Link link={link} />}
        <button type="button" popovertarget="share" popovertargetaction="hide">
          Close
        </button>
      </div>
    </>
  );
}

function Link({ link }: { link: string }) {
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState('');
  const [isCode, setIsCode] = useState(false);
  const modules = useMemo(() => (isCode ? qrCode(link) : undefined), [link, isCode]);
  useEffect(() => field.current?.focus(), []);
  const copy = async () => {
    const isCopied = await copyText(link);
    field.current?.select();
    setCopied(isCopied ? 'Copied.' : 'The browser blocked copying. The link is selected: press Ctrl+C.');
  };
  return (
    <>
      <p class="hint">
        Anyone with this link can watch, tag and write notes until it is revoked, but not start or stop anything.
      </p>
      <div class="row">
        <input
          ref={field}
          class="linktext"
          readOnly
          value={link}
          aria-label="Link for observers"
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" class="primary" onClick={() => void copy()}>
          Copy
        </button>
      </div>
      <p class="hint" role="status">
        {copied}
      </p>
      {LOOPBACK.test(location.hostname) && (
        <p class="notice warning">
          This link works on this machine only, unless its port is forwarded (ssh -L {location.port}:127.0.0.1:{location.port})
          or a proxy serves it. Behind a proxy, open this page under the proxy’s name to get a link with that name.
        </p>
      )}
      <button type="button" aria-expanded={isCode} onClick={() => setIsCode(!isCode)}>
        {isCode ? 'Hide the QR code' : 'Show as QR code'}
      </button>
      {isCode && (modules ? <QrImage modules={modules} /> : <p class="trouble">The link is too long for a QR code.</p>)}
    </>
  );
}
