import type { Task } from '../tasks/task.ts';
import { taskErrorNextStep } from './error-next-step.ts';

/** What the caller of a task can do next, in one sentence. */
export function nextStep(task: Task): string {
  const wait = `get_task_status with task_id "${task.id}" and wait_ms 50000`;
  switch (task.status) {
    case 'queued':
      return `It waits for its turn: call ${wait}.`;
    case 'running':
      return `It is still running: call ${wait}.`;
    case 'input_required':
      return answerStep(task);
    case 'paused':
      return 'send_task_control with control "resume" lets it go on, "cancel" ends it.';
    case 'completed':
      return `get_task_files and read_task_file show what was made.${continueStep(task)}`;
    case 'cancelled':
      return `Nothing more happens.${continueStep(task)}`;
    case 'failed':
    case 'timeout':
      return (
        taskErrorNextStep(task) ?? (continueStep(task).trim() || 'Correct the cause and start a new task.')
      );
  }
}

function answerStep({ requests }: Task): string {
  const [first] = requests;
  if (!first) return 'The request is being closed; call get_task_status again.';
  const how = first.type === 'question' ? 'answers (a list of labels)' : 'reply once, always or reject';
  return `Call answer_task_request with request_id "${first.id}" and ${how}.`;
}

function continueStep({ id, sessionId }: Task): string {
  if (sessionId === undefined) return '';
  return ` To go on in the same session: opencode_execute_task with continue_task_id "${id}".`;
}
