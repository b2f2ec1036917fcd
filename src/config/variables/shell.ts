import { z } from 'zod';
import { list } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Commands of tasks');

/** For the embedded server only: the bridge does not control how another server runs commands. */
export const SHELL = {
  SHELL_SANDBOX: variable({
    schema: z.enum(['auto', 'bwrap', 'off']),
    default: 'auto',
    about:
      'auto: commands of tasks run in a bubblewrap sandbox where that works. bwrap: the bridge does not start where it does not. off: never.',
  }),
  SHELL_SANDBOX_WRITABLE: variable({
    schema: list,
    default: '',
    about:
      'Existing paths, comma-separated, that commands in the sandbox may see and write besides the folder of their task, such as a cache or a socket.',
  }),
  SHELL_SANDBOX_READABLE: variable({
    schema: list,
    default: '',
    about:
      'Existing paths, comma-separated, that commands in the sandbox may read although they hold credentials, such as /home/anna/.npmrc.',
  }),
  SHELL_ENV_PASSTHROUGH: variable({
    schema: list,
    default: '',
    about:
      'Variables, comma-separated, that commands get although their names look like secrets; the bridge always withholds its own.',
  }),
  LEFTOVER_PROCESSES: variable({
    schema: z.enum(['end', 'keep']),
    default: 'end',
    about:
      'Processes that commands of a completed task have left running: end them with the task, or keep them for tasks that continue it.',
  }),
};
