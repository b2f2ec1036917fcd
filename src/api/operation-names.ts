/** How the callers of one transport name the operations; used in every next step that errors and views give. */
export interface OperationNames {
  /** Reads a task. */
  status: string;
  list: string;
  /** Lists what a task changed, or a folder of it. */
  files: string;
  file: string;
  /** The health of the bridge, as the subject of a sentence. */
  health: string;
  /** Waits until the task changes, at most 50 s. */
  wait(taskId: string): string;
  /** Starts a task in the session and directory of one that has ended. */
  continueFrom(taskId: string): string;
  message(taskId: string): string;
  control(taskId: string, control: 'cancel' | 'pause' | 'resume'): string;
  /** Answers an open request of a task. */
  answer(taskId: string, requestId: string): string;
}
