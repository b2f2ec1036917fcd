import type { TaskDetail } from '../../api/task.ts';
import { firstLine } from '../../parts/first-line.ts';
import { statusLabel } from '../../parts/status-label.ts';

const LONGEST = 80;

/** The title of the window of a task: its state first, because a tab shows the first words only. */
export function windowTitle({ status, description }: Pick<TaskDetail, 'status' | 'description'>): string {
  return `${statusLabel(status)}: ${firstLine(description, LONGEST)}`;
}
