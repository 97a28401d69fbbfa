// The list of tags and notes, and what is done to them by keyboard.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Act, Impact, type Note, type Tag, Tag_Recovery, Tag_Watching } from '../gen/protocol/acts_pb';
import type { Connection } from './connection';
import { useEmitter } from './emitter';
import { clock, lag } from './format';
import {
  againAct,
  changeAct,
  IMPACTS,
  impactNumber,
  type Moment,
  noteAct,
  removeAct,
  type SessionModel,
  tagAct,
} from './model';
import { TimeField } from './correct';
import { CodeChip } from './parts';

/** Says things about a session in one layer; all pages tag through this. */
export class Coder {
  /** What went wrong with the last act, for the page to show. */
  trouble = '';

  constructor(
    readonly model: SessionModel,
    readonly connection: Connection,
    public layer: string,
    readonly moment: () => Moment | undefined,
    /** May this page change it? */
    readonly mayChange: (act: Act) => boolean,
  ) {}

  /** Whether an act is in this page's layer: a coder's by principal, regardless of its name. */
  isMine(act: Act): boolean {
    return act.layerPrincipal ? act.layerPrincipal === this.connection.principal : act.layer === this.layer;
  }

  /** The layer as the recorder finds it, also when several coders have one name. */
  layerAsked(): string {
    const principal = this.connection.principal;
    const unsigned = this.model.marks().some(({ act }) => !act.layerPrincipal && act.layer === this.layer);
    return principal && !unsigned ? `coder:${principal}` : this.layer;
  }

  tag(code: string): void {
    const moment = this.moment();
    if (!moment) return;
    const attempt = this.model.attemptAt(moment.mediaNs)?.id ?? '';
    void this.put(tagAct(this.layer, code, moment, attempt));
  }

  /** @return why it was refused, or "" */
  async note(moment: Moment, text: string, mayTakeBack: () => boolean): Promise<string> {
    if (!text.trim()) return '';
    const act = noteAct(this.layer, moment, text.trim());
    const reason = await this.put(act);
    /* it goes back to its field, when that is free */
    if (reason && mayTakeBack()) this.model.forget(act.id);
    return reason;
  }

  /** 0 to 4 for the last tag of this page; the same number again takes it back. */
  impact(number: number): void {
    const act = this.model.lastOwn('tag')?.act;
    if (act?.body.case !== 'tag') return;
    const impact = (number + 1) as Impact;
    void this.put(changeAct(act, { impact: act.body.value.impact === impact ? Impact.UNRATED : impact }));
  }

  recovered(): void {
    const act = this.model.lastOwn('tag')?.act;
    if (act?.body.case === 'tag') void this.put(changeAct(act, recovery(!act.body.value.recovered)));
  }

  undo(): void {
    const entry = this.model.lastOwn();
    if (entry?.trouble) this.model.forget(entry.act.id);
    else if (entry) void this.remove(entry.act);
  }

  /** The last removed act, for as long as it can be restored. */
  removed?: Act;

  async remove(act: Act): Promise<void> {
    if (!(await this.put(removeAct(act))) && !this.model.entry(act.id)) this.removed = act;
    this.model.changed();
  }

  /** Restore the last removed act, as a new one with the same moment. */
  restore(): void {
    const act = this.removed;
    delete this.removed;
    if (act) void this.put(againAct(act));
  }

  /** @return why it was refused; "" when it is stored, or kept until there is a connection */
  async put(act: Act): Promise<string> {
    this.trouble = await this.model.put(this.connection, act);
    this.model.changed();
    return this.trouble;
  }

  /** @param mayTag  asked at the press: false while there is no moment that a tag could be set at */
  keys(mayTag: () => boolean = () => true): Record<string, () => void> {
    const map: Record<string, () => void> = {
      z: () => this.undo(),
      r: () => this.recovered(),
      'shift+z': () => this.restore(),
    };
    for (const code of this.model.study?.codes ?? [])
      map[code.key] = () => {
        if (mayTag()) this.tag(code.id);
      };
    for (let number = 0; number <= 4; number++) map[String(number)] = () => this.impact(number);
    return map;
  }
}

/* with the field of format 1 for it */
function recovery(recovered: boolean): Partial<Tag> {
  return { recovered, recovery: recovered ? Tag_Recovery.RECOVERED : Tag_Recovery.UNSPECIFIED };
}

function watchingText(tag: Tag): string {
  if (tag.watching === Tag_Watching.ROOM) return 'set in the room';
  if (tag.watching === Tag_Watching.STREAM && tag.lagUs > 0n)
    return `as it was seen, ${lag(Number(tag.lagUs) / 1000)} behind`;
  return '';
}

/** It can be brought back until the next one is removed. */
function Removed({ coder }: { coder: Coder }) {
  const act = coder.removed;
  const name = act?.body.case === 'tag' ? (coder.model.code(act.body.value.code)?.name ?? 'tag') : 'note';
  return (
    <p class="row removed" role="status">
      <span>Removed: {name}</span>
      <button type="button" class="small" onClick={() => coder.restore()}>
        Bring it back <kbd>⇧Z</kbd>
      </button>
    </p>
  );
}

