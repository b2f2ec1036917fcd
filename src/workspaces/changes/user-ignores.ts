import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { GitSettings } from './git.ts';

const TIMEOUT_MS = 5_000;

/** The ignore file of the user's git configuration (`core.excludesFile`), else git's default. */
export async function userIgnoreFile({ git, env }: GitSettings): Promise<string | undefined> {
  const config = env.XDG_CONFIG_HOME || (env.HOME && join(env.HOME, '.config'));
  return (await configuredFile({ git, env })) ?? (config ? join(config, 'git', 'ignore') : undefined);
}

// Runs outside of any repository, so that no repository's configuration counts. Undefined also where git cannot be
// started: the next use of git reports that.
function configuredFile({ git, env }: Pick<GitSettings, 'git' | 'env'>): Promise<string | undefined> {
  const args = ['config', '--type=path', '--get', 'core.excludesFile'];
  const options = {
    cwd: '/',
    env: { ...env, LC_ALL: 'C', GIT_CEILING_DIRECTORIES: '/' },
    timeout: TIMEOUT_MS,
  };
  return new Promise((resolve) => {
    execFile(git, args, options, (error, stdout) => resolve(error ? undefined : stdout.replace(/\n$/, '')));
  });
}
