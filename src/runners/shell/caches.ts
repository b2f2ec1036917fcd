import { join } from 'node:path';
import { isInside } from '../../workspaces/paths.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where common tools keep what they download: the variable that says so, and the place in the user's home. */
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
 * Variables that point tools to caches in `folder`, for a home that cannot be written. What the operator has set
 * stays, and so does a cache in a folder that is writable.
 */
export function cacheVariables(
  env: Environment,
  folder: string,
  writable: readonly string[],
): Record<string, string> {
  const { HOME: home = '/' } = env;
  const redirected = CACHES.filter(
    ([name, place]) => env[name] === undefined && !writable.some((path) => isInside(path, join(home, place))),
  );
  return Object.fromEntries(redirected.map(([name]) => [name, join(folder, name.toLowerCase())]));
}
