import { z } from 'zod';
import { list, natural, positive, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Workspace');

export const WORKSPACE = {
  WORKSPACE_DIR: variable({
    schema: text,
    shown: 'DATA_DIR/workspaces',
    about: 'Folder in which each task gets its own folder.',
  }),
  ALLOWED_DIRECTORIES: variable({
    schema: list,
    default: '',
    alias: 'WORKSPACE_ROOTS',
    about: 'Further folders, comma-separated, in which a task may name an existing directory.',
  }),
  DISK_MIN_FREE_MB: variable({
    schema: natural,
    default: '256',
    about:
      'Free megabytes in WORKSPACE_DIR and DATA_DIR below which no new task starts: tasks wait, and running ones are warned. 0: no minimum.',
  }),
  WORKSPACE_MAX_EVENTS: variable({
    schema: positive,
    default: '50',
    about: 'Maximum events of a workspace block.',
  }),
  WORKSPACE_BLOCK_LIMIT: variable({
    schema: z.coerce.number().int().min(1_000),
    default: '50000',
    about: 'Maximum characters of a workspace block.',
  }),
  MAX_TASK_FILE_SIZE: variable({
    schema: positive,
    default: '1048576',
    about: 'Maximum bytes of a file in one read_task_file answer.',
  }),
};
