import { describeEvent } from '../../tasks/describe-event.ts';
import type { EventOf, TaskEvent } from '../../tasks/events.ts';
import { isLive, type LiveFrame } from '../../tasks/live-frame.ts';
import type { TaskStatus } from '../../tasks/task.ts';
import type { View } from './events-view.ts';

/** Characters of a part that are remembered, to tell what of its finished text was shown. */
const MAX_SHOWN = 100_000;
/** Parts that are remembered: one whose model call failed is never finished. */
const MAX_PARTS = 100;

/** What was shown of a part that is not finished. */
interface Shown {
  text: string;
  /** Text is missing in between: nothing more is shown until the part is finished. */
  frozen: boolean;
}

/**
 * A task as a terminal shows it: what the model writes and commands print as `stdout`, warnings and errors as `stderr`,
 * states as `status`. Live text is shown as it comes, and a finished part only with what was not shown of it.
 */
export function terminalView(): View {
  const shown = new Map<string, Shown>();
  const open = new Set<string>();

  /** What of a finished text was not shown; all of it if something else was shown. */
  const rest = (part: string, text: string): string => {
    const before = shown.get(part)?.text ?? '';
    shown.delete(part);
    if (text.startsWith(before)) return line(text.slice(before.length), before);
    // A stored output is the end of a longer one.
    if (before.endsWith(text)) return line('', before);
    return `${line('', before)}${line(text)}`;
  };

  const live = ({ part, text, child, gap, reset }: LiveFrame): string => {
    if (child) return '';
    const before = shown.get(part) ?? { text: '', frozen: false };
    const frozen = before.frozen || gap === true || (reset === true && before.text !== '');
    shown.delete(part);
    shown.set(part, { text: frozen ? before.text : (before.text + text).slice(-MAX_SHOWN), frozen });
    const [oldest] = shown.keys();
    if (shown.size > MAX_PARTS && oldest !== undefined) shown.delete(oldest);
    return frozen ? '' : text;
  };

  const stdout = (event: TaskEvent): string => {
    if (event.kind === 'output') return rest(event.part_id, event.text);
    if (event.kind !== 'tool') return '';
    if (event.phase === 'started') return `$ ${event.title || event.tool}\n`;
    return rest(event.call_id, event.output ?? '');
  };

  const status = (event: TaskEvent): TaskStatus | undefined => {
    if (event.kind === 'request_opened') open.add(event.request.id);
    if (event.kind !== 'request_closed') return STATUS[event.kind];
    open.delete(event.request_id);
    return open.size === 0 ? 'running' : undefined;
  };

  return (item) => {
    const timestamp = new Date(item.at).toISOString();
    if (isLive(item)) return framesOf({ stdout: live(item) }, { timestamp });
    const texts = { stdout: stdout(item), stderr: stderr(item), status: status(item) };
    return framesOf(texts, { timestamp, seq: item.seq });
  };
}

/** At most one frame of each type. */
function framesOf(texts: Record<string, string | undefined>, rest: object): string[] {
  return Object.entries(texts).flatMap(([type, data]) =>
    data ? [JSON.stringify({ type, data, ...rest })] : [],
  );
}

/** The text with a line break at its end, if it or what was shown `before` it has none. */
function line(text: string, before = ''): string {
  const all = before + text;
  return all === '' || all.endsWith('\n') ? text : `${text}\n`;
}

function stderr(event: TaskEvent): string {
  if (event.kind === 'tool') return failure(event);
  if (!ON_STDERR.has(event.kind)) return '';
  return line(describeEvent(event) ?? '');
}

function failure({ ok, tool, exit_code }: EventOf<'tool'>): string {
  if (ok !== false) return '';
  return exit_code === undefined ? `${tool} failed\n` : `exit code ${exit_code}\n`;
}

const ON_STDERR: ReadonlySet<TaskEvent['kind']> = new Set([
  'warning',
  'retrying',
  'request_opened',
  'failed',
  'timeout',
]);

const STATUS: Partial<Record<TaskEvent['kind'], TaskStatus>> = {
  created: 'queued',
  started: 'running',
  request_opened: 'input_required',
  paused: 'paused',
  resumed: 'running',
  completed: 'completed',
  failed: 'failed',
  timeout: 'timeout',
  cancelled: 'cancelled',
};
