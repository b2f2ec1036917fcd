import type { Shown } from './terminal.ts';

const ROW_PX = 18;
const COLUMN_PX = 7.83;
const MARGIN_PX = 18;
/** How long the last screen stays before the recording starts again. */
const HOLD_MS = 8_000;

/** An animated SVG of a terminal, with its own dark background, so that any page can hold it. */
export function terminalSvg(shown: readonly Shown[], columns: number, title: string): string {
  const totalMs = Math.max(...shown.map(({ fromMs }) => fromMs)) + HOLD_MS;
  const rows = Math.max(...shown.map(({ row }) => row)) + 1;
  const width = Math.ceil(columns * COLUMN_PX + 2 * MARGIN_PX);
  const height = rows * ROW_PX + 2 * MARGIN_PX;
  const percent = (ms: number): string => `${Number(((ms / totalMs) * 100).toFixed(2))}%`;

  const keyframes = shown.map(({ fromMs, toMs }, index) => {
    const steps = new Map([['0%', 0]]).set(percent(fromMs), 1);
    if (toMs !== undefined) steps.set(percent(toMs), 0);
    const css = [...steps].map(([at, opacity]) => `${at}{opacity:${opacity}}`);
    return `@keyframes k${index}{${css.join('')}}`;
  });
  const texts = shown.map(({ row, text, toMs }, index) => {
    const x = MARGIN_PX + (text.length - text.trimStart().length) * COLUMN_PX;
    const y = MARGIN_PX + row * ROW_PX + 13;
    const hidden = toMs === undefined ? '' : ' class="h"';
    return `<text x="${x.toFixed()}" y="${y}"${hidden} style="animation-name:k${index}">${marked(text.trimStart())}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dce2;white-space:pre;animation:${totalMs}ms step-end infinite}
.h{opacity:0}
.b{fill:#7ee0a2;font-weight:bold}
@media (prefers-reduced-motion:reduce){text{animation:none}}
${keyframes.join('\n')}
</style>
<rect width="100%" height="100%" rx="8" fill="#16191f"/>
${texts.join('\n')}
</svg>
`;
}

/** The command and the names of tools at the start of a line stand out. */
function marked(text: string): string {
  const [name = ''] = /^(\$ .*|[a-z]+(_[a-z]+)+(?=[ :]|$))/.exec(text) ?? [];
  const rest = escaped(text.slice(name.length));
  return name === '' ? rest : `<tspan class="b">${escaped(name)}</tspan>${rest}`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
