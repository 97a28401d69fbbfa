// Purposes of a participant's consent, asked before a session.

/** The uses of Consent in protocol/acts.proto, in words. */
export const USES: ReadonlyArray<[use: string, words: string]> = [
  ['analysis', 'analysis by the team: replay, tags, metrics'],
  ['observers', 'live observation by others'],
  ['clips', 'showing excerpts within the company: films, pictures, sound'],
  ['publication', 'publishing excerpts'],
];

/** Default without the participant's tick: only people who work with the recording. */
export const USUAL_USES: readonly string[] = ['analysis', 'observers'];

export function ConsentUses({ uses, onChange }: { uses: readonly string[]; onChange: (uses: string[]) => void }) {
  return (
    <>
      <p class="hint">and to these uses:</p>
      {USES.map(([use, words]) => (
        <label key={use} class="check">
          <input
            type="checkbox"
            checked={uses.includes(use)}
            onChange={(event) =>
              onChange(
                USES.map(([one]) => one).filter((one) => (one === use ? event.currentTarget.checked : uses.includes(one))),
              )
            }
          />
          {words}
        </label>
      ))}
    </>
  );
}
