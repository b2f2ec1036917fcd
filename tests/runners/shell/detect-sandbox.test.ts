import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { cacheVariables } from '../../../src/runners/shell/caches.ts';
import { detectSandbox } from '../../../src/runners/shell/detect-sandbox.ts';
import { withheldNames } from '../../../src/runners/shell/secret-names.ts';
import { wrapperScript } from '../../../src/runners/shell/wrapper.ts';
import { noSandbox } from '../../support/sandbox.ts';
import { tempDir } from '../../support/temp.ts';

/** A PATH with a bwrap that the kernel refuses, as in most containers. */
async function withoutNamespaces(folder: string) {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await writeFile(
    join(bin, 'bwrap'),
    '#!/bin/sh\necho "bwrap: No permissions to create new namespace" >&2\nexit 1\n',
  );
  await chmod(join(bin, 'bwrap'), 0o755);
  return { PATH: `${bin}:/usr/bin:/bin` };
}

it('a sandbox that does not work here is detected by a probe, and reported', async () => {
  await using folder = await tempDir('boundary-');
  const env = await withoutNamespaces(folder.path);
  expect(await detectSandbox('auto', env, folder.path)).toEqual({
    kind: 'none',
    reason: expect.stringContaining('No permissions to create new namespace'),
  });
  await expect(detectSandbox('bwrap', env, folder.path)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringMatching(/^SHELL_SANDBOX is "bwrap", but .*No permissions to create new namespace/),
    next: expect.stringContaining('SHELL_SANDBOX=auto'),
  });
  expect(await readdir(folder.path)).toEqual(['bin']);
});

it.each([
  ['long', 'x'.repeat(200)],
  ['for a shell', `it's "$(echo x > escaped)" \\ 1`],
])('a sandbox works whatever the path of the data folder: %s', async (_, name) => {
  await using folder = await tempDir('boundary-');
  const data = join(folder.path, name);
  await mkdir(data);
  const found = await detectSandbox('auto', { PATH: process.env.PATH }, data);
  expect(found).toMatchObject(noSandbox === undefined ? { kind: 'bubblewrap' } : { kind: 'none' });
  expect(await readdir(folder.path)).toEqual([name]);
});

it('off is off', async () => {
  expect(await detectSandbox('off', {}, '/nowhere')).toEqual({
    kind: 'none',
    reason: 'SHELL_SANDBOX is off',
  });
});

it('variables are withheld by their names, unless the operator passes them through', () => {
  const secret = [
    ...[
      'ANTHROPIC_API_KEY',
      'OPENAI_API_KEY',
      'GITHUB_TOKEN',
      'HF_TOKEN',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_PROFILE',
    ],
    ...[
      'GOOGLE_APPLICATION_CREDENTIALS',
      'AZURE_RESOURCE_NAME',
      'AICORE_SERVICE_KEY',
      'SNOWFLAKE_CORTEX_PAT',
    ],
    ...[
      'DB_PASSWORD',
      'my_secret',
      'OPENCODE_CONFIG_CONTENT',
      'OPENCODE_SERVER_PASSWORD',
      'OPENCODE_API_KEY',
      'NPM_TOKEN',
    ],
  ];
  const open = [
    ...[
      'PATH',
      'HOME',
      'PWD',
      'OLDPWD',
      'LANG',
      'SSH_AUTH_SOCK',
      'KEYBOARD',
      'MONKEY',
      'PATTERN',
      'TOKENIZERS_PARALLELISM',
    ],
    ...['npm_config_registry', 'NODE_OPTIONS', 'HTTP_PROXY', 'GIT_AUTHOR_NAME', 'OPENCODE', 'JAVA_HOME'],
  ];
  const env = Object.fromEntries([...secret, ...open].map((name) => [name, 'x']));
  expect(withheldNames(env, []).sort()).toEqual(secret.sort());
  expect(withheldNames(env, ['GITHUB_TOKEN'])).not.toContain('GITHUB_TOKEN');
});

it('the shell unsets variables of the server, also where the engine passes them on, and keeps the rest', async () => {
  await using folder = await tempDir('wrapper-');
  const wrapper = join(folder.path, 'bash');
  const script = wrapperScript({
    folder: folder.path,
    shell: '/bin/bash',
    withheld: ['MY_TOKEN', 'not/a name'],
  });
  await writeFile(wrapper, script);
  await chmod(wrapper, 0o755);
  const names = ['SERVER_PASSWORD', 'SERVER_USERNAME', 'CONFIG_CONTENT', 'PID'].map(
    (name) => `OPENCODE_${name}`,
  );
  const env = Object.fromEntries([...names, 'MY_TOKEN'].map((name) => [name, 'secret']));
  const { stdout } = await promisify(execFile)(wrapper, ['-c', 'env; exit 0'], {
    env: { ...env, OTHER: 'kept' },
  });
  expect(stdout).not.toContain('secret');
  expect(stdout).toContain('OTHER=kept');
  expect(stdout).toContain('SHELL=/bin/bash');
});

it('caches are in the sandbox, unless the operator has set them or made the default path writable', () => {
  const env = { HOME: '/home/x', PIP_CACHE_DIR: '/srv/pip' };
  const variables = cacheVariables(env, '/tmp/.cache', ['/home/x/.npm', '/home/x/.cache']);
  expect(variables).toMatchObject({ CARGO_HOME: '/tmp/.cache/cargo_home' });
  for (const name of ['PIP_CACHE_DIR', 'npm_config_cache', 'UV_CACHE_DIR'])
    expect(variables).not.toHaveProperty(name);
});
