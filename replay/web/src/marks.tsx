// What a page does to tags and notes, by keyboard and by buttons.

import { type Act, Impact, type Tag, Tag_Recovery } from '../gen/protocol/acts_pb';
import type { Connection } from './connection';
import {
  againAct,
  changeAct,
  type Moment,
  noteAct,
  removeAct,
  type SessionModel,
  tagAct,
} from './model';

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
export function recovery(recovered: boolean): Partial<Tag> {
  return { recovered, recovery: recovered ? Tag_Recovery.RECOVERED : Tag_Recovery.UNSPECIFIED };
}
