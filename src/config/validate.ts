import { isAbsolute } from 'node:path';
import { quote } from '../errors.ts';
import { isLoopback } from '../loopback.ts';
import { isWithheld } from './child-env.ts';
import { type Environment, nameIn, textOf } from './read.ts';
import { readToken, tokenFaults } from './tokens.ts';
import type { Values } from './variables.ts';

/** Required by Matrix. */
const REQUIRED_FOR_MATRIX = ['MATRIX_HOMESERVER_URL', 'MATRIX_ACCESS_TOKEN', 'MATRIX_USER_ID'] as const;
/** Each path must be absolute. */
const PATH_LISTS = ['ALLOWED_DIRECTORIES', 'SHELL_SANDBOX_WRITABLE', 'SHELL_SANDBOX_READABLE'] as const;

/** What is wrong with values that could be read, one line for each problem. */
export function validate(values: Partial<Values>, env: Environment): string[] {
  return [
    ...bindProblems(values),
    ...pathProblems(values, env),
    ...originProblems(values),
    ...modeProblems(values),
    ...passthroughProblems(values),
    ...providerProblems(values),
    ...matrixProblems(values, env),
    ...webhookProblems(values, env),
  ];
}

function bindProblems({ MCP_HOST: host = '', MCP_AUTH_TOKENS = [], ALLOW_UNAUTHENTICATED }: Partial<Values>) {
  const tokens = MCP_AUTH_TOKENS.map(readToken);
  const isOpen = !isLoopback(host) && tokens.length === 0 && !ALLOW_UNAUTHENTICATED;
  return [
    ...(isOpen
      ? [
          `MCP_HOST ${quote(host)} is open to other machines, but MCP_AUTH_TOKENS is empty: set tokens, or ALLOW_UNAUTHENTICATED=true.`,
        ]
      : []),
    ...tokenFaults(tokens),
  ];
}

function pathProblems(values: Partial<Values>, env: Environment): string[] {
  return PATH_LISTS.flatMap((name) =>
    (values[name] ?? [])
      .filter((path) => !isAbsolute(path))
      .map((path) => `${nameIn(env, name)} ${quote(path)} must be an absolute path.`),
  );
}

function originProblems({ MCP_ALLOWED_ORIGINS = [] }: Partial<Values>): string[] {
  return MCP_ALLOWED_ORIGINS.filter((origin) => !URL.canParse(origin)).map(
    (origin) => `MCP_ALLOWED_ORIGINS ${quote(origin)} must be an origin such as https://example.org.`,
  );
}

function modeProblems({ OPENCODE_SERVER_ENABLED, PERMISSION_POLICY }: Partial<Values>): string[] {
  if (OPENCODE_SERVER_ENABLED || PERMISSION_POLICY !== 'ask') return [];
  return [
    'PERMISSION_POLICY "ask" does not work in Docker mode, where nobody can answer the OpenCode CLI: set allow or reject, or OPENCODE_SERVER_ENABLED=true.',
  ];
}

function passthroughProblems({ RUNNER_ENV_PASSTHROUGH = [] }: Partial<Values>): string[] {
  return RUNNER_ENV_PASSTHROUGH.filter(isWithheld).map(
    (name) => `RUNNER_ENV_PASSTHROUGH names ${name}, which tasks must not see: leave it out.`,
  );
}

function providerProblems(values: Partial<Values>): string[] {
  const { OPENCODE_SERVER_ENABLED: enabled, OPENCODE_SERVER_URL: url, OPERATOR_TOKEN: token } = values;
  const tokens = (values.MCP_AUTH_TOKENS ?? []).map((entry) => readToken(entry).token);
  return [
    ...(values.PROVIDER_PROXY && enabled && url !== undefined
      ? [
          `PROVIDER_PROXY is true, but the server at OPENCODE_SERVER_URL ${quote(url)} has keys of its own: unset one of them.`,
        ]
      : []),
    ...(values.ENCRYPTION_KEY && values.ENCRYPTION_KEY_FILE !== undefined
      ? ['ENCRYPTION_KEY and ENCRYPTION_KEY_FILE are both set: leave one out.']
      : []),
    ...(token !== undefined && tokens.includes(token)
      ? ['OPERATOR_TOKEN is also a token of MCP_AUTH_TOKENS, whose bearers must not set keys: make another.']
      : []),
  ];
}

function matrixProblems({ MATRIX_ENABLED }: Partial<Values>, env: Environment): string[] {
  if (!MATRIX_ENABLED) return [];
  return REQUIRED_FOR_MATRIX.filter((name) => textOf(env, name) === undefined).map(
    (name) => `${name} is missing, but MATRIX_ENABLED is true: set it, or MATRIX_ENABLED=false.`,
  );
}

function webhookProblems({ WEBHOOK_ALLOWED_HOSTS = [] }: Partial<Values>, env: Environment): string[] {
  const needing = [
    ...(textOf(env, 'WEBHOOK_URL') === undefined ? [] : ['WEBHOOK_URL']),
    ...(WEBHOOK_ALLOWED_HOSTS.length === 0 ? [] : ['WEBHOOK_ALLOWED_HOSTS']),
  ];
  if (needing.length === 0 || textOf(env, 'WEBHOOK_SECRET') !== undefined) return [];
  return [
    `WEBHOOK_SECRET is missing, but ${needing.join(' and ')} is set: set it to what "openssl rand -base64 32" prints.`,
  ];
}
