import type { Color, Style } from './ansi.ts';

type Rgb = readonly [red: number, green: number, blue: number];

/** How a run is shown: classes of output.css, and colours that no class has. */
export interface Look {
  class: string;
  style?: { color?: string; backgroundColor?: string };
}

/** The 16 colours where they stand on, or are, a background; output.css has those of plain text. */
const SIXTEEN: readonly Rgb[] = [
  [0, 0, 0],
  [187, 38, 38],
  [22, 120, 48],
  [160, 108, 0],
  [36, 84, 200],
  [150, 50, 160],
  [0, 120, 140],
  [204, 204, 204],
  [102, 102, 102],
  [241, 76, 76],
  [35, 209, 139],
  [245, 245, 67],
  [92, 152, 245],
  [214, 112, 214],
  [41, 184, 219],
  [255, 255, 255],
];
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
/** The backgrounds of the two themes. */
const LIGHT: Rgb = [246, 247, 249];
const DARK: Rgb = [23, 27, 33];
/** WCAG AA. */
const CONTRAST = 4.5;
const FLAGS = ['bold', 'dim', 'italic', 'underline', 'strike'] as const;

/** Text is readable whatever colours were chosen: a colour without contrast moves towards black or white. */
export function lookOf(style: Style): Look {
  const classes: string[] = FLAGS.filter((flag) => style[flag]);
  const { foreground, background, inverse } = style;
  if (background === undefined && !inverse) {
    if (typeof foreground === 'number' && foreground < 16) classes.push(`color-${foreground}`);
    const look = { class: classes.join(' ') };
    if (foreground === undefined || (typeof foreground === 'number' && foreground < 16)) return look;
    const color = rgbOf(foreground);
    return {
      ...look,
      style: { color: `light-dark(${css(readable(color, LIGHT))}, ${css(readable(color, DARK))})` },
    };
  }
  const [text, ground] = inverse ? [background, foreground] : [foreground, background];
  if (ground === undefined) return { class: [...classes, 'inverse'].join(' ') };
  const back = rgbOf(ground);
  const front =
    text === undefined ? (contrast(BLACK, back) > contrast(WHITE, back) ? BLACK : WHITE) : rgbOf(text);
  return {
    class: classes.join(' '),
    style: { color: css(readable(front, back)), backgroundColor: css(back) },
  };
}

/** The colour, moved towards black or white until it can be read on the ground. */
export function readable(color: Rgb, ground: Rgb): Rgb {
  const end = contrast(BLACK, ground) > contrast(WHITE, ground) ? BLACK : WHITE;
  for (let step = 0; step < 10; step += 1) {
    const moved = mix(color, end, step / 10);
    if (contrast(moved, ground) >= CONTRAST) return moved;
  }
  return end;
}

/** The contrast ratio of WCAG, from 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

function luminance(color: Rgb): number {
  const [red = 0, green = 0, blue = 0] = color.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** A colour of the palette of 256: 16, a cube of 6 × 6 × 6, and 24 greys. */
function rgbOf(color: Color): Rgb {
  if (typeof color !== 'number') return color;
  const named = SIXTEEN[color];
  if (named) return named;
  if (color >= 232) {
    const grey = 8 + (color - 232) * 10;
    return [grey, grey, grey];
  }
  const level = (index: number): number => (index === 0 ? 0 : 55 + index * 40);
  const cube = color - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}

function mix(color: Rgb, end: Rgb, share: number): Rgb {
  const [red, green, blue] = color.map((value, index) =>
    Math.round(value + ((end[index] ?? 0) - value) * share),
  );
  return [red ?? 0, green ?? 0, blue ?? 0];
}

function css([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}
