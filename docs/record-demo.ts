import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Chunk, replayTerminal } from './terminal.ts';
import { terminalSvg } from './terminal-svg.ts';

const ROOT = join(import.meta.dirname, '..');
const COLUMNS = 104;
/** What arrives at once is shown block by block, each with this time to read it. */
const READING_MS = 900;

/** Runs `npm run demo` in a pseudo-terminal (`script` of util-linux) and draws what it wrote. */
async function record(): Promise<Chunk[]> {
  const command = `stty cols ${COLUMNS} rows 50; npm run --silent demo`;
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const start = Date.now();
  const chunks: Chunk[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    chunks.push({ atMs: Date.now() - start, text });
  });
  const [exitCode] = await once(child, 'close');
  if (exitCode !== 0) throw new Error(`"npm run demo" ended with exit code ${exitCode}.`);
  return chunks;
}

/** A block begins after an empty line; it starts no sooner than the one before it can be read. */
function paced(chunks: readonly Chunk[]): Chunk[] {
  let delayMs = 0;
  let lastMs = 0;
  return chunks.flatMap(({ atMs, text }) =>
    text.split(/(?<=\n)(?=\r?\n)/).map((block, index) => {
      if (index > 0 || /^\r?\n/.test(block)) delayMs = Math.max(delayMs, lastMs + READING_MS - atMs);
      lastMs = atMs + delayMs;
      return { atMs: lastMs, text: block };
    }),
  );
}

const command: Chunk = { atMs: 0, text: '$ npm run demo\n' };
const shown = replayTerminal([command, ...paced(await record())], COLUMNS);
writeFileSync(join(ROOT, 'docs/demo.svg'), terminalSvg(shown, COLUMNS, 'npm run demo in a terminal'));
