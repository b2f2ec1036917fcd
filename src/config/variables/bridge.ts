import { z } from 'zod';
import { delay, flag, port, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('Bridge');

export const BRIDGE = {
  MCP_HOST: variable({
    schema: text,
    default: '127.0.0.1',
    about: 'Address to listen on. Anything but loopback needs MCP_AUTH_TOKENS.',
  }),
  MCP_PORT: variable({
    schema: port,
    default: '3500',
    alias: 'PORT',
    about: 'Port to listen on; 0 takes a free one.',
  }),
  WEB_UI: variable({
    schema: flag,
    default: 'true',
    about: 'false: no web page, no sign-in.',
  }),
  METRICS_ENABLED: variable({
    schema: flag,
    default: 'false',
    about: 'true: metrics for Prometheus at /metrics, for this machine or with METRICS_TOKEN.',
  }),
  METRICS_TOKEN: variable({
    schema: text,
    about: 'Bearer token of who collects the metrics; without it only this machine can.',
  }),
  METRICS_BY_AGENT: variable({
    schema: flag,
    default: 'false',
    about: 'true: also tasks, tokens and cost by agent, for at most 200 agents.',
  }),
  PROJECT_ID: variable({
    schema: z.string().max(200, 'must have at most 200 characters'),
    about: 'A label, such as the id of a project: each line of the log and the answer of /health have it.',
  }),
  DATA_DIR: variable({
    schema: text,
    shown: '~/.local/share/letta-opencode-plugin',
    about: 'Folder of the database; one process at a time.',
  }),
  SHUTDOWN_GRACE_MS: variable({
    schema: delay,
    default: '10000',
    about: 'How long running tasks may continue after SIGTERM; after that they wait for the next start.',
  }),
};
