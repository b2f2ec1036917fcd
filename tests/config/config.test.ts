import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';
import type { Variable } from '../../src/config/variables/variable.ts';
import { VARIABLES } from '../../src/config/variables.ts';

const HOME = '/home/someone';
const load = (env: Record<string, string> = {}) => loadConfig({ HOME, ...env });

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    load(env);
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.problems;
    throw thrown;
  }
  return [];
}

describe('an empty environment', () => {
  it('gives the defaults', () => {
    const { childEnv: _childEnv, ...config } = load();
    expect(config).toEqual({
      dataDir: join(HOME, '.local/share/letta-opencode-plugin'),
      logLevel: 'info',
      envFiles: [],
      shutdownGraceMs: 10_000,
      http: {
        host: '127.0.0.1',
        port: 3500,
        allowedHosts: [],
        allowedOrigins: [],
        maxBodyBytes: 4_194_304,
        rateLimit: 3_000,
        tokens: [],
        webUi: true,
      },
      metrics: { enabled: false, token: undefined, byAgent: false },
      tracing: { endpoint: undefined, headers: {}, serviceName: 'letta-opencode-plugin' },
      openCode: {
        enabled: false,
        url: undefined,
        username: 'opencode',
        password: undefined,
        bin: undefined,
        model: undefined,
        agent: undefined,
        snapshot: false,
        healthIntervalMs: 5_000,
        maxRetries: 3,
        retryDelayMs: 1_000,
        instanceLingerMs: 60_000,
        maxRssMb: 2_000,
        turnLimits: { startMs: 30_000, stallMs: 600_000 },
      },
      shell: { sandbox: 'auto', writable: [], readable: [], passthrough: [], leftovers: 'end' },
      docker: {
        host: 'unix:///var/run/docker.sock',
        limits: {
          image: 'letta-opencode-runner',
          cpus: 2,
          memoryBytes: 2_147_483_648,
          pids: 512,
          outputBytes: 2 ** 28,
          network: 'bridge',
          env: {},
          permissions: 'allow',
        },
      },
      engine: { image: undefined, allowTag: false, port: 4_096, root: process.cwd(), env: {} },
      providers: {
        proxy: { enabled: true, host: undefined, port: 3_501, url: undefined },
        environment: {},
        keysFile: undefined,
        encryption: { key: undefined, keyFile: undefined, previous: undefined },
        operatorToken: undefined,
      },
      limits: {
        maxConcurrent: 5,
        maxQueued: 100,
        maxQueuedPerAgent: 50,
        defaultTimeoutMs: 3_600_000,
        maxTimeoutMs: 86_400_000,
        maxDescriptionLength: 1_000_000,
      },
      recovery: { policy: 'continue', max: 2 },
      requests: { policy: 'allow', outside: 'reject', timeoutMs: 300_000, elicitation: 'auto' },
      retentionMs: 2_592_000_000,
      webhooks: { url: undefined, secrets: [], allowedHosts: [], allowPrivate: false },
      workspace: {
        dir: join(HOME, '.local/share/letta-opencode-plugin/workspaces'),
        roots: [],
        maxEvents: 50,
        blockLimit: 50_000,
        minFreeMb: 256,
        maxFileSize: 1_048_576,
      },
      delivery: { maxAgeMs: 86_400_000 },
      inEngine: false,
      letta: { url: undefined, token: undefined, detachDelayMs: 60_000 },
    });
  });

  it('takes the home folder of the user where HOME is not set', () => {
    expect(loadConfig({}).dataDir).toBe(join(homedir(), '.local/share/letta-opencode-plugin'));
  });
});

