import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
const PREFIX = 'bridge-tests-';
/** The type of a tmpfs, statfs(2). */
const TMPFS = 0x01021994;
/** Several times what the tests use at one moment. */
const ENOUGH_BYTES = 2 ** 30;

/**
 * A new folder in memory for the temporary files of this process, where there is a tmpfs with 1 GB free in which
 * programs may run. Tests create and remove very many small files: on ext4, which looks for an inode that was not in use
 * within the last seconds, some files of tests take half of their processor time for that alone.
 *
 * It is removed when the process ends; what killed ones left is removed by the next.
 */
export function memoryFolder(): string | undefined {
  if (!hasRoomInMemory()) return undefined;
  for (const name of readdirSync(MEMORY).filter((entry) => entry.startsWith(PREFIX))) {
    if (!existsSync(`/proc/${name.slice(PREFIX.length)}`)) remove(join(MEMORY, name));
  }
  const folder = join(MEMORY, `${PREFIX}${process.pid}`);
  mkdirSync(folder, { recursive: true });
  process.once('exit', () => remove(folder));
  return folder;
}

function hasRoomInMemory(): boolean {
  if (!existsSync(MEMORY) || !existsSync('/proc/self/mounts')) return false;
  const { type, bavail, bsize } = statfsSync(MEMORY);
  const mount = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .findLast((line) => line.split(' ')[1] === MEMORY);
  const options = mount?.split(' ')[3]?.split(',') ?? ['noexec'];
  const isUsable = type === TMPFS && !options.includes('noexec') && !options.includes('ro');
  return isUsable && bavail * bsize >= ENOUGH_BYTES;
}

/** Another user's folder stays. */
function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // A process that is ending may write there once more; the next run removes it.
  }
}
