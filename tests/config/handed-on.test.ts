import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';
import { envFilesOf } from '../../src/config/env-files.ts';

const REDIRECTS = execFileSync('git', ['rev-parse', '--local-env-vars'], { encoding: 'utf8' })
  .trim()
  .split('\n');

function problems(env: Record<string, string>): readonly string[] {
  try {
    loadConfig({ HOME: '/h', ...env });
    return [];
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.problems;
    throw thrown;
  }
}

it.each(REDIRECTS)('no container gets %s, which redirects git: it is refused by name', (name) => {
  expect(problems({ RUNNER_ENV_PASSTHROUGH: `A_KEY,${name}`, [name]: '/x' })).toEqual([
    expect.stringMatching(`^RUNNER_ENV_PASSTHROUGH names ${name}, `),
  ]);
});

it.each(REDIRECTS)('neither container gets %s that is merely set', (name) => {
  const { docker, engine } = loadConfig({ HOME: '/h', [name]: '/x', OPENAI_API_KEY: 'k' });
  expect([docker.limits.env, engine.env]).toEqual([{}, { OPENAI_API_KEY: 'k' }]);
});

it('files of variables are those that Node was told to read', () => {
  expect(
    envFilesOf(['--env-file-if-exists=.env', '--inspect', '--env-file', '/a/b', '--env-file=c']),
  ).toEqual(['.env', '/a/b', 'c']);
  expect(envFilesOf([])).toEqual([]);
});
