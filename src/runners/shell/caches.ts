import { join } from 'node:path';
import { isInside } from '../../workspaces/paths.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The caches of common tools: the variable that moves each, and its default path in the home folder. */
const CACHES = [
  ['npm_config_cache', '.npm'],
  ['YARN_CACHE_FOLDER', '.cache/yarn'],
  ['BUN_INSTALL_CACHE_DIR', '.bun/install/cache'],
  ['DENO_DIR', '.cache/deno'],
  ['PIP_CACHE_DIR', '.cache/pip'],
  ['UV_CACHE_DIR', '.cache/uv'],
  ['POETRY_CACHE_DIR', '.cache/pypoetry'],
  ['PRE_COMMIT_HOME', '.cache/pre-commit'],
  ['CARGO_HOME', '.cargo'],
  ['GOCACHE', '.cache/go-build'],
  ['GOMODCACHE', 'go/pkg/mod'],
  ['GRADLE_USER_HOME', '.gradle'],
  ['NUGET_PACKAGES', '.nuget/packages'],
  ['COMPOSER_CACHE_DIR', '.cache/composer'],
  ['BUNDLE_USER_CACHE', '.cache/bundle'],
  ['CCACHE_DIR', '.cache/ccache'],
] as const;

/**
 * Variables that move the caches of tools to `folder`, for a home folder that is read-only. Variables that the operator
 * has set stay, and so do caches in writable folders.
 */
export function cacheVariables(
  env: Environment,
  folder: string,
  writable: readonly string[],
): Record<string, string> {
  const { HOME: home = '/' } = env;
  const redirected = CACHES.filter(
    ([name, path]) => env[name] === undefined && !writable.some((each) => isInside(each, join(home, path))),
  );
  return Object.fromEntries(redirected.map(([name]) => [name, join(folder, name.toLowerCase())]));
}
