import { delay, duration, flag, httpUrl, model, natural, text } from './schemas.ts';
import { variablesOf } from './variable.ts';

const variable = variablesOf('OpenCode server mode');

export const OPENCODE_SERVER = {
  OPENCODE_SERVER_ENABLED: variable({
    schema: flag,
    default: 'false',
    about:
      'true: tasks run as sessions of an OpenCode server. false: each task runs in its own Docker containers.',
  }),
  OPENCODE_SERVER_URL: variable({
    schema: httpUrl('OPENCODE_SERVER_USERNAME and OPENCODE_SERVER_PASSWORD'),
    about: 'An OpenCode server that is already running. Unset: the bridge starts and supervises its own.',
  }),
  OPENCODE_SERVER_USERNAME: variable({
    schema: text,
    default: 'opencode',
    about: 'User name at OPENCODE_SERVER_URL and at the server of opencode up.',
  }),
  OPENCODE_SERVER_PASSWORD: variable({
    schema: text,
    about: 'Password at OPENCODE_SERVER_URL and at the server of opencode up.',
  }),
  OPENCODE_API_KEY: variable({
    schema: text,
    about:
      "Key of OpenCode's own model provider, for models of it. The embedded server gets it, commands of tasks do not; in Docker mode name it in RUNNER_ENV_PASSTHROUGH. Not the password of a server.",
  }),
  OPENCODE_SERVER_HEALTH_CHECK_INTERVAL_MS: variable({
    schema: duration,
    default: '5000',
    about: 'Time between two health checks.',
  }),
  OPENCODE_SERVER_MAX_RETRIES: variable({
    schema: natural,
    default: '3',
    about: 'Failed health checks after the first before the server counts as down.',
  }),
  OPENCODE_SERVER_RETRY_DELAY_MS: variable({
    schema: duration,
    default: '1000',
    about: 'Time before a failed health check is repeated.',
  }),
  OPENCODE_BIN: variable({
    schema: text,
    about: 'The opencode executable of the embedded server. Unset: the packaged one, then the one on PATH.',
  }),
  OPENCODE_MODEL: variable({
    schema: model,
    about:
      'Model of tasks that name none, as provider/model; in both modes. Unset: what OpenCode is configured for.',
  }),
  OPENCODE_AGENT: variable({
    schema: text,
    about: 'OpenCode agent of tasks that name none; in both modes. Unset: its default agent.',
  }),
  OPENCODE_SNAPSHOT: variable({
    schema: flag,
    default: 'false',
    about:
      "OpenCode's own snapshots in the embedded server: undo in its own interface, but several times slower.",
  }),
  INSTANCE_LINGER_MS: variable({
    schema: delay,
    default: '60000',
    about: 'How long OpenCode keeps the instance of a task folder in memory after its last task.',
  }),
  OPENCODE_MAX_RSS_MB: variable({
    schema: natural,
    default: '2000',
    about:
      'Megabytes beyond which the embedded server is restarted when no task runs (Linux); it starts with about 400. 0: never.',
  }),
};
