import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { z } from 'zod';
import { quote } from '../errors.ts';
import type { LogLevel } from '../logger.ts';
import { isLoopback } from '../loopback.ts';
import { childEnvironment, isHeldBack, passed, SECRETS } from './child-env.ts';
import { envFileFaults } from './env-file.ts';
import { envFilesOf } from './env-files.ts';
import { environmentFaults } from './environment.ts';
import { proxiesOf } from './proxy.ts';
import { readToken, type Token, tokenFaults } from './tokens.ts';
import { VARIABLES, type VariableName } from './variables.ts';

type Values = { [N in VariableName]: z.output<(typeof VARIABLES)[N]['schema']> | undefined };
type Environment = Readonly<Record<string, string | undefined>>;

/** Without these Matrix cannot be used. */
const NEEDED_FOR_MATRIX = ['MATRIX_HOMESERVER_URL', 'MATRIX_ACCESS_TOKEN', 'MATRIX_USER_ID'] as const;
/** Those that a server of OpenCode gets besides what RUNNER_ENV_PASSTHROUGH names; as in compose.yaml. */
const PROVIDER_KEYS = ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'OPENROUTER_API_KEY'] as const;
/** OpenCode starts on a prompt within a second; under a heavy load within some. */
const START_LIMIT_MS = 30_000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Everything wrong with the environment, one line a variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length} problem(s):\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

export type Config = ReturnType<typeof loadConfig>;

