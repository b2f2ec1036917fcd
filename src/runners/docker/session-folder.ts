import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { chown, lchown, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SentPrompt } from '../sent-prompts.ts';

/** Whom the processes of a container are, where the bridge is root and the folder is too. */
const NOBODY_SPECIAL = { uid: 1_000, gid: 1_000 };

const heardSchema = z.object({ session: z.string(), prompt: z.string().optional() });

/** OpenCode's id of a session, and the prompt that it heard last. */
export type SessionState = z.infer<typeof heardSchema>;

export interface ContainerUser {
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

  /** OpenCode's id of the session, and the last prompt that a run in it has answered; undefined until a run has told it. */
  get state(): SessionState | undefined {
    const file = join(this.path, 'session');
    return existsSync(file) ? readHeard(readFileSync(file, 'utf8')) : undefined;
  }

  async prepare(taskId: string, owner: ContainerUser): Promise<void> {
    await mkdir(this.dataDir, { recursive: true, mode: 0o700 });
    for (const kind of ['prompts', 'tasks']) await mkdir(join(this.path, kind), { recursive: true });
    await writeFile(join(this.path, 'tasks', taskId), '');
    if ((await stat(this.dataDir)).uid !== owner.uid) await chown(this.dataDir, owner.uid, owner.gid);
  }

  saveState(heard: SessionState): void {
    const file = join(this.path, 'session');
    writeFileSync(`${file}.new`, JSON.stringify(heard));
    renameSync(`${file}.new`, file);
  }

  /** Writes a prompt down whole, in place of the one before, and answers where. */
  async writePrompt(id: string, text: string): Promise<string> {
    const folder = join(this.path, 'prompts');
    for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
    const path = join(folder, id);
    await writeFile(`${path}.new`, text, { mode: 0o444 });
    await rename(`${path}.new`, path);
    return path;
  }

  /** The tasks that have gone on in it. */
  async tasks(): Promise<string[]> {
    return readdir(join(this.path, 'tasks')).catch(() => []);
  }
}

/** What of this, oldest first, no session has answered: OpenCode was lost before, and its session with it. */
export function unansweredPrompts(
  said: readonly SentPrompt[],
  heard: SessionState | undefined,
): SentPrompt[] {
  if (heard && heard.prompt === undefined) return [];
  return said.slice(said.findLastIndex(({ id }) => id === heard?.prompt) + 1);
}

/** Earlier bridges wrote the id of the session alone; what it had heard is not known. */
function readHeard(text: string): SessionState {
  return text.startsWith('{') ? heardSchema.parse(JSON.parse(text)) : { session: text };
}

/** Whom a container's processes are: the owner of the folder, whom the bridge may act for, and root only where the caller's folder is root's. */
export async function containerUserFor(directory: string, ownsDirectory: boolean): Promise<ContainerUser> {
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  if (self.uid !== 0) return self;
  const { uid, gid } = await stat(directory);
  if (uid !== 0) return { uid, gid };
  if (!ownsDirectory) return self;
  await handOver(directory, NOBODY_SPECIAL);
  return NOBODY_SPECIAL;
}

async function handOver(directory: string, { uid, gid }: ContainerUser): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true }))
    await lchown(join(directory, entry), uid, gid);
  await chown(directory, uid, gid);
}
