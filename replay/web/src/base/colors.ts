// Code book colours, adapted to both themes: visible on the background, with legible text on top.

type Rgb = readonly [red: number, green: number, blue: number];

const NO_COLOR: Rgb = [0x64, 0x74, 0x8b];
const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
/* --raised of app.css, the background nearer to mid-grey */
const LIGHT_GROUND: Rgb = [0xf5, 0xf8, 0xf8];
const DARK_GROUND: Rgb = [0x1c, 0x27, 0x28];
/* WCAG 2.2, 1.4.11: minimum contrast of shapes */
const SHAPE_CONTRAST = 3;
const STEPS = 40;

function parse(color: string): Rgb | undefined {
  const [red, green, blue] = (/^#(..)(..)(..)$/.exec(color) ?? []).slice(1).map((pair) => Number.parseInt(pair, 16));
  return red === undefined || green === undefined || blue === undefined || Number.isNaN(red + green + blue)
    ? undefined
    : [red, green, blue];
}

const hex = (color: Rgb) => `#${color.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;

/** Relative luminance, WCAG 2.2. */
function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((part) =>
    part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  ) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: Rgb, other: Rgb): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Mix the colour with black or white by the least amount that reaches the contrast to the background. */
function seenOn(color: Rgb, ground: Rgb, end: Rgb): Rgb {
  const mixed = (step: number) =>
    color.map((part, i) => Math.round(part + (((end[i] ?? 0) - part) * step) / STEPS)) as unknown as Rgb;
  for (let step = 0; step < STEPS; step++) if (contrast(mixed(step), ground) >= SHAPE_CONTRAST) return mixed(step);
  return end;
}

/* the better of the two has a contrast of at least 4.58 with every colour */
const inkOn = (color: Rgb) => (contrast(color, BLACK) > contrast(color, WHITE) ? BLACK : WHITE);

type CodeStyle = Record<'--code' | '--ink', string>;

/* cache: a list asks repeatedly for the few colours of a code book */
const styles = new Map<string, CodeStyle>();

/**
 * Custom properties for the style of an element that represents a code.
 *
 * @param color  "#rrggbb" of the code book; anything else: default colour
 *
 * @return `--code`, its colour, and `--ink`, the text colour on it, each for both themes
 */
export function codeStyle(color = ''): CodeStyle {
  const known = styles.get(color);
  if (known) return known;
  const style = fitted(parse(color) ?? NO_COLOR);
  styles.set(color, style);
  return style;
}

function fitted(wanted: Rgb): CodeStyle {
  const light = seenOn(wanted, LIGHT_GROUND, BLACK);
  const dark = seenOn(wanted, DARK_GROUND, WHITE);
  const both = (a: Rgb, b: Rgb) => `light-dark(${hex(a)}, ${hex(b)})`;
  return { '--code': both(light, dark), '--ink': both(inkOn(light), inkOn(dark)) };
}