describe('a variable', () => {
  it.each(Object.keys(VARIABLES))('%s counts as unset when it is blank', (name) => {
    const { childEnv: _blank, ...config } = load({ [name]: ' \t' });
    const { childEnv: _unset, ...defaults } = load();
    expect(config).toEqual(defaults);
  });

  it('is trimmed', () => {
    expect(load({ MCP_PORT: ' 4000 ' }).http.port).toBe(4000);
  });

  it.each([
    ['true', true],
    ['TRUE', true],
    ['1', true],
    ['yes', true],
    ['on', true],
    ['false', false],
    ['0', false],
    ['No', false],
    ['off', false],
  ])('that is a flag reads %s as %s', (word, value) => {
    expect(load({ OPENCODE_SERVER_ENABLED: word }).openCode.enabled).toBe(value);
  });

  it.each([
    ['OPENCODE_SERVER_ENABLED', 'maybe'],
    ['MCP_PORT', '65536'],
    ['MCP_PORT', '-1'],
    ['MCP_PORT', 'http'],
    ['MCP_PORT', '80.5'],
    ['MAX_CONCURRENT_TASKS', '0'],
    ['MAX_QUEUED_TASKS', '-1'],
    ['TASK_RETENTION_DAYS', '-1'],
    ['TASK_RETENTION_DAYS', 'never'],
    ['RUNNER_TIMEOUT_MS', '1h'],
    ['OPENCODE_SERVER_URL', 'opencode-server:3100'],
    ['OPENCODE_SERVER_URL', 'ftp://opencode-server'],
    ['OPENCODE_SERVER_URL', 'opencode-server'],
    ['OPENCODE_MODEL', 'gpt-5'],
    ['LETTA_API_URL', 'api.letta.com'],
    ['DELIVERY_MAX_AGE_MS', '0'],
    ['WORKSPACE_DETACH_DELAY_MS', '-1'],
    ['PERMISSION_POLICY', 'always'],
    ['RUNNER_CPU_LIMIT', '0'],
    ['RUNNER_MEMORY_LIMIT', '2 gigabytes'],
    ['WORKSPACE_BLOCK_LIMIT', '999'],
    ['ALLOWED_DIRECTORIES', 'relative/folder'],
    ['MCP_ALLOWED_ORIGINS', 'example.org'],
    ['LOG_LEVEL', 'loud'],
  ])('%s refuses %s and quotes it', (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} `));
    expect(problems[0]).toContain(JSON.stringify(value));
  });
});

describe('a variable with an older name', () => {
  it('is read by either', () => {
    expect(load({ WORKSPACE_ROOTS: '/a' }).workspace.roots).toEqual(['/a']);
    expect(load({ ALLOWED_DIRECTORIES: '/a', WORKSPACE_ROOTS: ' ' }).workspace.roots).toEqual(['/a']);
    expect(load({ ALLOWED_DIRECTORIES: '/a', WORKSPACE_ROOTS: '/a' }).workspace.roots).toEqual(['/a']);
  });

  it('is refused where the two differ', () => {
    expect(problemsOf({ ALLOWED_DIRECTORIES: '/a', WORKSPACE_ROOTS: '/b' })).toEqual([
      'ALLOWED_DIRECTORIES "/a" and WORKSPACE_ROOTS "/b" are two names of one variable, and their values differ: set ALLOWED_DIRECTORIES alone.',
    ]);
  });

  it('is quoted by the name that was used', () => {
    expect(problemsOf({ WORKSPACE_ROOTS: 'a' })).toEqual(['WORKSPACE_ROOTS "a" must be an absolute path.']);
  });

  it('is checked for what would be misread, by either', () => {
    expect(problemsOf({ WORKSPACE_ROOTS: '"/a"' })).toEqual(
      expect.arrayContaining([expect.stringMatching(/^WORKSPACE_ROOTS begins with a quote/)]),
    );
  });

  it.each([
    ['PORT', '4000', 'MCP_PORT', '4000'],
    ['TASK_TIMEOUT', '90', 'RUNNER_TIMEOUT_MS', '90000'],
    ['TASK_TIMEOUT', '1.5', 'RUNNER_TIMEOUT_MS', '1500'],
  ])('is %s=%s for %s=%s, also beside it', (alias, given, name, same) => {
    const plain = load({ [name]: same });
    const { childEnv: _1, ...expected } = plain;
    for (const env of [{ [alias]: given }, { [alias]: given, [name]: same }]) {
      const { childEnv: _2, ...config } = load(env);
      expect(config).toEqual(expected);
    }
  });

  it.each([
    ['PORT', '4000', 'MCP_PORT', '3500'],
    ['TASK_TIMEOUT', '60', 'RUNNER_TIMEOUT_MS', '60'],
  ])('must agree: %s=%s does not with %s=%s', (alias, given, name, other) => {
    expect(problemsOf({ [alias]: given, [name]: other })).toEqual([
      `${name} "${other}" and ${alias} "${given}" are two names of one variable, and their values differ: set ${name} alone.`,
    ]);
  });

  it.each(['x', '-1', '0', '1e3', '9999999', 'Infinity', '60s'])(
    'of another unit is refused as it was written: TASK_TIMEOUT=%s',
    (given) => {
      expect(problemsOf({ TASK_TIMEOUT: given })).toEqual([
        expect.stringMatching(new RegExp(`^TASK_TIMEOUT "${given}": `)),
      ]);
    },
  );

  it('has names that no other variable has', () => {
    const names = Object.entries<Variable>(VARIABLES).flatMap(([name, { alias }]) =>
      [name, alias ?? []].flat(),
    );
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('what is wrong', () => {
  it('is told all at once, by name', () => {
    const env = {
      MCP_PORT: 'x',
      MCP_HOST: '0.0.0.0',
      LOG_LEVEL: 'loud',
      ALLOWED_DIRECTORIES: 'a',
      DEBUG: '?',
    };
    const names = problemsOf(env).map((line) => line.split(' ')[0]);
    expect(names.toSorted()).toEqual(Object.keys(env).toSorted());
  });

  it('is the message of the error too', () => {
    expect(() => load({ MCP_PORT: 'x', DEBUG: '?' })).toThrow(
      /2 problem\(s\):\n {2}MCP_PORT "x".*\n {2}DEBUG/,
    );
  });

  it('never quotes a secret', () => {
    const secret = 'hunter2'.repeat(3);
    const env = {
      MCP_AUTH_TOKENS: secret,
      OPENCODE_SERVER_PASSWORD: secret,
      LETTA_API_TOKEN: secret,
      WEBHOOK_SECRET: secret,
      WEBHOOK_URL: `ftp://hooks.example.org/${secret}`,
      MCP_PORT: 'x',
      LOG_LEVEL: 'loud',
    };
    expect(problemsOf(env)).toHaveLength(4);
    expect(problemsOf(env).join()).not.toContain('hunter2');
  });
});

