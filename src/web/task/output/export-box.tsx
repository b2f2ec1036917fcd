import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from '../../api/client.ts';
import { copyText } from '../../parts/clipboard.ts';
import { saveFile } from '../../parts/save-file.ts';
import { type Format, fileOfEvents } from './download.ts';
import type { OutputLog } from './output-log.ts';
import { textOfRow } from './row-text.ts';

const SHOWN_MS = 3_000;
/** Rows that become text at once. */
const ROWS_AT_ONCE = 500;
const COUNT = new Intl.NumberFormat('en');
const ENDINGS: Record<Format, string> = { text: 'txt', jsonl: 'jsonl' };

/** Copies what is shown; downloads all there is. */
export function ExportBox({ output, taskId }: { output: OutputLog; taskId: string }) {
  const [said, setSaid] = useState('');
  const running = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => running.current?.abort(), []);

  const say = (text: string): void => {
    setSaid(text);
    setTimeout(() => setSaid((shown) => (shown === text ? '' : shown)), SHOWN_MS);
  };
  const copy = async (): Promise<void> => {
    const text = await textOfRows(output);
    say(
      (await copyText(text)) ? `${COUNT.format(output.shown.heights.ids.length)} rows copied` : 'Not copied',
    );
  };
  const download = async (format: Format): Promise<void> => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const { signal } = controller;
    const onProgress = (done: number, total: number): void =>
      setSaid(`${COUNT.format(done)} of ${COUNT.format(total)} events`);
    try {
      const file = await fileOfEvents(taskId, format, onProgress, signal);
      saveFile(file, `${taskId}.${ENDINGS[format]}`);
      say('Downloaded');
    } catch (thrown) {
      if (!signal.aborted) say(thrown instanceof Problem ? thrown.message : 'Not downloaded');
    }
  };
  return (
    <div class="exports">
      <output class="muted">{said}</output>
      <button type="button" class="quiet" onClick={() => void copy()}>
        Copy
      </button>
      <button type="button" class="quiet" onClick={() => void download('text')} title="Download as text">
        .txt
      </button>
      <button
        type="button"
        class="quiet"
        onClick={() => void download('jsonl')}
        title="Download as JSON lines"
      >
        .jsonl
      </button>
    </div>
  );
}

/** The rows that are shown, as text; made in steps, so that the page stays alive meanwhile. */
async function textOfRows(output: OutputLog): Promise<string> {
  const rows = [...output.shown];
  const parts: string[] = [];
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    parts.push(
      rows
        .slice(from, from + ROWS_AT_ONCE)
        .map(textOfRow)
        .join('\n'),
    );
    await new Promise((resolve) => setTimeout(resolve));
  }
  return `${parts.join('\n')}\n`;
}
