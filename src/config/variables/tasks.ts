import { z } from 'zod';
import { duration, natural, positive } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Tasks');

export const TASKS = {
  RUNNER_TIMEOUT_MS: variable({
    schema: duration,
    default: '3600000',
    about: 'Time limit of a task that names none.',
  }),
  RUNNER_MAX_TIMEOUT_MS: variable({
    schema: duration,
    default: '86400000',
    about: 'The longest time limit a task may name.',
  }),
  MAX_CONCURRENT_TASKS: variable({
    schema: positive,
    default: '5',
    about: 'Tasks that run at once; a paused one does not count.',
  }),
  MAX_QUEUED_TASKS: variable({
    schema: natural,
    default: '100',
    about: 'Tasks that may wait; more are refused with QUEUE_FULL.',
  }),
  MAX_QUEUED_TASKS_PER_AGENT: variable({
    schema: natural,
    default: '50',
    about: 'Tasks of one agent that may wait, so that others find room too.',
  }),
  MAX_TASK_DESCRIPTION_LENGTH: variable({
    schema: positive,
    default: '1000000',
    about: 'Characters of a task description at most.',
  }),
  PERMISSION_POLICY: variable({
    schema: z.enum(['ask', 'allow', 'reject']),
    shown: 'ask; in Docker mode allow',
    about:
      'What happens when OpenCode asks for a permission: somebody is asked (not in Docker mode), or it is allowed or rejected.',
  }),
  EXTERNAL_DIRECTORY_POLICY: variable({
    schema: z.enum(['ask', 'allow', 'reject']),
    default: 'reject',
    about:
      "The same for the permission to work outside the task's directory (OpenCode's external_directory); not in Docker mode, where the container is the boundary.",
  }),
  PERMISSION_TIMEOUT_MS: variable({
    schema: duration,
    default: '300000',
    about:
      'How long a permission or question waits before it is rejected with a reason and the agent goes on.',
  }),
  MAX_COST_USD: variable({
    schema: z.coerce.number().positive(),
    about: 'What a task may cost in US dollars, unless it names max_cost_usd itself.',
  }),
  MAX_TOKENS: variable({
    schema: positive,
    about: 'How many tokens of all kinds a task may use, unless it names max_tokens itself.',
  }),
  RECOVERY_POLICY: variable({
    schema: z.enum(['continue', 'fail']),
    default: 'continue',
    about:
      'What becomes of a task when OpenCode dies in the middle of a turn: it is told so and goes on, or it fails.',
  }),
  MAX_RECOVERIES: variable({
    schema: natural,
    default: '2',
    about: 'How often a task goes on after OpenCode died under it.',
  }),
  STALL_TIMEOUT_MS: variable({
    schema: duration,
    default: '600000',
    about:
      'How long the model may be silent while no tool runs; then the turn is ended, and RECOVERY_POLICY decides.',
  }),
  TASK_RETENTION_DAYS: variable({
    schema: z.coerce.number().min(0).max(36_500),
    default: '30',
    about:
      'Days after which a task that has ended is removed, with the folder that was made for it; 0: never.',
  }),
};