describe('a value that could do harm', () => {
  it('is refused: an empty agent before a token', () => {
    expect(problemsOf({ MCP_AUTH_TOKENS: '=s3cret' })).toEqual([
      expect.stringMatching(/MCP_AUTH_TOKENS .* empty agent/),
    ]);
  });

  it.each([
    ['OPENCODE_SERVER_URL', 'OPENCODE_SERVER_USERNAME'],
    ['LETTA_API_URL', 'LETTA_API_TOKEN'],
  ])('is refused: credentials in %s, and they are not quoted', (name, instead) => {
    const [problem] = problemsOf({ [name]: 'http://user:s3cret@host:1' });
    expect(problem).toMatch(new RegExp(`^${name} .*must not hold credentials: use ${instead}`));
    expect(problem).not.toContain('s3cret');
  });

  it.each(['PERMISSION_TIMEOUT_MS', 'RUNNER_MAX_TIMEOUT_MS', 'SHUTDOWN_GRACE_MS', 'INSTANCE_LINGER_MS'])(
    'is refused: %s longer than a timer holds',
    (name) => {
      expect(problemsOf({ [name]: '2147483648' })).toEqual([expect.stringContaining(name)]);
    },
  );
});

describe('an address that is not loopback', () => {
  it.each(['127.0.0.1', '127.0.0.2', 'localhost', 'LOCALHOST', '::1', '[::1]', '::ffff:127.0.0.1'])(
    '%s is loopback and needs no token',
    (host) => {
      expect(load({ MCP_HOST: host }).http.host).toBe(host);
    },
  );

  it.each(['0.0.0.0', '::', '192.168.1.4', 'localhost.example.org', '127.0.0.1.example.org'])(
    '%s is refused without tokens',
    (host) => {
      expect(problemsOf({ MCP_HOST: host })).toEqual([expect.stringMatching(/^MCP_HOST .*MCP_AUTH_TOKENS/)]);
      expect(problemsOf({ MCP_HOST: host, MCP_AUTH_TOKENS: ' , ' })).toHaveLength(1);
      expect(problemsOf({ MCP_HOST: host, ALLOW_UNAUTHENTICATED: 'false' })).toHaveLength(1);
    },
  );

  it('is taken with a token, or when it is said that none is wanted', () => {
    expect(load({ MCP_HOST: '0.0.0.0', MCP_AUTH_TOKENS: 't' }).http.host).toBe('0.0.0.0');
    expect(load({ MCP_HOST: '0.0.0.0', ALLOW_UNAUTHENTICATED: 'true' }).http.host).toBe('0.0.0.0');
  });
});

