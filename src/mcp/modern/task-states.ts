/** The tasks whose state a stream sends. */
export interface TaskStates {
  ids: readonly string[];
  /** A task as `tasks/get` has it; undefined if it was removed. */
  read(id: string): Promise<object | undefined>;
}

/** No client can subscribe to such a URI: it is no resource. */
const SCHEME = 'task-state:';

/** What the SDK's stream follows in the place of a task. */
export function taskEventUri(taskId: string): string {
  return `${SCHEME}${taskId}`;
}

/** The task whose state an update is about; undefined for an update of a resource. */
export function taskOfEvent(uri: string): string | undefined {
  return uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : undefined;
}
