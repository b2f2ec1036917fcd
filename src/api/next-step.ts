import type { Task } from '../tasks/task.ts';
import { taskErrorNextStep } from './error-next-step.ts';
import type { OperationNames } from './operation-names.ts';

/** What the caller of a task can do next, in one sentence. */
export function nextStep(task: Task, names: OperationNames): string {
  const wait = names.wait(task.id);
  switch (task.status) {
    case 'queued':
      return `It waits for its turn: call ${wait}.`;
    case 'running':
      return `It is still running: call ${wait}.`;
    case 'input_required':
      return answerStep(task, names);
    case 'paused':
      return `${names.control(task.id, 'resume')} lets it go on, ${names.control(task.id, 'cancel')} ends it.`;
    case 'completed':
      return `${names.files} and ${names.file} show what was made.${continueStep(task, names)}`;
    case 'cancelled':
      return `Nothing more happens.${continueStep(task, names)}`;
    case 'failed':
    case 'timeout':
      return (
        taskErrorNextStep(task, names) ??
        (continueStep(task, names).trim() || 'Correct the cause and start a new task.')
      );
  }
}

function answerStep({ id, requests }: Task, names: OperationNames): string {
  const [first] = requests;
  if (!first) return `The request is being closed; call ${names.status} again.`;
  const how = first.type === 'question' ? 'answers (a list of labels)' : 'reply once, always or reject';
  return `Call ${names.answer(id, first.id)} and ${how}.`;
}

function continueStep({ id, sessionId }: Task, names: OperationNames): string {
  if (sessionId === undefined) return '';
  return ` To go on in the same session: ${names.continueFrom(id)}.`;
}
