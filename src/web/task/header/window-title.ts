import type { TaskDetail } from '../../api/task.ts';
import { visible } from '../../parts/plain-text.ts';
import { statusLabel } from '../../parts/status.tsx';

const LONGEST = 80;

/** The title of the window of a task: its state first, because a tab shows the first words only. */
export function windowTitle({ status, description }: Pick<TaskDetail, 'status' | 'description'>): string {
  return `${statusLabel(status)}: ${firstLine(description, LONGEST)}`;
}

/** The first line with text, cut at `longest` characters. */
export function firstLine(text: string, longest: number): string {
  const line =
    text
      .slice(0, 10_000)
      .split('\n')
      .find((it) => it.trim() !== '')
      ?.trim() ?? '';
  const characters = [...visible(line.slice(0, 4 * longest))];
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : characters.join('');
}