function MarkEditor({
  coder,
  act,
  beginNs,
  hereNs,
  onDone,
}: {
  coder: Coder;
  act: Act;
  beginNs: bigint;
  hereNs?: () => bigint;
  onDone: () => void;
}) {
  const first = useRef<HTMLSelectElement>(null);
  const [noteText, setNoteText] = useState(
    act.body.case === 'tag' ? act.body.value.note : act.body.case === 'note' ? act.body.value.text : '',
  );
  /* before the next key can come */
  useLayoutEffect(() => first.current?.focus(), []);
  const tag = act.body.case === 'tag' ? act.body.value : undefined;
  const attempt = tag && coder.model.attempts().find(({ id }) => id === tag.attempt)?.attempt;
  const opportunities = (attempt && coder.model.task(attempt.task)?.opportunities) ?? [];
  const mediaNs = tag?.mediaNs ?? (act.body.case === 'note' ? act.body.value.mediaNs : 0n);
  /* a tag that is moved goes to the attempt at its new time */
  const movedTo = (ns: bigint) => ({
    mediaNs: ns,
    ...(tag && { attempt: coder.model.attemptAt(ns)?.id ?? tag.attempt }),
  });
  const save = (change: Partial<Tag> | Partial<Note>) =>
    coder.put(changeAct(coder.model.entry(act.id)?.act ?? act, change));
  return (
    <form
      class="editor"
      aria-label="Change it"
      onSubmit={async (event) => {
        event.preventDefault();
        /* text that is refused stays in its field */
        if (!(await save(tag ? { note: noteText } : { text: noteText }))) onDone();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onDone();
      }}
    >
      {tag && (
        <>
          <label>
            Code
            <select ref={first} value={tag.code} onChange={(event) => save({ code: event.currentTarget.value })}>
              {coder.model.study?.codes.map((code) => (
                <option key={code.id} value={code.id}>
                  {code.name}
                </option>
              ))}
            </select>
          </label>
          <label>
            Impact
            <select
              value={tag.impact}
              onChange={(event) => save({ impact: Number(event.currentTarget.value) as Impact })}
            >
              <option value={0}>not rated</option>
              {IMPACTS.map((name, number) => (
                <option key={name} value={number + 1}>
                  {number} {name}
                </option>
              ))}
            </select>
          </label>
          {opportunities.length > 0 && (
            <label>
              Made at
              <select
                value={tag.opportunity}
                onChange={(event) => save({ opportunity: event.currentTarget.value })}
              >
                <option value="">unplanned</option>
                {opportunities.map((opportunity) => (
                  <option key={opportunity.id} value={opportunity.id}>
                    {opportunity.title || opportunity.id}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label class="check">
            <input
              type="checkbox"
              checked={tag.recovered}
              onChange={(event) => save(recovery(event.currentTarget.checked))}
            />
            recovered
          </label>
        </>
      )}
      <TimeField label="Time" ns={mediaNs} beginNs={beginNs} hereNs={hereNs} onSet={(ns) => void save(movedTo(ns))} />
      <label class="wide">
        Note
        <input value={noteText} onInput={(event) => setNoteText(event.currentTarget.value)} />
      </label>
      <div class="row">
        <button type="submit" class="primary">
          Save
        </button>
        <button type="button" onClick={onDone}>
          Close
        </button>
        <span class="spring" />
        <button
          type="button"
          class="danger"
          onClick={() => {
            void coder.remove(act);
            onDone();
          }}
        >
          Remove
        </button>
      </div>
    </form>
  );
}

/**
 * @param coder    whose tags can be changed here
 * @param onGo     jump to a moment; without it times are not links
 * @param layers   which are shown
 */
export function MarkList({
  coder,
  beginNs,
  onGo,
  layers,
  currentNs,
}: {
  coder: Coder;
  beginNs: bigint;
  onGo?: (ns: bigint) => void;
  layers: (act: Act) => boolean;
  currentNs?: bigint;
}) {
  const model = useEmitter(coder.model);
  const [editing, setEditing] = useState('');
  const list = useRef<HTMLOListElement>(null);
  const marks = model.marks().filter((mark) => layers(mark.act));
  if (!marks.length)
    return (
      <>
        {coder.removed && <Removed coder={coder} />}
        <p class="empty">No tags yet. Press a code's key when something happens.</p>
      </>
    );
  return (
    <>
      {coder.removed && <Removed coder={coder} />}
      <ol class="marks" ref={list}>
      {(onGo ? marks : marks.reverse()).map(({ act, stored, waiting, trouble }) => {
        const body = act.body.value;
        const mine = coder.mayChange(act);
        const code = act.body.case === 'tag' ? model.code(act.body.value.code) : undefined;
        const impact = act.body.case === 'tag' ? impactNumber(act.body.value.impact) : undefined;
        const near = currentNs !== undefined && body.mediaNs <= currentNs && currentNs - body.mediaNs < 2_000_000_000n;
        return (
          <li key={act.id} data-act={act.id} class={`mark ${stored ? '' : 'pending'} ${mine ? 'mine' : ''} ${near ? 'near' : ''}`}>
            <div class="line">
              {onGo ? (
                <button
                  type="button"
                  class="time link"
                  data-media-ns={String(body.mediaNs)}
                  onClick={() => onGo(body.mediaNs)}
                >
                  {clock(body.mediaNs - beginNs)}
                </button>
              ) : (
                <span class="time" data-media-ns={String(body.mediaNs)}>
                  {clock(body.mediaNs - beginNs)}
                </span>
              )}
              {act.body.case === 'tag' ? (
                <span title={watchingText(act.body.value)}>
                  <CodeChip code={code} fallback={act.body.value.code} />
                </span>
              ) : (
                <span class="chip note">✎ note</span>
              )}
              {impact !== undefined && (
                <span class="impact" title={`Impact ${impact}: ${IMPACTS[impact]}`}>
                  {impact}
                </span>
              )}
              {act.body.case === 'tag' && act.body.value.recovered && (
                <span class="recovered" title="The participant recovered">
                  ↩ recovered
                </span>
              )}
              <span class="spring" />
              <span class="author" title={`layer ${act.layer}`}>
                {act.author || 'you'}
              </span>
              {mine && (
                <button
                  type="button"
                  class="quiet small"
                  aria-expanded={editing === act.id}
                  aria-label={`Change ${code?.name ?? 'note'} at ${clock(body.mediaNs - beginNs)}`}
                  onClick={() => setEditing(editing === act.id ? '' : act.id)}
                >
                  ⋯
                </button>
              )}
            </div>
            {act.body.case === 'tag' && act.body.value.opportunity && (
              <p class="detail">at “{opportunityTitle(model, act.body.value)}”</p>
            )}
            {(act.body.case === 'tag' ? act.body.value.note : act.body.value.text) && (
              <p class="detail">{act.body.case === 'tag' ? act.body.value.note : act.body.value.text}</p>
            )}
            {waiting && <p class="waiting">waiting for the connection</p>}
            {trouble && <Refused coder={coder} act={act} trouble={trouble} />}
            {editing === act.id && (
              <MarkEditor
                coder={coder}
                act={act}
                beginNs={beginNs}
                hereNs={onGo && (() => coder.moment()?.mediaNs ?? body.mediaNs)}
                onDone={() => {
                  setEditing('');
                  requestAnimationFrame(() =>
                    list.current?.querySelector<HTMLElement>(`[data-act="${act.id}"] [aria-expanded]`)?.focus(),
                  );
                }}
              />
            )}
          </li>
        );
      })}
      </ol>
    </>
  );
}

/** An act that the store refused: it is still here, and can be changed, sent again or given up. */
function Refused({ coder, act, trouble }: { coder: Coder; act: Act; trouble: string }) {
  return (
    <div class="refused">
      <p class="trouble">not stored: {trouble}</p>
      <div class="row">
        <button type="button" class="small" onClick={() => void coder.put(act)}>
          Try again
        </button>
        <button type="button" class="small quiet" onClick={() => coder.model.forget(act.id)}>
          Give it up
        </button>
      </div>
    </div>
  );
}

function opportunityTitle(model: SessionModel, tag: Tag): string {
  const attempt = model.attempts().find(({ id }) => id === tag.attempt)?.attempt;
  const found = (attempt ? model.task(attempt.task)?.opportunities : undefined)?.find(
    (opportunity) => opportunity.id === tag.opportunity,
  );
  return found?.title || tag.opportunity;
}

/** A note is stamped at its first key, not when it is finished. */
export function NoteField({ coder, disabled }: { coder: Coder; disabled: boolean }) {
  const [text, setText] = useState('');
  const [refused, setRefused] = useState('');
  const started = useRef<Moment | undefined>(undefined);
  const typed = useRef('');
  const type = (value: string, moment?: Moment) => {
    typed.current = value;
    setText(value);
    started.current = value ? (moment ?? started.current ?? coder.moment()) : undefined;
  };
  const submit = async () => {
    const moment = started.current;
    if (!moment) return;
    type('');
    const isFree = () => typed.current === '';
    const reason = await coder.note(moment, text, isFree);
    setRefused(isFree() ? reason : '');
    if (reason && isFree()) type(text, moment);
  };
  return (
    <form
      class="notefield"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <label class="hidden" for="note">
        Note (N)
      </label>
      <input
        id="note"
        value={text}
        disabled={disabled}
        placeholder="Note, stamped at its first key"
        autocomplete="off"
        aria-invalid={refused !== ''}
        aria-describedby={refused ? 'note-refused' : undefined}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <button type="submit" disabled={disabled || !text.trim()}>
        Add
      </button>
      {refused && (
        <p id="note-refused" class="trouble" role="alert">
          not stored: {refused}
        </p>
      )}
    </form>
  );
}
