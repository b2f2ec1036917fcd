import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { replayTerminal } from '../../docs/terminal.ts';
import { terminalSvg } from '../../docs/terminal-svg.ts';

it('a row is shown until it changes, and lines wrap at the width', () => {
  const shown = replayTerminal(
    [
      { atMs: 0, text: '$ demo\r\n\u001b[?25l\u001b[36m*\u001b[39m wait' },
      { atMs: 10, text: '\u001b[1G\u001b[0K* done' },
      { atMs: 20, text: '\u001b[1G\u001b[0K\u001b[?25habcdefgh\r\n' },
    ],
    6,
  );
  expect(shown).toEqual([
    { row: 0, text: '$ demo', fromMs: 0, toMs: undefined },
    { row: 1, text: '* wait', fromMs: 0, toMs: 10 },
    { row: 1, text: '* done', fromMs: 10, toMs: 20 },
    { row: 1, text: 'abcdef', fromMs: 20, toMs: undefined },
    { row: 2, text: 'gh', fromMs: 20, toMs: undefined },
  ]);
});

it('the cursor moves up over the rows of a spinner that wraps', () => {
  const erase = '\u001b[1G\u001b[0K\u001b[1A\u001b[1G\u001b[0K';
  const shown = replayTerminal(
    [
      { atMs: 0, text: 'abcdef' },
      { atMs: 5, text: `${erase}xy\r\n` },
    ],
    4,
  );
  expect(shown.filter(({ toMs }) => toMs === undefined)).toEqual([
    { row: 0, text: 'xy', fromMs: 5, toMs: undefined },
  ]);
});

it('the drawing escapes what it shows and names the tool that is called', () => {
  const svg = terminalSvg([{ row: 0, text: 'read_task_file a<b', fromMs: 0, toMs: undefined }], 80, 'title');
  expect(svg).toContain('<tspan class="b">read_task_file</tspan> a&lt;b</text>');
});

it('docs/demo.svg is small and shows the whole demo', async () => {
  const svg = await readFile(join(import.meta.dirname, '../../docs/demo.svg'), 'utf8');
  expect(svg.length).toBeLessThan(60_000);
  for (const text of ['$ npm run demo', 'opencode_execute_task', ': completed', 'get_task_history'])
    expect(svg).toContain(text);
});
