type Environment = Readonly<Record<string, string | undefined>>;

/** Secrets of the bridge, which child processes must not see. */
export const SECRETS = [
  'MCP_AUTH_TOKENS',
  'OPENCODE_SERVER_PASSWORD',
  'LETTA_API_TOKEN',
  'MATRIX_ACCESS_TOKEN',
  'METRICS_TOKEN',
  'OPERATOR_TOKEN',
  'ENCRYPTION_KEY',
  'ENCRYPTION_KEY_PREVIOUS',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'WEBHOOK_SECRET',
  // Many receivers are known by a secret path.
  'WEBHOOK_URL',
] as const;
/** Variables of OpenCode's plugin, which reports sessions that are not tasks: the bridge's own OpenCode has none. */
const OF_THE_PLUGIN = ['MATRIX_API_URL', 'MATRIX_API_TOKEN'] as const;
/** Programs of tasks that make traces would send them where the bridge sends its own. */
const OF_TRACES = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_SERVICE_NAME'] as const;
/** From `git rev-parse --local-env-vars`, and two more: they make git act on the repository of the bridge's own folder. */
const OF_GIT = [
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_CONFIG',
  'GIT_CONFIG_PARAMETERS',
  'GIT_CONFIG_COUNT',
  'GIT_OBJECT_DIRECTORY',
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_GRAFT_FILE',
  'GIT_INDEX_FILE',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_REPLACE_REF_BASE',
  'GIT_PREFIX',
  'GIT_SHALLOW_FILE',
  'GIT_INTERNAL_SUPER_PREFIX',
  'GIT_COMMON_DIR',
  'GIT_NAMESPACE',
  'GIT_QUARANTINE_PATH',
] as const;
const WITHHELD: ReadonlySet<string> = new Set([...SECRETS, ...OF_THE_PLUGIN, ...OF_TRACES, ...OF_GIT]);

/** Whether child processes must not get a variable. */
export function isWithheld(name: string): boolean {
  return WITHHELD.has(name);
}

/** The environment without withheld variables. */
export function childEnvironment(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isWithheld(name)));
}

/** The named variables that are set. */
export function pickVariables(names: readonly string[], env: Environment): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}
