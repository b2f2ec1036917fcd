import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isInside } from '../../workspaces/paths.ts';
import { findCredentials } from './credentials.ts';
import { repositoryOf } from './repository.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What a path is inside the sandbox. A deeper path overrides the one above it. */
export type Mount =
  | { kind: 'writable' | 'read-only' | 'hidden'; path: string; folder: boolean }
  | { kind: 'scratch'; path: string; source: string };

export interface SandboxRules {
  env: Environment;
  /** Folders of the bridge; hidden from commands. */
  privateFolders: readonly string[];
  workspaceDir: string;
  /** Folders besides `workspaceDir` that a task may choose as its directory; read-only for other tasks. */
  roots: readonly string[];
  /** Paths that every task may write. */
  writable: readonly string[];
  /** Paths that every task may read, though there are credentials at them or below. */
  readable: readonly string[];
}

/** Sockets in these folders (Docker, D-Bus, the service manager of a user) can start programs outside the sandbox. */
const RUNTIME_FOLDERS = ['/run', '/var/run'];
/** Empty in the sandbox; a home in one of them is shown nevertheless. */
const EMPTY_FOLDERS = ['/tmp', '/var/tmp', '/dev'];
/** DNS needs these parts of the runtime folders. */
const DNS_PATHS = ['/run/systemd/resolve', '/run/resolvconf', '/run/NetworkManager/resolv.conf'];

/** The mounts of a task that works in `directory`, the outermost first. */
export async function mountsFor(rules: SandboxRules, directory: string, tmp: string): Promise<Mount[]> {
  const { env, workspaceDir, roots, writable, readable } = rules;
  const home = env.HOME ?? '/';
  const repository = await repositoryOf(directory, [workspaceDir, ...roots]);
  // Git folders in the directory get no mount of their own: a mount point cannot be moved or removed.
  const gitDirs = (repository?.gitDirs ?? []).filter((path) => !isInside(directory, path));
  // What lies in the task's folder is the task's, unless that folder is a home.
  const shown = [...readable, ...writable, ...(isInside(directory, home) ? [] : [directory])];
  // Of two mounts of one path the later one wins: the operator can show what is hidden, but never the bridge's files.
  const groups = await Promise.all([
    ['/tmp', '/var/tmp'].map((path): Mount => ({ kind: 'scratch', path, source: tmp })),
    existing('hidden', [...RUNTIME_FOLDERS, workspaceDir, ...(await findCredentials(env, shown))]),
    existing('read-only', [
      ...DNS_PATHS,
      ...(EMPTY_FOLDERS.some((folder) => isInside(folder, home)) ? [home] : []),
      ...(repository && repository.root !== directory ? [repository.root] : []),
      ...readable,
    ]),
    existing('writable', [directory, ...gitDirs, ...writable]),
    existing('hidden', [...rules.privateFolders, ...engineFolders(env)]),
  ]);
  const byPath = new Map(groups.flat().map((it) => [it.path, it]));
  return [...byPath.values()].sort((one, other) => depth(one.path) - depth(other.path));
}

/** OpenCode's folders, with provider credentials, configuration and the sessions of all tasks; and the Docker socket. */
export function engineFolders(env: Environment): string[] {
  const { HOME: home = '/' } = env;
  const base = [
    env.XDG_DATA_HOME ?? join(home, '.local/share'),
    env.XDG_CONFIG_HOME ?? join(home, '.config'),
    env.XDG_STATE_HOME ?? join(home, '.local/state'),
  ];
  const configured = [env.OPENCODE_CONFIG, env.OPENCODE_CONFIG_DIR, socketOf(env.DOCKER_HOST)];
  return [...base.map((path) => join(path, 'opencode')), ...configured.filter((path) => path !== undefined)];
}

function socketOf(dockerHost: string | undefined): string | undefined {
  return dockerHost?.startsWith('unix://') ? dockerHost.slice('unix://'.length) : undefined;
}

/** Mounts of the paths that exist, with symlinks resolved. */
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
