// Tagging: changes by a person to the tags and notes of a session, in one layer; used by all pages.

import { type Act, Impact, type Tag, Tag_Planned, Tag_Recovery } from '../../gen/protocol/acts_pb';
import { Study_CountsAs, type Study_Opportunity } from '../../gen/protocol/study_pb';
import { againAct, changeAct, type Entry, IMPACTS, type Moment, noteAct, removeAct, type SessionModel, tagAct } from '../acts/model';
import { clock } from '../base/format';
import { hints, type KeyMap } from '../base/keys';
import type { Connection } from '../net/connection';

/** The mounted list of tags and notes. */
export interface MarkView {
  element: () => HTMLElement | null;
  /** True if an act is among its rows. */
  shows: (act: Act) => boolean;
  /** Scroll to an act of the list. */
  reveal: (id: string) => void;
}

/* probed heights of an element: a popover may cover part of it */
const HEIGHTS = [0.5, 0.15, 0.85];

/** True if an element is within the window and not covered by another panel. */
export function isSeen(element: HTMLElement): boolean {
  const box = element.getBoundingClientRect();
  const [left, right] = [Math.max(box.left, 0), Math.min(box.right, window.innerWidth)];
  const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, window.innerHeight)];
  if (right - left < 1 || bottom - top < 1) return false;
  return HEIGHTS.some((share) => {
    const hit = document.elementFromPoint((left + right) / 2, top + share * (bottom - top));
    return hit !== null && element.contains(hit);
  });
}

export class Coder {
  /** Error of the last act, for display. */
  trouble = '';
  /** The note being written, with the moment of its first key and its session. */
  draft: { text: string; moment?: Moment; session?: string } = { text: '' };
  #asked: readonly string[] = [];
  #view?: MarkView;

  constructor(
    readonly model: SessionModel,
    readonly connection: Connection,
    public layer: string,
    readonly moment: () => Moment | undefined,
    /** True if this page may change an act. */
    readonly mayChange: (act: Act) => boolean,
    readonly beginNs: () => bigint,
  ) {}

  /** True if an act is in this page's layer: a coder's layer by principal, regardless of the name. */
  isMine(act: Act): boolean {
    return act.layerPrincipal ? act.layerPrincipal === this.connection.principal : act.layer === this.layer;
  }

  /** The layer in the form resolved by the recorder, also when several coders share a name. */
  layerAsked(): string {
    const principal = this.connection.principal;
    const unsigned = this.model.marks().some(({ act }) => !act.layerPrincipal && act.layer === this.layer);
    return principal && !unsigned ? `coder:${principal}` : this.layer;
  }

  /** "Mistake at 12:31" */
  describe(act: Act): string {
    if (act.body.case === 'tag') {
      const { code, mediaNs } = act.body.value;
      return `${this.model.code(code)?.name ?? code} at ${clock(mediaNs - this.beginNs())}`;
    }
    return act.body.case === 'note' ? `note at ${clock(act.body.value.mediaNs - this.beginNs())}` : 'it';
  }

  /* ---- visibility of effects ---- */

