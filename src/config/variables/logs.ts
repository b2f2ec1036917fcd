import { z } from 'zod';
import { LOG_LEVELS } from '../../logger.ts';
import { flag } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Logs');

export const LOGS = {
  LOG_LEVEL: variable({
    schema: z.enum(LOG_LEVELS),
    default: 'info',
    about: 'Log level; logs go to stderr. No level shows prompts, content or secrets.',
  }),
  DEBUG: variable({ schema: flag, default: 'false', about: 'true is LOG_LEVEL=debug.' }),
};
