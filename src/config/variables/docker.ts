import { z } from 'zod';
import { amount, list, positive, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Docker mode');
const LEAST_OUTPUT = 2 ** 20;

export const DOCKER = {
  DOCKER_HOST: variable({
    schema: z.string().regex(/^(unix:\/\/\/.+|tcp:\/\/[^/\s]+)$/, 'must be unix:///path or tcp://host:port'),
    default: 'unix:///var/run/docker.sock',
    about: 'Where the Docker Engine listens: unix:///path or tcp://host:port (without TLS).',
  }),
  RUNNER_IMAGE: variable({
    schema: text,
    default: 'letta-opencode-runner',
    about: 'Image of a task container, with opencode, git and sh.',
  }),
  RUNNER_CPU_LIMIT: variable({
    schema: z.coerce.number().positive(),
    default: '2.0',
    about: 'Processors of a task container.',
  }),
  RUNNER_MEMORY_LIMIT: variable({
    schema: amount,
    default: '2g',
    about: 'Memory of a task container.',
  }),
  RUNNER_PIDS_LIMIT: variable({
    schema: positive,
    default: '512',
    about: 'Processes and threads of a task container.',
  }),
  RUNNER_OUTPUT_LIMIT: variable({
    schema: amount.refine((bytes) => bytes >= LEAST_OUTPUT, 'must be 1m at least'),
    default: '256m',
    about:
      'Limit of what a turn writes to stdout and stderr of its container, as stored in its log; takes up to twice as much disk space.',
  }),
  RUNNER_NETWORK: variable({
    schema: text,
    default: 'bridge',
    about: 'Network of a task container: bridge, host, none, or one of yours by name.',
  }),
  RUNNER_ENV_PASSTHROUGH: variable({
    schema: list,
    default: '',
    about: 'Names of variables, comma-separated, that task containers get, such as ANTHROPIC_API_KEY.',
  }),
};
