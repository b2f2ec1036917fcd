import { z } from 'zod';
import { duration, natural, positive, secondsToMs } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Tasks');

export const TASKS = {
  RUNNER_TIMEOUT_MS: variable({
    schema: duration,
    default: '3600000',
    alias: 'TASK_TIMEOUT',
    fromAlias: secondsToMs,
    about: 'Time limit of a task that does not set one. TASK_TIMEOUT is in seconds.',
  }),
  RUNNER_MAX_TIMEOUT_MS: variable({
    schema: duration,
    default: '86400000',
    about: 'The longest time limit that a task may set.',
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
    about: 'Tasks of one agent that may wait, so that one agent cannot fill the queue.',
  }),
  MAX_TASK_DESCRIPTION_LENGTH: variable({
    schema: positive,
    default: '1000000',
    about: 'Maximum characters of a task description.',
  }),
  PERMISSION_POLICY: variable({
    schema: z.enum(['ask', 'allow', 'reject']),
    shown: 'ask; in Docker mode allow',
    about:
      'What happens when OpenCode asks for a permission: the agent or a person answers (not in Docker mode), or the bridge allows or rejects it.',
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
      'How long a permission or question waits before it is rejected with a reason and the model continues.',
  }),
  ELICITATION: variable({
    schema: z.enum(['auto', 'off']),
    default: 'auto',
    about:
      'auto: MCP clients that can show a form show permissions and questions to their user (docs/tools.md#forms). off: no client is sent a form.',
  }),
  MAX_COST_USD: variable({
    schema: z.coerce.number().positive(),
    about: 'Cost limit of a task in US dollars, unless it sets max_cost_usd.',
  }),
  MAX_TOKENS: variable({
    schema: positive,
    about: 'Limit of tokens of all kinds of a task, unless it sets max_tokens.',
  }),
  RECOVERY_POLICY: variable({
    schema: z.enum(['continue', 'fail']),
    default: 'continue',
    about:
      'What happens to a task when OpenCode exits in the middle of a turn: it continues with a message about that, or it fails.',
  }),
  MAX_RECOVERIES: variable({
    schema: natural,
    default: '2',
    about: 'How often a task continues after OpenCode has exited.',
  }),
  STALL_TIMEOUT_MS: variable({
    schema: duration,
    default: '600000',
    about:
      'How long the model may be silent while no tool runs; after that the bridge ends the turn, and RECOVERY_POLICY decides.',
  }),
  TASK_RETENTION_DAYS: variable({
    schema: z.coerce.number().min(0).max(36_500),
    default: '30',
    about: 'Days after which an ended task is removed, with the folder that was created for it; 0: never.',
  }),
};
