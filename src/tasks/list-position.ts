/** How far someone has followed the list of tasks: in the log of all tasks, and in the removals. 0: from the first. */
export interface ListPosition {
  event: number;
  removal: number;
}