  /** Register the list of tags. @return the function that unregisters it */
  show(view: MarkView): () => void {
    this.#view = view;
    return () => {
      if (this.#view === view) this.#view = undefined;
    };
  }

  /** Scroll the list to one of its acts; the page itself does not scroll. */
  reveal(act: Act): void {
    if (this.#view?.shows(act)) this.#view.reveal(act.id);
  }

  /** @return the reason why a change of an act would be invisible, or "" */
  unseen(act?: Act): string {
    const list = this.#view?.element();
    const panel = list?.closest<HTMLElement>('.panel') ?? list;
    if (!panel || !this.#view) return 'the list of tags is not shown: open “Tags” first';
    if (act && !this.#view.shows(act)) return `the list does not show ${this.describe(act)} now`;
    if (act) this.#view.reveal(act.id);
    const row = act && panel.querySelector<HTMLElement>(`[data-act="${act.id}"]`);
    if (act) (row ?? panel).scrollIntoView({ block: 'nearest' });
    return isSeen(row ?? panel) ? '' : 'the list of tags is covered: close the panel over it first';
  }

  /* ---- tags and notes ---- */

  /** @return the reason for failing, or "" */
  tag(code: string): string {
    const moment = this.moment();
    if (!moment) return 'no picture to tag yet';
    const attempt = this.model.attemptAt(moment.mediaNs)?.id ?? '';
    const act = tagAct(this.layer, code, moment, attempt);
    void this.put(act);
    if (this.unseen()) hints.show(`Tagged: ${this.describe(act)}`);
    return '';
  }

  /**
   * Add a note to this session, or to an earlier one that still accepts notes.
   *
   * @return the reason of a refusal, or ""
   */
  async note(session: string, moment: Moment, text: string, mayTakeBack: () => boolean): Promise<string> {
    if (!text.trim()) return '';
    const act = noteAct(this.layer, moment, text.trim());
    if (session === this.model.session) {
      const reason = await this.put(act);
      /* return the text to its field, if that is empty */
      if (reason && mayTakeBack()) this.model.forget(act.id);
      return reason;
    }
    const reason = await this.model.putEarlier(this.connection, session, act);
    /* not in any list of this page */
    if (reason && !mayTakeBack()) this.model.lost = `${reason}. Its text: “${text.trim()}”`;
    return reason;
  }

  /** Change the last tag of this page, if visible. @return the reason for failing, or "" */
  #changeLast(change: (tag: Tag) => Partial<Tag>, none: string, isSeen: boolean): string {
    const act = this.model.lastOwn('tag')?.act;
    if (act?.body.case !== 'tag') return none;
    const why = isSeen ? '' : this.unseen(act);
    if (!why) void this.put(changeAct(act, change(act.body.value)));
    return why;
  }

  /**
   * Rate the last tag of this page from 0 to 4; repeating the number clears the rating.
   *
   * @param isSeen  the pressed control shows that tag and its impact
   * @return the reason for failing, or ""
   */
  impact(number: number, isSeen = false): string {
    const impact = (number + 1) as Impact;
    return this.#changeLast(
      (tag) => ({ impact: tag.impact === impact ? Impact.UNRATED : impact }),
      `no tag of yours to rate (${number} ${IMPACTS[number]})`,
      isSeen,
    );
  }

  /** @return the reason for failing, or "" */
  recovered(isSeen = false): string {
    return this.#changeLast(
      (tag) => recovery(!tag.recovered),
      'no tag of yours to mark as recovered',
      isSeen,
    );
  }

  /* ---- undo ---- */

  /** Remove the last tag or note of this tab. @return the reason for failing, or "" */
  undo(): string {
    const entry = this.model.lastOwn();
    if (!entry) return 'nothing of yours to undo';
    const why = this.unseen(entry.act);
    if (why) return why;
    if (entry.trouble) {
      const isChange = entry.before !== undefined || entry.stored;
      this.model.forget(entry.act.id);
      return `Discarded: ${isChange ? 'the change of ' : ''}${this.describe(entry.act)}`;
    }
    void this.remove(entry.act);
    return '';
  }

  get removed(): Act | undefined {
    return this.model.own.lastRemoved;
  }

  async remove(act: Act): Promise<void> {
    const whole = this.model.entry(act.id)?.act ?? act;
    const what = this.describe(whole);
    this.model.own.remove(whole);
    hints.show(`Removed: ${what}`);
    const reason = await this.put(removeAct(whole));
    if (reason) {
      this.model.own.forgetRemoved(whole.id);
      hints.show(`Not removed: ${what}: ${reason}`);
    }
    this.model.changed();
  }

  /** Restore the last removed act, as a new one with all its fields. @return the reason for failing, or "" */
  restore(): string {
    const act = this.removed;
    if (!act) return 'nothing to restore';
    const why = this.unseen();
    if (why) return why;
    this.model.own.forgetRemoved(act.id);
    void this.bringBack(act);
    return '';
  }

  /** Add a removed act as a new one with all its fields. @return the reason for failing, or "" */
  async bringBack(act: Act): Promise<string> {
    const again = againAct(act, this.isMine(act) ? this.layer : act.layer);
    const reason = await this.put(again);
    if (!reason) hints.show(`Restored: ${this.describe(again)}`);
    return reason;
  }

  /** @return the reason of a refusal; "" if stored, or kept until there is a connection */
  async put(act: Act): Promise<string> {
    this.trouble = await this.model.put(this.connection, act);
    this.model.changed();
    return this.trouble;
  }

  /* ---- error opportunities ---- */

  opportunities(act: Act): Study_Opportunity[] {
    if (act.body.case !== 'tag' || this.model.code(act.body.value.code)?.countsAs !== Study_CountsAs.ERROR) return [];
    const { attempt } = act.body.value;
    const task = this.model.attempts().find(({ id }) => id === attempt)?.attempt.task;
    return this.model.task(task ?? '')?.opportunities ?? [];
  }

  /** Errors of a layer with an opportunity not yet judged, in time order. @param attempt  restricts to one attempt */
  notJudged(isOfLayer: (act: Act) => boolean, attempt?: string): Entry[] {
    return this.model.marks().filter(({ act }) => {
      if (act.body.case !== 'tag' || !isOfLayer(act) || !this.mayChange(act)) return false;
      const tag = act.body.value;
      return (attempt === undefined || tag.attempt === attempt) && !isJudged(tag) && this.opportunities(act).length > 0;
    });
  }

  /** Ids of errors queued for judgement, the current one first, without those removed since. */
  get asked(): readonly string[] {
    return this.#asked.filter((id) => this.model.entry(id));
  }

  /** Queue errors for judgement of their opportunities, one after the other. */
  ask(ids: readonly string[]): void {
    this.#asked = ids;
    this.model.changed();
  }

  /**
   * Ask for the opportunity of this tab's last error.
   *
   * @param others  fallback if this tab has tagged none
   * @return the reason for failing, or ""
   */
  askLast(others: readonly Entry[] = []): string {
    const own = this.model.own.ids().map((id) => this.model.entry(id)?.act);
    const last = own.find((act) => act && this.opportunities(act).length > 0);
    const ids = last ? [last.id] : others.map(({ act }) => act.id);
    if (!ids.length) return 'no error of yours in a task with opportunities';
    this.ask(ids);
    return '';
  }

  /* ---- keys ---- */

  /**
   * @param whyNot  reason why no tag can be set now, or ""
   * @param others  errors that Enter asks about if this tab has tagged none
   */
  keys(whyNot: () => string, others: () => readonly Entry[] = () => []): KeyMap {
    const map: KeyMap = {
      z: () => this.undo(),
      r: () => this.recovered(),
      'shift+z': () => this.restore(),
      Enter: () => this.askLast(others()),
    };
    for (let number = 0; number <= 4; number++) map[String(number)] = () => this.impact(number);
    for (const code of this.model.study?.codes ?? []) map[code.key.toLowerCase()] = () => whyNot() || this.tag(code.id);
    return map;
  }

  /** Help texts of these keys. */
  help(): Array<readonly [string, string]> {
    const codes = this.model.study?.codes ?? [];
    if (!codes.length) return [];
    return [
      ...codes.map(({ key, name }) => [key.toUpperCase(), name] as const),
      ['0 1 2 3 4', `impact of your last tag: ${IMPACTS.join(', ')}`],
      ['R', 'mark your last tag as recovered'],
      ...(this.model.study?.tasks.some(({ opportunities }) => opportunities.length)
        ? [['Enter', 'choose the opportunity of your last error'] as const]
        : []),
      ['Z', 'undo your last tag or note'],
      ['shift+Z', 'restore the last removed tag or note'],
    ];
  }
}

/* with the equivalent field of format 1 */
export function recovery(recovered: boolean): Partial<Tag> {
  return { recovered, recovery: recovered ? Tag_Recovery.RECOVERED : Tag_Recovery.UNSPECIFIED };
}

/** True if the opportunity of an error is judged: named, or none. */
export function isJudged(tag: Tag): boolean {
  return tag.opportunity !== '' || tag.planned === Tag_Planned.UNPLANNED;
}

/** @param opportunity  its id; "": none of them; undefined: not judged */
export function judgement(opportunity: string | undefined): Partial<Tag> {
  if (opportunity === undefined) return { opportunity: '', planned: Tag_Planned.UNSPECIFIED };
  return { opportunity, planned: opportunity ? Tag_Planned.AT_OPPORTUNITY : Tag_Planned.UNPLANNED };
}
