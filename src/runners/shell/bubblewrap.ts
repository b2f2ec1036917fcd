import type { Mount } from './mounts.ts';

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const LINKS = [
  ['/proc/self/fd', '/dev/fd'],
  ['/proc/self/fd/0', '/dev/stdin'],
  ['/proc/self/fd/1', '/dev/stdout'],
  ['/proc/self/fd/2', '/dev/stderr'],
];
/**
 * The first command: reports that everything is mounted, then waits. It ends, and the sandbox with it, when the bridge
 * closes its stdin.
 */
const INIT_COMMAND = ['/bin/sh', '-c', 'echo ready; read -r end'];

/** The arguments of `bwrap` for a sandbox that stays open for later commands. It writes its status to descriptor 3. */
export function bubblewrapArguments(mounts: readonly Mount[], asRoot: boolean): string[] {
  return [
    ...['--unshare-pid', '--unshare-ipc', '--die-with-parent', '--json-status-fd', '3'],
    ...(asRoot ? ['--cap-drop', 'ALL'] : []),
    ...['--ro-bind', '/', '/'],
    // Not --dev: unless run by root, it makes a second user namespace, which `nsenter` cannot join.
    ...['--tmpfs', '/dev', '--tmpfs', '/dev/shm'],
    ...DEVICES.flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
    ...LINKS.flatMap(([target = '', path = '']) => ['--symlink', target, path]),
    ...['--proc', '/proc'],
    ...mounts.flatMap(mountArguments),
    // Read-only comes last: deeper mounts create their mount points in these folders.
    ...mounts.flatMap((mount) =>
      mount.kind === 'hidden' && mount.folder ? ['--remount-ro', mount.path] : [],
    ),
    ...['--chdir', '/', '--', ...INIT_COMMAND],
  ];
}

function mountArguments(mount: Mount): string[] {
  const { kind, path } = mount;
  if (kind === 'scratch') return ['--bind', mount.source, path];
  if (kind === 'writable') return ['--bind', path, path];
  if (kind === 'read-only') return ['--ro-bind', path, path];
  return mount.folder ? ['--tmpfs', path] : ['--ro-bind', '/dev/null', path];
}
