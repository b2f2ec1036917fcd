import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { GitSettings } from './git.ts';

const LIMIT_MS = 5_000;

/** The file of ignore rules that the user's own git configuration names; else git's default for it. */
export async function userIgnoreFile({ git, env }: GitSettings): Promise<string | undefined> {
  const config = env.XDG_CONFIG_HOME || (env.HOME && join(env.HOME, '.config'));
  return (await configured({ git, env })) ?? (config ? join(config, 'git', 'ignore') : undefined);
}

// Asked where no repository is, so that the configuration of none counts. Absent too where git cannot be started:
// whoever needs it next says so.
function configured({ git, env }: Pick<GitSettings, 'git' | 'env'>): Promise<string | undefined> {
  const args = ['config', '--type=path', '--get', 'core.excludesFile'];
  const options = { cwd: '/', env: { ...env, LC_ALL: 'C', GIT_CEILING_DIRECTORIES: '/' }, timeout: LIMIT_MS };
  return new Promise((resolve) => {
    execFile(git, args, options, (error, stdout) => resolve(error ? undefined : stdout.replace(/\n$/, '')));
  });
}
