type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of the bridge that what it starts must not get to see. */
export const SECRETS = [
  'MCP_AUTH_TOKENS',
  'OPENCODE_SERVER_PASSWORD',
  'LETTA_API_TOKEN',
  'MATRIX_ACCESS_TOKEN',
] as const;
/** Of OpenCode's plugin, which tells of what is not the bridge's own: an OpenCode of ours has nothing to tell. */
const OF_THE_PLUGIN = ['MATRIX_API_URL', 'MATRIX_API_TOKEN'] as const;
/** What `git rev-parse --local-env-vars` names, and two more: with them git acts on the repository that the bridge was started in. */
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
const HELD_BACK: ReadonlySet<string> = new Set([...SECRETS, ...OF_THE_PLUGIN, ...OF_GIT]);

/** Whether what the bridge starts must not get a variable. */
export function isHeldBack(name: string): boolean {
  return HELD_BACK.has(name);
}

/** The environment without what is held back. */
export function childEnvironment(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isHeldBack(name)));
}

/** Those of the named variables that are set. */
export function passed(names: readonly string[], env: Environment): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}
