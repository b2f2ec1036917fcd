import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { LogLevel } from '../logger.ts';
import { childEnvironment, pickVariables } from './child-env.ts';
import { envFilesOf } from './env-files.ts';
import { proxiesOf } from './proxy.ts';
import { type Environment, textOf } from './read.ts';
import { readToken } from './tokens.ts';
import type { Values } from './variables.ts';

/** The variables with keys of providers, by the provider's id in OpenCode; as in compose.yaml. */
const PROVIDER_KEYS = {
  anthropic: 'ANTHROPIC_API_KEY',
  openai: 'OPENAI_API_KEY',
  openrouter: 'OPENROUTER_API_KEY',
} as const;
const KEY_VARIABLES = Object.values(PROVIDER_KEYS);
/** OpenCode starts a prompt within one second, or within several under heavy load. */
const START_LIMIT_MS = 30_000;
/** Of the credential proxy in Docker mode: containers outlive the bridge, and call the same port of the next one. */
const PROXY_PORT = 3_501;
const DAY_MS = 24 * 60 * 60 * 1000;

/** The configuration as the rest of the bridge uses it, from values that are complete and agree with each other. */
export function assemble(values: Values, env: Environment) {
  const home = env.HOME ?? homedir();
  const dataDir = resolve(
    values.DATA_DIR ?? join(env.XDG_DATA_HOME ?? join(home, '.local/share'), 'letta-opencode-plugin'),
  );
  const proxyEnabled = values.PROVIDER_PROXY ?? !values.OPENCODE_SERVER_ENABLED;
  // What goes through the proxy is nowhere else.
  const agentEnv = proxyEnabled ? without(KEY_VARIABLES, env) : env;
  const logLevel: LogLevel = values.DEBUG ? 'debug' : values.LOG_LEVEL;
  return {
    dataDir,
    /** Files with variables and keys of the bridge, which tasks must not see. */
    envFiles: [
      ...envFilesOf(),
      ...[values.PROVIDER_KEYS_FILE, values.ENCRYPTION_KEY_FILE].filter((path) => path !== undefined),
    ].map((path) => resolve(path)),
    logLevel,
    /** A label for logs and reports. */
    projectId: values.PROJECT_ID,
    shutdownGraceMs: values.SHUTDOWN_GRACE_MS,
    http: {
      host: values.MCP_HOST,
      port: values.MCP_PORT,
      allowedHosts: values.MCP_ALLOWED_HOSTS,
      allowedOrigins: values.MCP_ALLOWED_ORIGINS,
      maxBodyBytes: values.MCP_MAX_BODY_BYTES,
      rateLimit: values.MCP_RATE_LIMIT,
      tokens: values.MCP_AUTH_TOKENS.map(readToken),
      webUi: values.WEB_UI,
    },
    metrics: {
      enabled: values.METRICS_ENABLED,
      token: values.METRICS_TOKEN,
      byAgent: values.METRICS_BY_AGENT,
    },
    tracing: {
      endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
      headers: values.OTEL_EXPORTER_OTLP_HEADERS ?? {},
      serviceName: values.OTEL_SERVICE_NAME,
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
      readable: values.SHELL_SANDBOX_READABLE,
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
        env: pickVariables(values.RUNNER_ENV_PASSTHROUGH, agentEnv),
        permissions: values.PERMISSION_POLICY === 'reject' ? ('reject' as const) : ('allow' as const),
      },
    },
    engine: {
      image: values.OPENCODE_IMAGE,
      allowTag: values.OPENCODE_ALLOW_TAG,
      port: values.OPENCODE_PORT,
      root: resolve(values.WORKSPACE_ROOT ?? '.'),
      env: pickVariables([...KEY_VARIABLES, ...values.RUNNER_ENV_PASSTHROUGH], env),
    },
    providers: {
      proxy: {
        enabled: proxyEnabled,
        host: values.PROVIDER_PROXY_HOST,
        port: values.PROVIDER_PROXY_PORT ?? (values.OPENCODE_SERVER_ENABLED ? 0 : PROXY_PORT),
        url: values.PROVIDER_PROXY_URL,
      },
      /** The keys in the environment, by the provider's id. */
      environment: keysOf(env),
      keysFile: pathOf(values.PROVIDER_KEYS_FILE),
      encryption: {
        key: values.ENCRYPTION_KEY,
        keyFile: pathOf(values.ENCRYPTION_KEY_FILE),
        previous: values.ENCRYPTION_KEY_PREVIOUS,
      },
      operatorToken: values.OPERATOR_TOKEN,
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
      elicitation: values.ELICITATION,
    },
    recovery: { policy: values.RECOVERY_POLICY, max: values.MAX_RECOVERIES },
    retentionMs: values.TASK_RETENTION_DAYS * DAY_MS,
    workspace: {
      dir: resolve(values.WORKSPACE_DIR ?? join(dataDir, 'workspaces')),
      minFreeMb: values.DISK_MIN_FREE_MB,
      roots: values.ALLOWED_DIRECTORIES,
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
    webhooks: {
      url: values.WEBHOOK_URL,
      /** The newest and, while it is changed, the one before. */
      secrets: values.WEBHOOK_SECRET ?? [],
      allowedHosts: values.WEBHOOK_ALLOWED_HOSTS,
      allowPrivate: values.WEBHOOK_ALLOW_PRIVATE_ADDRESSES,
    },
    proxies: proxiesOf(env),
    /** Whether this process was started by the OpenCode of a bridge. */
    inEngine: env.LETTA_OPENCODE_ENGINE !== undefined,
    /** The environment of child processes, without the secrets of the bridge. */
    childEnv: childEnvironment(agentEnv),
  };
}

/** Undefined where Matrix is off. */
function matrixConfig(values: Values, dataDir: string) {
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

function keysOf(env: Environment): Record<string, string> {
  const given = Object.entries(PROVIDER_KEYS).map(([id, variable]) => [id, textOf(env, variable)] as const);
  return Object.fromEntries(given.flatMap(([id, key]) => (key === undefined ? [] : [[id, key]])));
}

function without(names: readonly string[], env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));
}

function pathOf(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
