import { z } from 'zod';
import { LOG_LEVELS } from '../logger.ts';

const text = z.string().min(1);
const port = z.coerce.number().int().min(0).max(65_535);
const positive = z.coerce.number().int().min(1);
const natural = z.coerce.number().int().min(0);
/** Node's timers hold no longer ones. */
const MAX_MS = 2_147_483_647;
const duration = z.coerce.number().int().min(1).max(MAX_MS);
const delay = z.coerce.number().int().min(0).max(MAX_MS);
const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', '1', 'yes', 'on', 'false', '0', 'no', 'off']))
  .transform((word) => ['true', '1', 'yes', 'on'].includes(word));
const list = z.string().transform((words) =>
  words
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean),
);
const httpUrl = z
  .url({ protocol: /^https?$/ })
  .refine((url) => !new URL(url).username && !new URL(url).password, {
    message: 'must not hold credentials: use OPENCODE_SERVER_USERNAME and OPENCODE_SERVER_PASSWORD',
  })
  .transform((url) => url.replace(/\/+$/, ''));
const model = z.string().regex(/^[^/\s]+\/\S+$/, 'must be provider/model');

/** How one environment variable is read, what it defaults to, and what it does. */
interface Variable<S extends z.ZodType = z.ZodType> {
  schema: S;
  /** As it would be written into the environment; absent: not set. */
  default?: string;
  /** Shown in place of a default that depends on the machine. */
  shown?: string;
  group: 'Bridge' | 'OpenCode server mode' | 'Docker mode' | 'Tasks' | 'Workspace' | 'Security' | 'Logs';
  about: string;
}

const variable = <S extends z.ZodType>(definition: Variable<S>): Variable<S> => definition;

