import type { Outcome, RequestView } from '../api/task-view.ts';
import { oneLine } from '../tasks/describe-event.ts';

/** A task in a few lines: where it stands, what it made or asks, how to go on. */
export function textOfTask(view: Outcome): string {
  const { task_id, status, progress, queue_position, directory, result, error, requests } = view;
  const lines = [
    `Task ${task_id} is ${status}${progress === undefined ? '' : ` (${progress}% of its steps)`}.`,
  ];
  if (queue_position !== undefined) lines.push(`Position in the queue: ${queue_position}.`);
  if (error) lines.push(`Error ${error.code}: ${error.message}`);
  if (result?.summary) lines.push(result.summary);
  if (result) lines.push(filesLine(result));
  if (result?.processes_left) lines.push(processesLine(result.processes_left));
  lines.push(`Directory: ${directory}`, ...requests.map(requestLine), `Next: ${view.next}`);
  return lines.join('\n');
}

function filesLine({ files_changed, files_changed_total }: NonNullable<Outcome['result']>): string {
  if (files_changed_total === 0) return 'No files changed.';
  const shown = files_changed.slice(0, 10).map(({ path, change }) => `${change} ${path}`);
  const more = files_changed_total - shown.length;
  return `Files: ${shown.join(', ')}${more > 0 ? ` and ${more} more (get_task_files)` : ''}`;
}

function processesLine(left: NonNullable<NonNullable<Outcome['result']>['processes_left']>): string {
  const shown = left.slice(0, 5).map(({ command, ports }) => {
    const on = ports.length > 0 ? ` (port ${ports.join(', ')})` : '';
    return `${oneLine(command, 100)}${on}`;
  });
  return `Processes left: ${shown.join('; ')}${left.length > 5 ? ` and ${left.length - 5} more` : ''}`;
}

function requestLine({ id, type, title, patterns, questions, expires_at }: RequestView): string {
  const asked = questions?.map(
    ({ question, options }) => `${question} [${options.map(({ label }) => label).join(' | ')}]`,
  );
  const what = [title, patterns?.join(' '), ...(asked ?? [])].filter(Boolean).join('; ');
  return `Request ${id} (${type}): ${oneLine(what, 1_000)}${expires_at ? `; open until ${expires_at}` : ''}`;
}
