import { chown, lchown, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The user of a container where the bridge runs as root and the folder of the task belongs to root too. */
const UNPRIVILEGED_USER = { uid: 1_000, gid: 1_000 };

export interface ContainerUser {
  uid: number;
  gid: number;
}

/**
 * The user that a container runs as: the owner of the task's folder where the bridge is root, else the user of the
 * bridge. A folder that the bridge made is given to an unprivileged user; only in a caller's folder that belongs to
 * root does the container run as root.
 */
export async function containerUserFor(directory: string, ownsDirectory: boolean): Promise<ContainerUser> {
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (self.uid !== 0) return self;
  const { uid, gid } = await stat(directory);
  if (uid !== 0) return { uid, gid };
  if (!ownsDirectory) return self;
  await chownTree(directory, UNPRIVILEGED_USER);
  return UNPRIVILEGED_USER;
}

async function chownTree(directory: string, { uid, gid }: ContainerUser): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true }))
    await lchown(join(directory, entry), uid, gid);
  await chown(directory, uid, gid);
}