describe('values', () => {
  it('of MCP_AUTH_TOKENS are tokens, some of them bound to an agent', () => {
    const { tokens } = load({ MCP_AUTH_TOKENS: 'open, agent-1=s3cret ,agent-2=with=sign' }).http;
    expect(tokens).toEqual([
      { token: 'open' },
      { token: 's3cret', agentId: 'agent-1' },
      { token: 'with=sign', agentId: 'agent-2' },
    ]);
  });

  it.each(['YWJjZA==', 'YWJj=', 'plain'])('of MCP_AUTH_TOKENS: %s is a token alone', (token) => {
    expect(load({ MCP_AUTH_TOKENS: token }).http.tokens).toEqual([{ token }]);
  });

  it('of lists are split at commas and trimmed', () => {
    const env = {
      ALLOWED_DIRECTORIES: '/a, /b c ,',
      MCP_ALLOWED_HOSTS: 'bridge.example,bridge',
      MCP_ALLOWED_ORIGINS: 'https://a.example',
    };
    const { workspace, http } = load(env);
    expect(workspace.roots).toEqual(['/a', '/b c']);
    expect(http).toMatchObject({
      allowedHosts: ['bridge.example', 'bridge'],
      allowedOrigins: ['https://a.example'],
    });
  });

  it('of folders build on each other and become absolute', () => {
    expect(load({ XDG_DATA_HOME: '/data' }).dataDir).toBe('/data/letta-opencode-plugin');
    expect(load({ DATA_DIR: '/data' }).workspace.dir).toBe('/data/workspaces');
    expect(load({ DATA_DIR: '/data', WORKSPACE_DIR: '/projects' }).workspace.dir).toBe('/projects');
    expect(load({ DATA_DIR: 'data' }).dataDir).toBe(join(process.cwd(), 'data'));
  });

  it('of TASK_RETENTION_DAYS may be parts of a day, and 0', () => {
    expect(load({ TASK_RETENTION_DAYS: '0.5' }).retentionMs).toBe(43_200_000);
    expect(load({ TASK_RETENTION_DAYS: '0' }).retentionMs).toBe(0);
  });

  it('of an address lose their final slashes', () => {
    const { url } = load({ OPENCODE_SERVER_URL: 'http://opencode-server:3100//' }).openCode;
    expect(url).toBe('http://opencode-server:3100');
  });

  it('of DEBUG go before LOG_LEVEL', () => {
    expect(load({ LOG_LEVEL: 'error' }).logLevel).toBe('error');
    expect(load({ LOG_LEVEL: 'error', DEBUG: 'true' }).logLevel).toBe('debug');
  });

  it('of the default time limit stay below the longest one', () => {
    const { limits } = load({ RUNNER_TIMEOUT_MS: '5000', RUNNER_MAX_TIMEOUT_MS: '2000' });
    expect(limits).toMatchObject({ defaultTimeoutMs: 2_000, maxTimeoutMs: 2_000 });
  });
});

it('what the bridge starts sees the environment without the secrets of the bridge, and has nobody to tell', () => {
  const mine = {
    ...{ MCP_AUTH_TOKENS: 'one', OPENCODE_SERVER_PASSWORD: 'two' },
    ...{ MATRIX_API_URL: 'http://127.0.0.1:3500/matrix', MATRIX_API_TOKEN: 'one' },
  };
  const theirs = { PATH: '/bin', ANTHROPIC_API_KEY: 'three', OPENCODE_SERVER_ENABLED: 'true' };
  expect(load({ ...mine, ...theirs }).childEnv).toEqual({ HOME, ...theirs });
});

