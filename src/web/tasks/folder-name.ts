import type { TaskRow } from '../api/task.ts';

/** The last part of the path; a folder that the bridge made for the task alone says nothing. */
export function folderName({ directory, task_id }: Pick<TaskRow, 'directory' | 'task_id'>): string {
  const name = directory.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return name === task_id ? '' : name;
}
