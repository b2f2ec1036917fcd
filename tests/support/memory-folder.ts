import { existsSync, readFileSync, statfsSync } from 'node:fs';

const MEMORY = '/dev/shm';
/** The type of a tmpfs, statfs(2). */
const TMPFS = 0x01021994;
/** Several times what the tests use at one moment. */
const ENOUGH_BYTES = 2 ** 30;

/**
 * A folder in memory for temporary files, where there is one with 1 GB free in which programs may run. Tests create and
 * remove very many small files: on ext4, which looks for an inode that was not in use within the last seconds, some
 * files of tests take half of their processor time for that alone.
 */
export function memoryFolder(): string | undefined {
  if (!existsSync(MEMORY) || !existsSync('/proc/self/mounts')) return undefined;
  const { type, bavail, bsize } = statfsSync(MEMORY);
  const mount = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .findLast((line) => line.split(' ')[1] === MEMORY);
  const options = mount?.split(' ')[3]?.split(',') ?? ['noexec'];
  const isUsable = type === TMPFS && !options.includes('noexec') && !options.includes('ro');
  return isUsable && bavail * bsize >= ENOUGH_BYTES ? MEMORY : undefined;
}