/** Reads the environment; this folder alone knows its names. Throws ConfigError with every problem at once. */
export function loadConfig(env: Environment = process.env) {
  const problems = [...(env === process.env ? envFileFaults() : []), ...environmentFaults(env)];
  const values = readAll(env, problems);
  const tokens = (values.MCP_AUTH_TOKENS ?? []).map(readToken);
  const host = values.MCP_HOST ?? '';
  if (!isLoopback(host) && tokens.length === 0 && !values.ALLOW_UNAUTHENTICATED) {
    problems.push(
      `MCP_HOST ${quote(host)} is open to other machines, but MCP_AUTH_TOKENS is empty: set tokens, or ALLOW_UNAUTHENTICATED=true.`,
    );
  }
  problems.push(...tokenFaults(tokens));
  for (const root of values.WORKSPACE_ROOTS ?? []) {
    if (!isAbsolute(root)) problems.push(`WORKSPACE_ROOTS ${quote(root)} must be an absolute path.`);
  }
  for (const origin of values.MCP_ALLOWED_ORIGINS ?? []) {
    if (!URL.canParse(origin))
      problems.push(`MCP_ALLOWED_ORIGINS ${quote(origin)} must be an origin such as https://example.org.`);
  }
  if (!values.OPENCODE_SERVER_ENABLED && values.PERMISSION_POLICY === 'ask') {
    problems.push(
      'PERMISSION_POLICY "ask" does not work in Docker mode, where nobody can answer the OpenCode CLI: set allow or reject, or OPENCODE_SERVER_ENABLED=true.',
    );
  }
  for (const name of values.RUNNER_ENV_PASSTHROUGH ?? []) {
    if (isHeldBack(name))
      problems.push(`RUNNER_ENV_PASSTHROUGH names ${name}, which tasks must not get to see: leave it out.`);
  }
  for (const path of values.SHELL_SANDBOX_WRITABLE ?? []) {
    if (!isAbsolute(path)) problems.push(`SHELL_SANDBOX_WRITABLE ${quote(path)} must be an absolute path.`);
  }
  const { MATRIX_ENABLED: matrix } = values;
  for (const name of NEEDED_FOR_MATRIX) {
    if (matrix && (env[name] ?? '').trim() === '')
      problems.push(`${name} is missing, but MATRIX_ENABLED is true: set it, or MATRIX_ENABLED=false.`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return assemble(complete(values), env, tokens);
}

function assemble(values: Complete, env: Environment, tokens: Token[]) {
  const home = env.HOME ?? homedir();
  const dataDir = resolve(
    values.DATA_DIR ?? join(env.XDG_DATA_HOME ?? join(home, '.local/share'), 'letta-opencode-plugin'),
  );
  const logLevel: LogLevel = values.DEBUG ? 'debug' : values.LOG_LEVEL;
  return {
    dataDir,
    /** Files with variables of the bridge, which no container may see. */
    envFiles: envFilesOf().map((path) => resolve(path)),
    logLevel,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
    http: {
      host: values.MCP_HOST,
      port: values.MCP_PORT,
      allowedHosts: values.MCP_ALLOWED_HOSTS,
      allowedOrigins: values.MCP_ALLOWED_ORIGINS,
      maxBodyBytes: values.MCP_MAX_BODY_BYTES,
      rateLimit: values.MCP_RATE_LIMIT,
      tokens,
    },
    openCode: {
      enabled: values.OPENCODE_SERVER_ENABLED,
      url: values.OPENCODE_SERVER_URL,
      username: values.OPENCODE_SERVER_USERNAME,
      password: values.OPENCODE_SERVER_PASSWORD,
      bin: values.OPENCODE_BIN,
      model: values.OPENCODE_MODEL,
      agent: values.OPENCODE_AGENT,
      snapshot: values.OPENCODE_SNAPSHOT,
      healthIntervalMs: values.OPENCODE_SERVER_HEALTH_CHECK_INTERVAL_MS,
      maxRetries: values.OPENCODE_SERVER_MAX_RETRIES,
      retryDelayMs: values.OPENCODE_SERVER_RETRY_DELAY_MS,
      instanceLingerMs: values.INSTANCE_LINGER_MS,
      maxRssMb: values.OPENCODE_MAX_RSS_MB,
      turnLimits: { startMs: START_LIMIT_MS, stallMs: values.STALL_TIMEOUT_MS },
    },
    shell: {
      sandbox: values.SHELL_SANDBOX,
      writable: values.SHELL_SANDBOX_WRITABLE,
      passthrough: values.SHELL_ENV_PASSTHROUGH,
      leftovers: values.LEFTOVER_PROCESSES,
    },
    docker: {
      host: values.DOCKER_HOST,
      limits: {
        image: values.RUNNER_IMAGE,
        cpus: values.RUNNER_CPU_LIMIT,
        memoryBytes: values.RUNNER_MEMORY_LIMIT,
        pids: values.RUNNER_PIDS_LIMIT,
        outputBytes: values.RUNNER_OUTPUT_LIMIT,
        network: values.RUNNER_NETWORK,
        env: passed(values.RUNNER_ENV_PASSTHROUGH, env),
        permissions: values.PERMISSION_POLICY === 'reject' ? ('reject' as const) : ('allow' as const),
      },
    },
    engine: {
      image: values.OPENCODE_IMAGE,
      allowTag: values.OPENCODE_ALLOW_TAG,
      port: values.OPENCODE_PORT,
      root: resolve(values.WORKSPACE_ROOT ?? '.'),
      env: passed([...PROVIDER_KEYS, ...values.RUNNER_ENV_PASSTHROUGH], env),
    },
    limits: {
      maxConcurrent: values.MAX_CONCURRENT_TASKS,
      maxQueued: values.MAX_QUEUED_TASKS,
      maxQueuedPerAgent: values.MAX_QUEUED_TASKS_PER_AGENT,
      defaultTimeoutMs: Math.min(values.RUNNER_TIMEOUT_MS, values.RUNNER_MAX_TIMEOUT_MS),
      maxTimeoutMs: values.RUNNER_MAX_TIMEOUT_MS,
      defaultMaxCostUsd: values.MAX_COST_USD,
      defaultMaxTokens: values.MAX_TOKENS,
      maxDescriptionLength: values.MAX_TASK_DESCRIPTION_LENGTH,
    },
    requests: {
      policy: values.PERMISSION_POLICY ?? (values.OPENCODE_SERVER_ENABLED ? 'ask' : 'allow'),
      outside: values.EXTERNAL_DIRECTORY_POLICY,
      timeoutMs: values.PERMISSION_TIMEOUT_MS,
    },
    recovery: { policy: values.RECOVERY_POLICY, max: values.MAX_RECOVERIES },
    retentionMs: values.TASK_RETENTION_DAYS * DAY_MS,
    workspace: {
      dir: resolve(values.WORKSPACE_DIR ?? join(dataDir, 'workspaces')),
      roots: values.WORKSPACE_ROOTS,
      maxEvents: values.WORKSPACE_MAX_EVENTS,
      blockLimit: values.WORKSPACE_BLOCK_LIMIT,
      maxFileSize: values.MAX_TASK_FILE_SIZE,
    },
    delivery: { maxAgeMs: values.DELIVERY_MAX_AGE_MS },
    letta: {
      url: values.LETTA_API_URL,
      token: values.LETTA_API_TOKEN,
      detachDelayMs: values.WORKSPACE_DETACH_DELAY_MS,
    },
    matrix: matrixConfig(values, dataDir),
    proxies: proxiesOf(env),
    /** Whether an OpenCode that a bridge started has started this process. */
    inEngine: env.LETTA_OPENCODE_ENGINE !== undefined,
    /** The environment without our secrets, for the programs that the bridge starts. */
    childEnv: childEnvironment(env),
  };
}

/** Absent where Matrix is off. */
function matrixConfig(values: Complete, dataDir: string) {
  const { MATRIX_HOMESERVER_URL: url, MATRIX_ACCESS_TOKEN: token, MATRIX_USER_ID: userId } = values;
  if (!values.MATRIX_ENABLED || url === undefined || token === undefined || userId === undefined) return;
  return {
    url,
    token,
    userId,
    mode: values.MATRIX_ROOM_MODE,
    roomId: values.MATRIX_ROOM_ID,
    observers: values.MATRIX_DEFAULT_HUMAN_OBSERVERS,
    allowedSenders: values.MATRIX_ALLOWED_SENDERS,
    storagePath: resolve(values.MATRIX_STORAGE_PATH ?? join(dataDir, 'matrix.json')),
  };
}

function readAll(env: Environment, problems: string[]): Values {
  const read = Object.entries(VARIABLES).map(([name, { schema, default: fallback }]) => {
    const given = env[name];
    const value = given === undefined || given.trim() === '' ? fallback : given.trim();
    if (value === undefined) return [name, undefined];
    const parsed = schema.safeParse(value);
    if (parsed.success) return [name, parsed.data];
    problems.push(`${name} ${shown(name, value)}: ${parsed.error.issues[0]?.message}`);
    return [name, undefined];
  });
  return Object.fromEntries(read);
}

/** A value as an error may quote it: no secret, no credentials of a URL. */
function shown(name: string, value: string): string {
  if (SECRETS.some((secret) => secret === name)) return '(not shown)';
  return quote(value.replace(/\/\/[^@/]*@/, '//…@'));
}

/** Variables without a default stay optional, all others have a value once nothing is wrong. */
type Complete = {
  [N in VariableName]: N extends Optional ? Values[N] : NonNullable<Values[N]>;
};
type Optional =
  | 'DATA_DIR'
  | 'OPENCODE_SERVER_URL'
  | 'OPENCODE_SERVER_PASSWORD'
  | 'OPENCODE_BIN'
  | 'OPENCODE_MODEL'
  | 'OPENCODE_AGENT'
  | 'OPENCODE_IMAGE'
  | 'PERMISSION_POLICY'
  | 'WORKSPACE_DIR'
  | 'WORKSPACE_ROOT'
  | 'LETTA_API_URL'
  | 'LETTA_API_TOKEN'
  | 'MATRIX_HOMESERVER_URL'
  | 'MATRIX_ACCESS_TOKEN'
  | 'MATRIX_USER_ID'
  | 'MATRIX_ROOM_ID'
  | 'MATRIX_STORAGE_PATH';

function complete(values: Values): Complete {
  return values as Complete;
}
