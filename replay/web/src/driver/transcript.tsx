// Transcript: the list beside the picture, captions below it.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Transcript as TranscriptMessage, Transcript_Cue } from '../../gen/protocol/wire_pb';
import { Emitter } from '../base/emitter';
import { bytes, clock, count } from '../base/format';
import { lastAtOrBefore, type Player } from '../media/player';
import type { Connection } from '../net/connection';
import { Notice } from '../parts/parts';

/* message size limit of the server */
const LIMIT_BYTES = 250_000;

export class Transcript extends Emitter {
  cues: Transcript_Cue[] = [];
  trouble = '';
  /** Unreadable parts of the file, one line each; the first ones only. */
  faults: string[] = [];
  faultCount = 0;

  #begins: Array<{ timeNs: bigint }> = [];
  #connection: Connection;
  #session: string;

  constructor(connection: Connection, session: string) {
    super();
    this.#connection = connection;
    this.#session = session;
  }

  load(): Promise<void> {
    return this.#attempt(async () => {
      const answer = await this.#connection.request({
        case: 'getTranscript',
        value: { session: this.#session },
      });
      if (answer.body.case === 'transcript') this.#take(answer.body.value);
    });
  }

  /** Replace the transcript with a file. */
  attach(file: File): Promise<void> {
    return this.#attempt(async () => {
      if (file.size > LIMIT_BYTES)
        throw new Error(`it has ${bytes(file.size)}, and at most ${bytes(LIMIT_BYTES)} can be attached`);
      await this.#put(await file.text());
    }, `${file.name} was not attached: `);
  }

  takeAway(): Promise<void> {
    return this.#attempt(async () => {
      await this.#put('');
    }, 'The transcript was not removed: ');
  }

  #take({ cues, faults, faultCount }: TranscriptMessage): void {
    this.cues = cues;
    this.faults = faults.map(({ line, text }) => `line ${line}: ${text}`);
    this.faultCount = faultCount;
    this.#begins = cues.map((cue) => ({ timeNs: cue.fromNs }));
  }

  async #put(vtt: string): Promise<void> {
    const answer = await this.#connection.request({ case: 'putTranscript', value: { session: this.#session, vtt } });
    if (answer.body.case === 'transcript') this.#take(answer.body.value);
    else await this.load();
  }

  async #attempt(action: () => Promise<void>, what = ''): Promise<void> {
    this.trouble = '';
    try {
      await action();
    } catch (error) {
      this.trouble = `${what}${error instanceof Error ? error.message : String(error)}.`;
    }
    this.changed();
  }

  /** Index of the cue at a time, or -1; of overlapping ones the last begun. */
  indexAt(ns: bigint): number {
    const begun = lastAtOrBefore(this.#begins, ns);
    for (let i = begun; i >= Math.max(0, begun - 8); i--)
      if ((this.cues[i]?.toNs ?? 0n) > ns) return i;
    return -1;
  }
}

/** Index of the current cue, or -1; renders only on changes. */
export function useCueIndex(transcript: Transcript, player: Player, atNs: () => bigint): number {
  const [index, setIndex] = useState(-1);
  useEffect(() => {
    const look = () => setIndex(transcript.indexAt(atNs()));
    const stops = [player.subscribe(look), transcript.subscribe(look)];
    look();
    return () => {
      for (const stop of stops) stop();
    };
  }, [transcript, player, atNs]);
  return index;
}

/** Captions of the current cue, below the picture: over it they would hide the participant's screen. */
export function Captions({
  transcript,
  player,
  atNs,
}: {
  transcript: Transcript;
  player: Player;
  atNs: () => bigint;
}) {
  const cue = transcript.cues[useCueIndex(transcript, player, atNs)];
  return (
    <div class="captions" tabIndex={0} role="region" aria-label="Captions">
      {cue && (
        <p>
          {cue.speaker && <b>{cue.speaker}: </b>}
          {cue.text}
        </p>
      )}
    </div>
  );
}

export function TranscriptPanel({
  transcript,
  session,
  index,
  beginNs,
  onGo,
}: {
  transcript: Transcript;
  session: string;
  /** Index of the current cue, or -1. */
  index: number;
  beginNs: bigint;
  onGo: (ns: bigint) => void;
}) {
  const { cues } = transcript;
  return (
    <div class="transcript">
      {transcript.trouble && <Notice kind="error">{transcript.trouble}</Notice>}
      {transcript.faultCount > 0 && <Faults transcript={transcript} />}
      {cues.length > 0 ? (
        <ol class="cues">
          {cues.map((cue, number) => (
            <li key={`${cue.fromNs}${number}`}>
              <button
                type="button"
                class="cue"
                aria-current={number === index ? 'true' : undefined}
                onClick={() => onGo(cue.fromNs)}
              >
                <span class="time">{clock(cue.fromNs - beginNs)}</span>
                <span>
                  {cue.speaker && <b>{cue.speaker} </b>}
                  {cue.text}
                </span>
              </button>
            </li>
          ))}
        </ol>
      ) : (
        <p class="empty">
          No transcript yet. Create one on the recording machine: <code>uxrec transcribe …/{session}</code>. Or attach a
          WebVTT file (.vtt) with times from the begin of the session, here or with{' '}
          <code>uxrec transcript …/{session} --attach FILE.vtt</code>.
        </p>
      )}
      <Files transcript={transcript} />
    </div>
  );
}

/** Lines of the file that were left out. */
function Faults({ transcript: { faults, faultCount } }: { transcript: Transcript }) {
  const more = faultCount - faults.length;
  return (
    <Notice kind="warning">
      {count(faultCount, 'part', 'parts')} of the file skipped: {faults.join('; ')}
      {more > 0 && `; and ${more} more`}.
    </Notice>
  );
}

function Files({ transcript }: { transcript: Transcript }) {
  const input = useRef<HTMLInputElement>(null);
  const [sure, setSure] = useState(false);
  const there = transcript.cues.length;
  return (
    <div class="row wrap files">
      <input
        ref={input}
        type="file"
        accept=".vtt,text/vtt"
        aria-label="Transcript file"
        hidden
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = ''; // allows choosing the same file again
          if (file) void transcript.attach(file);
        }}
      />
      {sure ? (
        <>
          <span>Remove {count(there, 'cue', 'cues')}?</span>
          <button
            type="button"
            class="small danger"
            onClick={() => {
              setSure(false);
              void transcript.takeAway();
            }}
          >
            Remove
          </button>
          <button type="button" class="small" onClick={() => setSure(false)}>
            Cancel
          </button>
        </>
      ) : (
        <>
          <button type="button" class="small" onClick={() => input.current?.click()}>
            {there ? 'Attach another…' : 'Attach transcript…'}
          </button>
          {there > 0 && (
            <button type="button" class="small quiet" onClick={() => setSure(true)}>
              Remove…
            </button>
          )}
        </>
      )}
    </div>
  );
}
