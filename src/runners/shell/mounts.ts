import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isInside } from '../../workspaces/paths.ts';
import { repositoryOf } from './repository.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What a path of the machine is inside the sandbox; a deeper path overrides the one that it lies in. */
export type Mount =
  | { kind: 'writable' | 'read-only' | 'hidden'; path: string; folder: boolean }
  | { kind: 'scratch'; path: string; source: string };

export interface SandboxRules {
  env: Environment;
  /** Of the bridge: nothing in them is for commands. */
  privateFolders: readonly string[];
  workspaceDir: string;
  /** Folders besides `workspaceDir` that tasks may name; they are seen, but not written. */
  roots: readonly string[];
  /** What the operator lets every task write. */
  writable: readonly string[];
}

/** Sockets there (Docker, D-Bus, a user's service manager) start programs outside of any sandbox. */
const RUNTIME_FOLDERS = ['/run', '/var/run'];
/** Names of hosts are resolved by what lies there. */
const NEEDED_OF_RUNTIME = ['/run/systemd/resolve', '/run/resolvconf', '/run/NetworkManager/resolv.conf'];

/** What a task's commands see of the machine, for a task that works in `directory`. */
export async function mountsFor(rules: SandboxRules, directory: string, tmp: string): Promise<Mount[]> {
  const { env, workspaceDir, roots, writable } = rules;
  const home = env.HOME ?? '/';
  const repository = await repositoryOf(directory, [workspaceDir, ...roots]);
  // A mount of its own could not be moved or removed.
  const gitDirs = (repository?.gitDirs ?? []).filter((path) => !isInside(directory, path));
  const [hidden, shown, own] = await Promise.all([
    existing('hidden', [...RUNTIME_FOLDERS, ...rules.privateFolders, ...engineFolders(env), workspaceDir]),
    existing('read-only', [
      ...NEEDED_OF_RUNTIME,
      ...(isInside('/tmp', home) ? [home] : []),
      ...(repository && repository.root !== directory ? [repository.root] : []),
    ]),
    existing('writable', [directory, ...gitDirs, ...writable]),
  ]);
  const scratch: Mount[] = ['/tmp', '/var/tmp'].map((path) => ({ kind: 'scratch', path, source: tmp }));
  // Of two for one path the later stays: what the operator names is shown, what is the bridge's never.
  const secret = await existing('hidden', [...rules.privateFolders, ...engineFolders(env)]);
  const byPath = new Map([...scratch, ...hidden, ...shown, ...own, ...secret].map((it) => [it.path, it]));
  return [...byPath.values()].sort((one, other) => depth(one.path) - depth(other.path));
}

/** Where OpenCode keeps the credentials of providers, its sessions of all tasks, and its configuration. */
function engineFolders(env: Environment): string[] {
  const { HOME: home = '/' } = env;
  const places = [
    env.XDG_DATA_HOME ?? join(home, '.local/share'),
    env.XDG_CONFIG_HOME ?? join(home, '.config'),
    env.XDG_STATE_HOME ?? join(home, '.local/state'),
  ];
  const named = [env.OPENCODE_CONFIG, env.OPENCODE_CONFIG_DIR, socketOf(env.DOCKER_HOST)];
  return [...places.map((place) => join(place, 'opencode')), ...named.filter((path) => path !== undefined)];
}

function socketOf(dockerHost: string | undefined): string | undefined {
  return dockerHost?.startsWith('unix://') ? dockerHost.slice('unix://'.length) : undefined;
}

/** The paths that are there, free of symlinks. */
async function existing(
  kind: 'writable' | 'read-only' | 'hidden',
  paths: readonly string[],
): Promise<Mount[]> {
  const found = await Promise.all(
    paths.map(async (given): Promise<Mount[]> => {
      const path = await realpath(given).catch(() => undefined);
      if (path === undefined || path === '/') return [];
      return [{ kind, path, folder: (await stat(path)).isDirectory() }];
    }),
  );
  return found.flat();
}

function depth(path: string): number {
  return path.split('/').length;
}
