import type { EventOf, TaskEvent } from '../../api/task.ts';
import { formatDuration } from '../../parts/duration.ts';
import type { NoteRow } from './rows.ts';

type Note = Pick<NoteRow, 'kind' | 'severity' | 'tone' | 'label' | 'text'>;

/** The row of an event that stands for itself; undefined if people need none. */
export function noteOf(event: TaskEvent): Note | undefined {
  switch (event.kind) {
    case 'created':
      return note('message', `Task of ${event.agent_id}`, event.description);
    case 'started':
      return note('state', 'Started');
    case 'output':
      return { kind: 'model', severity: 'info', tone: 'model', label: '', text: event.text };
    case 'file_changed':
      return note('state', `Changed ${event.path}`);
    case 'todo':
      return todoNote(event);
    case 'request_opened':
      return requestNote(event);
    case 'message':
      return messageNote(event);
    case 'control':
      return note('state', `${CONTROLS[event.control]} requested by ${event.by}`, event.reason);
    case 'retrying':
      return retryNote(event);
    case 'warning':
      return problem('warning', event.code, event.message);
    case 'paused':
      return note('state', 'Paused');
    case 'resumed':
      return note('state', 'Resumed');
    case 'completed':
      return { kind: 'state', severity: 'info', tone: 'ok', label: 'Completed', text: resultText(event) };
    case 'failed':
    case 'timeout':
      return problem(
        'error',
        event.error.code,
        [event.error.message, event.error.next].filter(Boolean).join('\n'),
      );
    case 'cancelled': {
      const label = `Cancelled by ${event.by}`;
      return { kind: 'state', severity: 'info', tone: 'warning', label, text: event.reason ?? '' };
    }
    case 'attached':
    case 'message_sent':
    case 'request_closed':
    case 'tool':
    case 'usage':
      return undefined;
    default:
      return unknownNote(event);
  }
}

const CONTROLS = { cancel: 'Cancel', pause: 'Pause', resume: 'Resume' } as const;
const REPLIES: Record<string, string> = {
  once: 'Allowed once',
  always: 'Always allowed',
  reject: 'Rejected',
  none: 'Obsolete',
};
const AUTHORS = { agent: 'the agent', human: 'a person', system: 'the bridge' } as const;

/** The row of an answer; `title` is the one of its request, if that is known. */
export function answerNote(event: EventOf<'request_closed'>, title: string | undefined): Note {
  const { by, reply, message } = event;
  const label = `${REPLIES[reply] ?? 'Answered'} by ${by}`;
  const answer = REPLIES[reply] || reply === 'answered' || reply === 'unknown' ? undefined : reply;
  return { ...note('state', label, [title, answer, message].filter(Boolean).join('\n')), kind: 'request' };
}

function note(tone: 'message' | 'state', label: string, text = ''): Note {
  return { kind: tone, severity: 'info', tone, label, text };
}

function problem(severity: 'warning' | 'error', label: string, text: string): Note {
  return { kind: 'problem', severity, tone: severity, label, text };
}

function todoNote({ items }: EventOf<'todo'>): Note {
  const done = items.filter(({ status }) => status === 'completed').length;
  const current = items.find(({ status }) => status === 'in_progress')?.content;
  return note('state', `Steps: ${done} of ${items.length} done`, current);
}

function requestNote({ request }: EventOf<'request_opened'>): Note {
  const { type, title, questions = [] } = request;
  const asked = questions.map(({ question, options }) =>
    [question, ...options.map(({ label, description }) => `  • ${label} — ${description}`)].join('\n'),
  );
  const label = type === 'permission' ? 'Asks for permission' : 'Asks a question';
  const text = asked.length > 0 ? asked.join('\n') : title;
  return { kind: 'request', severity: 'info', tone: 'ask', label, text };
}

function messageNote({ from, delivery, text }: EventOf<'message'>): Note {
  return note(
    'message',
    `Message of ${AUTHORS[from]}${delivery === 'interrupt' ? ', interrupts' : ''}`,
    text,
  );
}

function retryNote({ at, attempt, message, next_at }: EventOf<'retrying'>): Note {
  const wait = Date.parse(next_at ?? at) - Date.parse(at);
  return problem('warning', `Call of the model failed; retry ${attempt} in ${formatDuration(wait)}`, message);
}

function resultText({ result }: EventOf<'completed'>): string {
  const { files_changed_total: files, finish, exit_code, processes_left = [] } = result;
  return [
    `${files === 1 ? '1 file' : `${files} files`} changed`,
    ...(finish === 'stop' ? [] : [`Finish reason of the model: ${finish}`]),
    ...(exit_code ? [`Exit code: ${exit_code}`] : []),
    ...processes_left.map(({ command }) => `Left running: ${command}`),
  ].join('\n');
}

/** A kind that this page does not know yet. */
function unknownNote(event: never): Note {
  const { kind } = event as { kind: string };
  return note('state', kind);
}