/** Every environment variable the bridge reads, in the order of the documentation. */
export const VARIABLES = {
  MCP_HOST: variable({
    schema: text,
    default: '127.0.0.1',
    group: 'Bridge',
    about: 'Address to listen on. Anything but loopback needs MCP_AUTH_TOKENS.',
  }),
  MCP_PORT: variable({
    schema: port,
    default: '3500',
    group: 'Bridge',
    about: 'Port to listen on; 0 takes a free one.',
  }),
  DATA_DIR: variable({
    schema: text,
    shown: '~/.local/share/letta-opencode-plugin',
    group: 'Bridge',
    about: 'Folder of the database; one process at a time.',
  }),
  SHUTDOWN_GRACE_MS: variable({
    schema: delay,
    default: '10000',
    group: 'Bridge',
    about: 'How long running tasks may go on after SIGTERM; then they wait for the next start.',
  }),
  OPENCODE_SERVER_ENABLED: variable({
    schema: flag,
    default: 'false',
    group: 'OpenCode server mode',
    about: 'true: tasks run as sessions of an OpenCode server. false: each in Docker containers of its own.',
  }),
  OPENCODE_SERVER_URL: variable({
    schema: httpUrl,
    group: 'OpenCode server mode',
    about: 'An OpenCode server that runs already. Unset: the bridge starts and supervises its own.',
  }),
  OPENCODE_SERVER_USERNAME: variable({
    schema: text,
    default: 'opencode',
    group: 'OpenCode server mode',
    about: 'User name at OPENCODE_SERVER_URL.',
  }),
  OPENCODE_SERVER_PASSWORD: variable({
    schema: text,
    group: 'OpenCode server mode',
    about: 'Password at OPENCODE_SERVER_URL.',
  }),
  OPENCODE_SERVER_HEALTH_CHECK_INTERVAL_MS: variable({
    schema: duration,
    default: '5000',
    group: 'OpenCode server mode',
    about: 'Time between two health checks.',
  }),
  OPENCODE_SERVER_MAX_RETRIES: variable({
    schema: natural,
    default: '3',
    group: 'OpenCode server mode',
    about: 'Failed health checks after the first before the server counts as down.',
  }),
  OPENCODE_SERVER_RETRY_DELAY_MS: variable({
    schema: duration,
    default: '1000',
    group: 'OpenCode server mode',
    about: 'Time before a failed health check is repeated.',
  }),
  OPENCODE_BIN: variable({
    schema: text,
    group: 'OpenCode server mode',
    about: 'The opencode executable of the embedded server. Unset: the packaged one, then the one on PATH.',
  }),
  OPENCODE_MODEL: variable({
    schema: model,
    group: 'OpenCode server mode',
    about:
      'Model of tasks that name none, as provider/model; in both modes. Unset: what OpenCode is configured for.',
  }),
  OPENCODE_AGENT: variable({
    schema: text,
    group: 'OpenCode server mode',
    about: 'OpenCode agent of tasks that name none; in both modes. Unset: its default agent.',
  }),
  OPENCODE_SNAPSHOT: variable({
    schema: flag,
    default: 'false',
    group: 'OpenCode server mode',
    about:
      "OpenCode's own snapshots in the embedded server: undo in its own interface, but several times slower.",
  }),
  INSTANCE_LINGER_MS: variable({
    schema: delay,
    default: '60000',
    group: 'OpenCode server mode',
    about: 'How long OpenCode keeps a task folder of ours in memory after its last task.',
  }),
  OPENCODE_MAX_RSS_MB: variable({
    schema: natural,
    default: '2000',
    group: 'OpenCode server mode',
    about:
      'Megabytes beyond which the embedded server is started anew when no task runs (Linux); it starts with about 400. 0: never.',
  }),
  RUNNER_TIMEOUT_MS: variable({
    schema: duration,
    default: '3600000',
    group: 'Tasks',
    about: 'Time limit of a task that names none.',
  }),
  RUNNER_MAX_TIMEOUT_MS: variable({
    schema: duration,
    default: '86400000',
    group: 'Tasks',
    about: 'The longest time limit a task may name.',
  }),
  MAX_CONCURRENT_TASKS: variable({
    schema: positive,
    default: '5',
    group: 'Tasks',
    about: 'Tasks that run at once; a paused one does not count.',
  }),
  MAX_QUEUED_TASKS: variable({
    schema: natural,
    default: '100',
    group: 'Tasks',
    about: 'Tasks that may wait; more are refused with QUEUE_FULL.',
  }),
  MAX_QUEUED_TASKS_PER_AGENT: variable({
    schema: natural,
    default: '50',
    group: 'Tasks',
    about: 'Tasks of one agent that may wait, so that others find room too.',
  }),
  MAX_TASK_DESCRIPTION_LENGTH: variable({
    schema: positive,
    default: '1000000',
    group: 'Tasks',
    about: 'Characters of a task description at most.',
  }),
  PERMISSION_POLICY: variable({
    schema: z.enum(['ask', 'allow', 'reject']),
    shown: 'ask; in Docker mode allow',
    group: 'Tasks',
    about:
      'What happens when OpenCode asks for a permission: somebody is asked (not in Docker mode), or it is allowed or rejected.',
  }),
  EXTERNAL_DIRECTORY_POLICY: variable({
    schema: z.enum(['ask', 'allow', 'reject']),
    default: 'reject',
    group: 'Tasks',
    about:
      "The same for the permission to work outside the task's directory (OpenCode's external_directory); not in Docker mode, where the container is the boundary.",
  }),
  PERMISSION_TIMEOUT_MS: variable({
    schema: duration,
    default: '300000',
    group: 'Tasks',
    about:
      'How long a permission or question waits before it is rejected with a reason and the agent goes on.',
  }),
  MAX_COST_USD: variable({
    schema: z.coerce.number().positive(),
    group: 'Tasks',
    about: 'What a task may cost in US dollars, unless it names max_cost_usd itself.',
  }),
  MAX_TOKENS: variable({
    schema: positive,
    group: 'Tasks',
    about: 'How many tokens of all kinds a task may use, unless it names max_tokens itself.',
  }),
  RECOVERY_POLICY: variable({
    schema: z.enum(['continue', 'fail']),
    default: 'continue',
    group: 'Tasks',
    about:
      'What becomes of a task when OpenCode dies in the middle of a turn: it is told so and goes on, or it fails.',
  }),
  MAX_RECOVERIES: variable({
    schema: natural,
    default: '2',
    group: 'Tasks',
    about: 'How often a task goes on after OpenCode died under it.',
  }),
  STALL_TIMEOUT_MS: variable({
    schema: duration,
    default: '600000',
    group: 'Tasks',
    about:
      'How long the model may be silent while no tool runs; then the turn is ended, and RECOVERY_POLICY decides.',
  }),
  TASK_RETENTION_DAYS: variable({
    schema: z.coerce.number().min(0).max(36_500),
    default: '30',
    group: 'Tasks',
    about:
      'Days after which a task that has ended is removed, with the folder that was made for it; 0: never.',
  }),
  DOCKER_HOST: variable({
    schema: z.string().regex(/^(unix:\/\/\/.+|tcp:\/\/[^/\s]+)$/, 'must be unix:///path or tcp://host:port'),
    default: 'unix:///var/run/docker.sock',
    group: 'Docker mode',
    about: 'Where the Docker Engine listens: unix:///path or tcp://host:port (without TLS).',
  }),
  RUNNER_IMAGE: variable({
    schema: text,
    default: 'letta-opencode-runner',
    group: 'Docker mode',
    about: 'Image of a task container, with opencode, git and sh.',
  }),
  RUNNER_CPU_LIMIT: variable({
    schema: z.coerce.number().positive(),
    default: '2.0',
    group: 'Docker mode',
    about: 'Processors of a task container.',
  }),
  RUNNER_MEMORY_LIMIT: variable({
    schema: z.string().regex(/^\d+[kmg]?$/i, 'must be a number of bytes, with k, m or g'),
    default: '2g',
    group: 'Docker mode',
    about: 'Memory of a task container.',
  }),
  RUNNER_PIDS_LIMIT: variable({
    schema: positive,
    default: '512',
    group: 'Docker mode',
    about: 'Processes and threads of a task container.',
  }),
  RUNNER_NETWORK: variable({
    schema: text,
    default: 'bridge',
    group: 'Docker mode',
    about: 'Network of a task container: bridge, host, none, or one of yours by name.',
  }),
  RUNNER_ENV_PASSTHROUGH: variable({
    schema: list,
    default: '',
    group: 'Docker mode',
    about: 'Names of variables, comma-separated, that task containers get, such as ANTHROPIC_API_KEY.',
  }),
  WORKSPACE_DIR: variable({
    schema: text,
    shown: 'DATA_DIR/workspaces',
    group: 'Workspace',
    about: 'Folder in which each task gets a folder of its own.',
  }),
  WORKSPACE_ROOTS: variable({
    schema: list,
    default: '',
    group: 'Workspace',
    about: 'Further folders, comma-separated, in which a task may name an existing directory.',
  }),
  WORKSPACE_MAX_EVENTS: variable({
    schema: positive,
    default: '50',
    group: 'Workspace',
    about: 'Events that a workspace block holds at most.',
  }),
  WORKSPACE_BLOCK_LIMIT: variable({
    schema: z.coerce.number().int().min(1_000),
    default: '50000',
    group: 'Workspace',
    about: 'Characters of a workspace block at most.',
  }),
  MAX_TASK_FILE_SIZE: variable({
    schema: positive,
    default: '1048576',
    group: 'Workspace',
    about: 'Bytes of a file that one read_task_file answer holds; more comes by pages.',
  }),
  MCP_AUTH_TOKENS: variable({
    schema: list,
    default: '',
    group: 'Security',
    about: 'Bearer tokens, comma-separated: a token, or agent=token to bind it to an agent.',
  }),
  MCP_ALLOWED_HOSTS: variable({
    schema: list,
    default: '',
    group: 'Security',
    about: 'Host names, comma-separated, by which the bridge may be called, besides loopback ones.',
  }),
  MCP_ALLOWED_ORIGINS: variable({
    schema: list,
    default: '',
    group: 'Security',
    about: 'Origins of web pages, comma-separated, that may call the bridge, besides loopback ones.',
  }),
  MCP_MAX_BODY_BYTES: variable({
    schema: positive,
    default: '4194304',
    group: 'Security',
    about: 'Bytes of a request body at most.',
  }),
  MCP_RATE_LIMIT: variable({
    schema: natural,
    default: '3000',
    group: 'Security',
    about: 'Requests a minute for each token, or for each address where there are none; 0: any number.',
  }),
  ALLOW_UNAUTHENTICATED: variable({
    schema: flag,
    default: 'false',
    group: 'Security',
    about: 'true: listen beyond loopback even without tokens. Everyone who can connect can run code.',
  }),
  LOG_LEVEL: variable({
    schema: z.enum(LOG_LEVELS),
    default: 'info',
    group: 'Logs',
    about: 'How much is logged, to stderr.',
  }),
  DEBUG: variable({ schema: flag, default: 'false', group: 'Logs', about: 'true is LOG_LEVEL=debug.' }),
};

export type VariableName = keyof typeof VARIABLES;
