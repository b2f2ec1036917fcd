import type { Mount } from './mounts.ts';

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const LINKS = [
  ['/proc/self/fd', '/dev/fd'],
  ['/proc/self/fd/0', '/dev/stdin'],
  ['/proc/self/fd/1', '/dev/stdout'],
  ['/proc/self/fd/2', '/dev/stderr'],
];
/** Says that all is mounted, and ends, and the sandbox with it, when the bridge closes its stdin. */
const HOLDER = ['/bin/sh', '-c', 'echo ready; read -r end'];

/** The arguments of `bwrap` for a sandbox that stays, into which commands are put; its status comes on descriptor 3. */
export function bubblewrapArguments(mounts: readonly Mount[], asRoot: boolean): string[] {
  return [
    ...['--unshare-pid', '--unshare-ipc', '--die-with-parent', '--json-status-fd', '3'],
    ...(asRoot ? ['--cap-drop', 'ALL'] : []),
    ...['--ro-bind', '/', '/'],
    // Not --dev: for other users than root it takes a second user namespace, which cannot be joined.
    ...['--tmpfs', '/dev', '--tmpfs', '/dev/shm'],
    ...DEVICES.flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
    ...LINKS.flatMap(([target = '', path = '']) => ['--symlink', target, path]),
    ...['--proc', '/proc'],
    ...mounts.flatMap(mountArguments),
    // Only now: what lies deeper needs a place in it.
    ...mounts.flatMap((mount) =>
      mount.kind === 'hidden' && mount.folder ? ['--remount-ro', mount.path] : [],
    ),
    ...['--chdir', '/', '--', ...HOLDER],
  ];
}

function mountArguments(mount: Mount): string[] {
  const { kind, path } = mount;
  if (kind === 'scratch') return ['--bind', mount.source, path];
  if (kind === 'writable') return ['--bind', path, path];
  if (kind === 'read-only') return ['--ro-bind', path, path];
  return mount.folder ? ['--tmpfs', path] : ['--ro-bind', '/dev/null', path];
}
