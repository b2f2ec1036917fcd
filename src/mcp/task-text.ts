import type { Outcome, RequestView } from '../api/task-view.ts';
import { oneLine } from '../tasks/describe-event.ts';
import { tokensOf } from '../tasks/events.ts';

/** A task in a few lines: where it stands, what it made or asks, how to go on. */
export function textOfTask(view: Outcome): string {
  const { task_id, status, progress, queue_position, directory, result, error, requests, usage } = view;
  const lines = [
    `Task ${task_id} is ${status}${progress === undefined ? '' : ` (${progress}% of its steps)`}.`,
  ];
  if (queue_position !== undefined) lines.push(`Position in the queue: ${queue_position}.`);
  if (error) lines.push(`Error ${error.code}: ${error.message}`);
  if (result?.summary) lines.push(result.summary);
  if (result) lines.push(filesLine(result));
  if (result && result.finish !== 'stop') lines.push(`The model finished with ${result.finish}.`);
  if (result?.exit_code !== undefined) lines.push(`Exit code of the container: ${result.exit_code}.`);
  if (result?.processes_left) lines.push(processesLine(result.processes_left));
  if (tokensOf(usage) > 0) lines.push(`Used: ${tokensOf(usage)} tokens, $${usage.cost_usd}.`);
  lines.push(`Directory: ${directory}; workspace block: ${view.workspace_block_id}`);
  lines.push(...requests.map(requestLine), `Next: ${view.next}`);
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
    ({ header, question, options, multiple }) =>
      `${header}: ${question} [${options.map(optionText).join(' | ')}]${multiple ? ' (several)' : ''}`,
  );
  const what = [title, patterns?.join(' '), ...(asked ?? [])].filter(Boolean).join('; ');
  return `Request ${id} (${type}): ${oneLine(what, 2_000)}${expires_at ? `; open until ${expires_at}` : ''}`;
}

function optionText({ label, description }: { label: string; description: string }): string {
  return description === '' || description === label ? label : `${label}: ${description}`;
}