it('OPENCODE_API_KEY goes to OpenCode, is not the password of a server, and is quoted nowhere', () => {
  const key = 'sk-#hunter2';
  const { openCode, childEnv, docker, engine } = load({ OPENCODE_API_KEY: key });
  expect(openCode.password).toBeUndefined();
  expect(childEnv).toEqual({ HOME, OPENCODE_API_KEY: key });
  expect([docker.limits.env, engine.env]).toEqual([{}, {}]);
  const env = { OPENCODE_API_KEY: `"${key} #`, MCP_PORT: 'x' };
  expect(problemsOf(env)).toHaveLength(2);
  expect(problemsOf(env).join()).not.toContain('hunter2');
});

it('PROJECT_ID is a label', () => {
  expect(load({ PROJECT_ID: ' a-b ' }).projectId).toBe('a-b');
  expect(problemsOf({ PROJECT_ID: 'x'.repeat(201) })).toHaveLength(1);
});

describe('Docker mode', () => {
  it.each([
    ['512', 512],
    ['4k', 4_096],
    ['3m', 3_145_728],
    ['2G', 2_147_483_648],
  ])('takes a memory limit of %s for %i bytes', (given, bytes) => {
    expect(load({ RUNNER_MEMORY_LIMIT: given }).docker.limits.memoryBytes).toBe(bytes);
  });

  it('hands on the variables that are named and set, and nothing else', () => {
    const env = { RUNNER_ENV_PASSTHROUGH: 'A_KEY, B_KEY', A_KEY: ' one ', C_KEY: 'three' };
    expect(load(env).docker.limits.env).toEqual({ A_KEY: ' one ' });
  });

  it.each([
    [{}, 'allow', 'allow'],
    [{ PERMISSION_POLICY: 'reject' }, 'reject', 'reject'],
    [{ OPENCODE_SERVER_ENABLED: 'true' }, 'allow', 'ask'],
  ])('with %j: what the container asks for is %sed, and a server asks by %s', (env, permissions, policy) => {
    const { docker, requests } = load(env);
    expect([docker.limits.permissions, requests.policy]).toEqual([permissions, policy]);
  });

  it.each([
    [{ PERMISSION_POLICY: 'ask' }, /^PERMISSION_POLICY "ask" does not work in Docker mode/],
    [{ RUNNER_OUTPUT_LIMIT: '1000' }, /^RUNNER_OUTPUT_LIMIT "1000": must be 1m at least/],
    [{ DOCKER_HOST: 'ssh://host' }, /^DOCKER_HOST "ssh:.*must be unix:/],
    [{ DOCKER_HOST: '/var/run/docker.sock' }, /^DOCKER_HOST .*must be unix:/],
    [{ RUNNER_ENV_PASSTHROUGH: 'MCP_AUTH_TOKENS' }, /^RUNNER_ENV_PASSTHROUGH names MCP_AUTH_TOKENS/],
    [{ RUNNER_ENV_PASSTHROUGH: 'MATRIX_API_TOKEN' }, /^RUNNER_ENV_PASSTHROUGH names MATRIX_API_TOKEN/],
    [{ RUNNER_ENV_PASSTHROUGH: 'GIT_DIR' }, /^RUNNER_ENV_PASSTHROUGH names GIT_DIR/],
    [{ SHELL_SANDBOX: 'docker' }, /^SHELL_SANDBOX "docker"/],
    [{ SHELL_SANDBOX_WRITABLE: 'cache' }, /^SHELL_SANDBOX_WRITABLE "cache" must be an absolute path/],
    [{ SHELL_SANDBOX_READABLE: '~/.npmrc' }, /^SHELL_SANDBOX_READABLE "~\/.npmrc" must be an absolute path/],
    [{ LEFTOVER_PROCESSES: 'kill' }, /^LEFTOVER_PROCESSES "kill"/],
  ])('refuses %j', (env: Record<string, string>, says) => {
    expect(problemsOf(env)).toEqual([expect.stringMatching(says)]);
  });
});

it('hands on no variable that makes git act on another repository', () => {
  const names = execFileSync('git', ['rev-parse', '--local-env-vars'], { encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(names).toContain('GIT_DIR');
  const env = Object.fromEntries(names.map((name) => [name, '/elsewhere']));
  expect(load({ ...env, GIT_AUTHOR_NAME: 'Anna' }).childEnv).toEqual({ HOME, GIT_AUTHOR_NAME: 'Anna' });
});
