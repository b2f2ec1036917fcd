import { bold, code, lines, quoted, type Rich, rich, words } from '../../matrix/rich.ts';
import { describeEvent, oneLine } from '../../tasks/describe-event.ts';
import type { EventOf, InputRequest, TaskEvent } from '../../tasks/events.ts';
import { tokensOf } from '../../tasks/events.ts';
import { isEnd, type Task, type TaskStatus, usedMs } from '../../tasks/task.ts';
import { cut } from '../../text.ts';
import { duration } from '../duration.ts';

const DESCRIPTION_LIMIT = 1_000;
const SUMMARY_LIMIT = 4_000;
const QUESTION_LIMIT = 1_000;
const LABEL_LIMIT = 200;
const PATTERNS_LIMIT = 10;
const FILES_LIMIT = 20;

const ICONS: Readonly<Record<TaskStatus, string>> = {
  queued: '🕓',
  running: '⏳',
  input_required: '✋',
  paused: '⏸️',
  completed: '✅',
  failed: '❌',
  timeout: '⌛',
  cancelled: '🛑',
};

/** The state of a task: the first message of its thread, which is updated. */
export function card(task: Task, steps: readonly string[], remarks: readonly string[]): Rich {
  const { id, agentId, description, directory, status, progress } = task;
  const how = progress === undefined || isEnd(status) ? status : `${status}, ${progress} %`;
  return lines(
    rich`${ICONS[status]} ${bold(oneLine(description, LABEL_LIMIT))}`,
    rich`${how} · ${code(id)}`,
    rich`For: ${agentId} · Where: ${code(directory)}`,
    description.trim() !== oneLine(description, LABEL_LIMIT) && quoted(cut(description, DESCRIPTION_LIMIT)),
    ...remarks.map((remark) => rich`⚠️ ${remark}`),
    ...steps.map((step) => rich`• ${step}`),
  );
}

/** The step of the card for an event; undefined for other kinds. */
export function stepOf(event: TaskEvent): string | undefined {
  const { kind } = event;
  const isStep = kind === 'output' || kind === 'message' || kind === 'retrying' || kind === 'control';
  if (isStep || (kind === 'tool' && event.phase === 'finished')) return describeEvent(event);
  return undefined;
}

/** A request, with every way to answer it. */
export function request({ type, title, permission, patterns = [], questions = [] }: InputRequest): Rich {
  if (type === 'permission') {
    const shown = patterns.slice(0, PATTERNS_LIMIT);
    return lines(
      rich`🔐 ${bold(`May OpenCode do this? ${oneLine(title, LABEL_LIMIT)}`)}`,
      permission !== undefined && rich`Permission: ${permission}`,
      ...shown.map((pattern) => code(oneLine(pattern, LABEL_LIMIT))),
      patterns.length > shown.length && rich`and ${patterns.length - shown.length} more`,
      words(
        'React with ✅ (once), 🔁 (always) or ❌ (deny), or reply !allow, !always or !deny with a reason.',
      ),
    );
  }
  return lines(
    rich`❓ ${bold(`OpenCode asks: ${oneLine(title, LABEL_LIMIT)}`)}`,
    ...questions.flatMap(({ question, options }) => [
      words(cut(question, QUESTION_LIMIT)),
      ...options.map(({ label, description }, index) => option(index + 1, label, description)),
    ]),
    words(howToAnswer(questions.length)),
  );
}

function option(n: number, label: string, description: string): Rich {
  const more = description === '' ? '' : ` – ${oneLine(description, LABEL_LIMIT)}`;
  return rich`${n}. ${bold(oneLine(label, LABEL_LIMIT))}${more}`;
}

function howToAnswer(questions: number): string {
  return questions > 1
    ? `Reply with an answer to each of the ${questions} questions, separated by semicolons: numbers or your own words.`
    : 'React with the number, or reply with the number or your own words.';
}

/** A request after it was answered. */
export function closedRequest(title: string, { by, reply, message }: EventOf<'request_closed'>): Rich {
  return lines(
    rich`☑️ ${oneLine(title, LABEL_LIMIT)}`,
    rich`Answered by ${by}: ${bold(oneLine(reply, LABEL_LIMIT))}`,
    message !== undefined && quoted(cut(message, QUESTION_LIMIT)),
  );
}

export function warning({ message }: EventOf<'warning'>): Rich {
  return rich`⚠️ ${cut(message, QUESTION_LIMIT)}`;
}

/** The result of a task. */
export function outcome(task: Task): Rich {
  const { id, status, description, error, result, endedAt = task.updatedAt } = task;
  return lines(
    rich`${ICONS[status]} ${bold(`${status} after ${duration(usedMs(task, endedAt))}`)}: ${oneLine(description, LABEL_LIMIT)}`,
    error && rich`${bold(error.code)}: ${cut(error.message, QUESTION_LIMIT)}`,
    result && result.summary !== '' && quoted(cut(result.summary, SUMMARY_LIMIT)),
    result && files(result),
    used(task),
    rich`Details: get_task_history, get_task_files with task_id ${code(id)}`,
  );
}

function files({ files_changed: changed, files_changed_total: total }: NonNullable<Task['result']>): Rich {
  const shown = changed.slice(0, FILES_LIMIT);
  return lines(
    rich`Files changed: ${total}`,
    ...shown.map(({ path, change, additions, deletions }) => {
      const counts = additions === undefined ? '' : ` +${additions} −${deletions ?? 0}`;
      return rich`• ${code(oneLine(path, LABEL_LIMIT))} ${change}${counts}`;
    }),
    total > shown.length && rich`and ${total - shown.length} more`,
  );
}

function used({ usage }: Task): Rich {
  const tokens = tokensOf(usage).toLocaleString('en');
  return rich`Used: ${tokens} tokens, $${usage.cost_usd.toFixed(4)}`;
}
