// Legend of the signs over the picture.

import { Screen_HiddenReason as Reason } from '../../gen/protocol/screen_pb';

const REASONS = new Map<Reason, string>([
  [Reason.PLACE, 'areas hidden by the study'],
  [Reason.WINDOW, 'windows that match the study’s rules, and other windows of their programs'],
  [Reason.PASSWORD, 'the focused window, while a password may be typed there'],
  [Reason.OWN_PAGE, 'the moderator’s own page'],
]);

/** Reasons for redacted areas of the picture; nothing without any. */
export function HiddenLegend({ reasons }: { reasons: readonly Reason[] }) {
  const texts = reasons.map((reason) => REASONS.get(reason)).filter(Boolean);
  if (!texts.length) return null;
  return (
    <details class="legend">
      <summary>
        <span class="swatch" aria-hidden="true" /> hidden areas
      </summary>
      <p>Grey areas are hidden, here and in the recording:</p>
      <ul>
        {texts.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </details>
  );
}

/** Keys common to all pictures. */
export const PICTURE_KEYS = [
  ['+ -', 'enlarge, reduce the picture, also by ctrl and the wheel; arrow keys move it while it has the focus'],
  ['shift+Enter', 'full screen; Esc leaves it'],
] as const;

/** Section of the help. */
export function PictureHelp() {
  return (
    <>
      <h3>In the picture</h3>
      <dl class="signs">
        <div>
          <dt>
            <span class="ring" aria-hidden="true" /> orange ring
          </dt>
          <dd>left click, or touch</dd>
        </div>
        <div>
          <dt>
            <span class="ring other" aria-hidden="true" /> blue ring
          </dt>
          <dd>click of another button</dd>
        </div>
        <div>
          <dt>
            <span class="keychip">letter ×3</span>
          </dt>
          <dd>pressed keys by class; the keys themselves only where recorded</dd>
        </div>
        <div>
          <dt>
            <span class="swatch" aria-hidden="true" /> grey area
          </dt>
          <dd>hidden: see “hidden areas” above the picture for the reasons</dd>
        </div>
      </dl>
    </>
  );
}
