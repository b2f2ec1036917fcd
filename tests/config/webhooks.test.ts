import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';

const SECRET = Buffer.alloc(24, 1).toString('base64');
const OTHER = Buffer.alloc(64, 2).toString('base64');

const load = (env: Record<string, string>) => loadConfig({ HOME: '/h', ...env });

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    load(env);
    return [];
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.problems;
    throw thrown;
  }
}

describe('WEBHOOK_SECRET', () => {
  it.each([
    [SECRET, [SECRET]],
    [`whsec_${SECRET}`, [SECRET]],
    [`whsec_${SECRET},${OTHER}`, [SECRET, OTHER]],
    [` ${OTHER}  whsec_${SECRET} `, [OTHER, SECRET]],
    [`${OTHER}, ${SECRET}`, [OTHER, SECRET]],
  ])('%s holds %j', (WEBHOOK_SECRET, keys) => {
    const { secrets } = load({ WEBHOOK_SECRET }).webhooks;
    expect(secrets.map((key) => key.toString('base64'))).toEqual(keys);
  });

  it.each([
    [Buffer.alloc(23, 1).toString('base64'), /secret 1 has 23 bytes, at least 24/],
    [`${SECRET},whsec_${Buffer.alloc(8).toString('base64')}`, /secret 2 has 8 bytes/],
    [' , ', /has 0 secrets/],
    ['whsec_', /secret 1 has 0 bytes/],
    ['correct horse battery staple', /has 4 secrets, 1 or 2/],
    [`${SECRET},${OTHER},${SECRET}`, /has 3 secrets, 1 or 2/],
    [`${SECRET.slice(0, -1)}!`, /secret 1 is not base64/],
    [OTHER.replace(/=+$/, ''), /secret 1 is not base64/],
  ])('%s is refused, and not quoted', (WEBHOOK_SECRET, says) => {
    const problems = problemsOf({ WEBHOOK_SECRET });
    expect(problems).toEqual([expect.stringMatching(says)]);
    expect(problems[0]).toMatch(/^WEBHOOK_SECRET \(not shown\): /);
    expect(problems[0]).not.toContain(WEBHOOK_SECRET.slice(6, 20) || 'nothing');
  });

  it.each([
    [{ WEBHOOK_URL: 'https://hooks.example.org/x' }, 'WEBHOOK_URL'],
    [{ WEBHOOK_ALLOWED_HOSTS: 'hooks.example.org' }, 'WEBHOOK_ALLOWED_HOSTS'],
    [{ WEBHOOK_URL: 'http://a', WEBHOOK_ALLOWED_HOSTS: 'b' }, 'WEBHOOK_URL and WEBHOOK_ALLOWED_HOSTS'],
  ])('is required with %j', (env, names) => {
    expect(problemsOf(env)).toEqual([
      expect.stringContaining(`WEBHOOK_SECRET is missing, but ${names} is set: `),
    ]);
    expect(problemsOf({ ...env, WEBHOOK_SECRET: SECRET })).toEqual([]);
  });
});

describe('WEBHOOK_URL', () => {
  it.each([
    ['ftp://hooks.example.org', /Invalid URL/],
    ['hooks.example.org', /Invalid URL/],
    ['file:///etc/passwd', /Invalid URL/],
    ['https://user:pass-word@hooks.example.org', /must not hold credentials/],
  ])('%s is refused', (WEBHOOK_URL, says) => {
    const problems = problemsOf({ WEBHOOK_URL, WEBHOOK_SECRET: SECRET });
    expect(problems).toEqual([expect.stringMatching(says)]);
    expect(problems[0]).not.toContain('pass-word');
  });

  it.each(['http://10.0.0.7:8080/a/?b=c', 'https://hooks.example.org/'])('%s is kept as it is', (url) => {
    expect(load({ WEBHOOK_URL: url, WEBHOOK_SECRET: SECRET }).webhooks.url).toBe(url);
  });

  it('is not in the environment of what tasks run, and no container may be given it', () => {
    const env = { WEBHOOK_URL: 'https://hooks.example.org/s3cret', WEBHOOK_SECRET: SECRET };
    expect(JSON.stringify(load(env).childEnv)).not.toMatch(/WEBHOOK|s3cret/);
    for (const name of ['WEBHOOK_URL', 'WEBHOOK_SECRET']) {
      expect(problemsOf({ ...env, RUNNER_ENV_PASSTHROUGH: name })).toEqual([
        expect.stringContaining(`RUNNER_ENV_PASSTHROUGH names ${name}`),
      ]);
    }
  });
});

describe('WEBHOOK_ALLOWED_HOSTS', () => {
  it('has hosts, some of them with a port, as a URL has them', () => {
    const WEBHOOK_ALLOWED_HOSTS =
      'Hooks.Example.org, hooks.example.org:80,bücher.example,[::1]:8080,[FD00::1],127.1:99,my_app:0443';
    expect(load({ WEBHOOK_ALLOWED_HOSTS, WEBHOOK_SECRET: SECRET }).webhooks.allowedHosts).toEqual([
      { hostname: 'hooks.example.org', port: undefined },
      { hostname: 'hooks.example.org', port: '80' },
      { hostname: 'xn--bcher-kva.example', port: undefined },
      { hostname: '[::1]', port: '8080' },
      { hostname: '[fd00::1]', port: undefined },
      { hostname: '127.0.0.1', port: '99' },
      { hostname: 'my_app', port: '0443' },
    ]);
  });

  it.each([
    '*.example.org',
    '*',
    'https://hooks.example.org',
    'hooks.example.org/path',
    'user@hooks.example.org',
    'hooks.example.org:http',
    'hooks.example.org:70000',
    'hooks.example.org?x',
    'hooks.example.org#x',
    'a\\b',
    'a b',
    '::1',
    ':80',
    '[::1',
  ])('%s is refused by name and value', (entry) => {
    const problems = problemsOf({ WEBHOOK_ALLOWED_HOSTS: `ok.example,${entry}`, WEBHOOK_SECRET: SECRET });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^WEBHOOK_ALLOWED_HOSTS .*is not a host or host:port/);
    expect(problems[0]).toContain(JSON.stringify(entry));
  });
});
