import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { chown, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ContainerUser } from './container-user.ts';

const stateSchema = z.object({ session: z.string(), prompt: z.string().optional() });

/** OpenCode's session id, and the last prompt that a run in this session has started to answer. */
export type SessionState = z.infer<typeof stateSchema>;

/**
 * The files of a conversation, under a name that the bridge chooses: OpenCode's data, the session state, the present
 * prompt, and the ids of the tasks that belong to it.
 */
export class SessionFolder {
  readonly path: string;

  constructor(root: string, conversation: string) {
    this.path = join(root, conversation);
  }

  /** OpenCode's data folder with its database; it outlives every container. */
  get dataDir(): string {
    return join(this.path, 'data');
  }

  /** Undefined until a run has reported its session. */
  get state(): SessionState | undefined {
    const file = join(this.path, 'session');
    return existsSync(file) ? parseState(readFileSync(file, 'utf8')) : undefined;
  }

  /** Creates the folder where needed and adds the task to it. */
  async prepare(taskId: string, user: ContainerUser): Promise<void> {
    await mkdir(this.dataDir, { recursive: true, mode: 0o700 });
    for (const kind of ['prompts', 'tasks']) await mkdir(join(this.path, kind), { recursive: true });
    await writeFile(join(this.path, 'tasks', taskId), '');
    if ((await stat(this.dataDir)).uid !== user.uid) await chown(this.dataDir, user.uid, user.gid);
  }

  saveState(state: SessionState): void {
    const file = join(this.path, 'session');
    writeFileSync(`${file}.new`, JSON.stringify(state));
    renameSync(`${file}.new`, file);
  }

  /** Replaces the prompt file atomically; returns its path. */
  async writePrompt(id: string, text: string): Promise<string> {
    const folder = join(this.path, 'prompts');
    for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
    return replaceFile(join(folder, id), text);
  }

  /** The same for the file with the system prompt. */
  writeSystemPrompt(text: string): Promise<string> {
    return replaceFile(join(this.path, 'system-prompt'), text);
  }

  /** The ids of the tasks of this conversation. */
  async tasks(): Promise<string[]> {
    return readdir(join(this.path, 'tasks')).catch(() => []);
  }
}

async function replaceFile(path: string, text: string): Promise<string> {
  await writeFile(`${path}.new`, text, { mode: 0o444 });
  await rename(`${path}.new`, path);
  return path;
}

/** Earlier versions stored the session id alone; which prompt it answered last is then unknown. */
function parseState(text: string): SessionState {
  return text.startsWith('{') ? stateSchema.parse(JSON.parse(text)) : { session: text };
}
