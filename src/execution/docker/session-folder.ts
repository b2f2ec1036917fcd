import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chown, lchown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Whom the processes of a container are, where the bridge is root and the folder is too. */
const NOBODY_SPECIAL = { uid: 1_000, gid: 1_000 };

export interface Owner {
  uid: number;
  gid: number;
}

/** A conversation on disk, under a name that the bridge gives it: OpenCode's data, its session's id, the prompts, and which tasks it belongs to. */
export class SessionFolder {
  readonly path: string;

  constructor(root: string, conversation: string) {
    this.path = join(root, conversation);
  }

  /** The home of OpenCode's database; outlives every container. */
  get dataDir(): string {
    return join(this.path, 'data');
  }

  /** OpenCode's id of the session; undefined until a run has told it. */
  get session(): string | undefined {
    const file = join(this.path, 'session');
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  async prepare(taskId: string, owner: Owner): Promise<void> {
    await mkdir(this.dataDir, { recursive: true, mode: 0o700 });
    for (const kind of ['prompts', 'tasks']) await mkdir(join(this.path, kind), { recursive: true });
    await writeFile(join(this.path, 'tasks', taskId), '');
    if ((await stat(this.dataDir)).uid !== owner.uid) await chown(this.dataDir, owner.uid, owner.gid);
  }

  remember(session: string): void {
    writeFileSync(join(this.path, 'session'), session);
  }

  /** Writes a prompt down whole and answers where; with what was said before, where no session has heard it. */
  async prompt(id: string, text: string): Promise<string> {
    const folder = join(this.path, 'prompts');
    const earlier = (await readdir(folder)).filter((name) => name !== id).sort();
    const heard = this.session !== undefined;
    const unheard = heard
      ? []
      : await Promise.all(earlier.map((name) => readFile(join(folder, name), 'utf8')));
    if (heard) for (const name of earlier) await rm(join(folder, name));
    const path = join(folder, id);
    await writeFile(`${path}.new`, [...unheard, text].join('\n\n'), { mode: 0o444 });
    await rename(`${path}.new`, path);
    return path;
  }

  /** The tasks that have gone on in it. */
  async tasks(): Promise<string[]> {
    return readdir(join(this.path, 'tasks')).catch(() => []);
  }
}

/** Whom a container's processes are: the owner of the folder, whom the bridge may act for, and root only where the caller's folder is root's. */
export async function ownerFor(directory: string, ownsDirectory: boolean): Promise<Owner> {
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (self.uid !== 0) return self;
  const { uid, gid } = await stat(directory);
  if (uid !== 0) return { uid, gid };
  if (!ownsDirectory) return self;
  await handOver(directory, NOBODY_SPECIAL);
  return NOBODY_SPECIAL;
}

async function handOver(directory: string, { uid, gid }: Owner): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true }))
    await lchown(join(directory, entry), uid, gid);
  await chown(directory, uid, gid);
}
