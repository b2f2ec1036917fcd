import { head } from '../text.ts';
import type { EventOf, TaskEvent } from './events.ts';

const LINE = 120;

/** An event in one short line; undefined for events that only the bridge needs. */
export function describeEvent(event: TaskEvent): string | undefined {
  const text = describe(event);
  return text === undefined ? undefined : oneLine(text);
}

/** A text without line breaks, of at most `limit` characters. */
export function oneLine(text: string, limit = LINE): string {
  // Cut first, so that a text of megabytes is not searched for spaces.
  const line = head(text, 4 * limit)
    .replace(/\s+/g, ' ')
    .trim();
  if (line.length <= limit && text.length <= 4 * limit) return line;
  return `${head(line, limit - 1)}…`;
}

function describe(event: TaskEvent): string | undefined {
  switch (event.kind) {
    case 'created':
      return 'accepted';
    case 'output':
      return event.text;
    case 'tool':
      return event.phase === 'started' ? `${event.tool}: ${event.title}` : finishedTool(event);
    case 'file_changed':
      return `wrote ${event.path}`;
    case 'todo':
      return `${event.items.filter(({ status }) => status === 'completed').length} of ${event.items.length} steps done`;
    case 'request_opened':
      return `asks: ${event.request.title}`;
    case 'request_closed':
      return `request ${event.request_id} closed by ${event.by}: ${event.reply}`;
    case 'message':
      return `message from ${event.from}: ${event.text}`;
    case 'control':
      return `${event.control} by ${event.by}${event.reason ? `: ${event.reason}` : ''}`;
    case 'retrying':
      return `model call failed, try ${event.attempt}: ${event.message}`;
    case 'warning':
      return `warning ${event.code}: ${event.message}`;
    case 'failed':
    case 'timeout':
      return `${event.kind}: ${event.error.message}`;
    case 'started':
    case 'paused':
    case 'resumed':
    case 'completed':
    case 'cancelled':
      return event.kind;
    case 'attached':
    case 'message_sent':
    case 'usage':
      return undefined;
  }
}

function finishedTool({ tool, title, ok, exit_code }: EventOf<'tool'>): string {
  const outcome = ok === false || (exit_code ?? 0) !== 0 ? 'failed' : 'done';
  return `${tool} ${outcome}${exit_code ? ` (exit code ${exit_code})` : ''}: ${title}`;
}
