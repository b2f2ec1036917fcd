import { join } from 'node:path';
import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import type { RunningOpenCode } from '../support/opencode.ts';
import type { BenchBridge } from './bench-bridge.ts';

export const TRIVIAL = `Say done. ${scriptText([{ text: 'Done.' }])}`;

/** Writes a file, runs it, says so. */
export const THREE_STEPS = `Do it. ${scriptText([
  { tools: [{ name: 'write', args: { filePath: 'hello.sh', content: 'echo hello\n' } }] },
  { tools: [{ name: 'bash', args: { command: 'sh hello.sh', description: 'Run it' } }] },
  { text: 'It says hello.' },
])}`;

const MODEL = { providerID: 'mock', modelID: 'm1' };

const answerSchema = z.object({
  structuredContent: z.looseObject({ task_id: z.string(), status: z.string() }),
});

function taskOf(result: unknown): { task_id: string; status: string } {
  return answerSchema.parse(result).structuredContent;
}

/** Submits a task, in a folder of its own unless one is given; resolves with its id while it runs. */
export async function submitTask(
  { client }: BenchBridge,
  prompt: string,
  directory?: string,
): Promise<string> {
  const order = { task_description: prompt, ...(directory !== undefined && { directory }) };
  return taskOf(await client.callTool({ name: 'opencode_execute_task', arguments: order })).task_id;
}

/** A task from the call that submits it to the answer that it has completed; in a folder of its own unless one is given. */
export async function runTask(
  { client }: BenchBridge,
  prompt: string,
  directory?: string,
  agent_id?: string,
): Promise<string> {
  const who = agent_id === undefined ? {} : { agent_id };
  const where = directory === undefined ? {} : { directory };
  const order = { task_description: prompt, sync: true, ...who, ...where };
  let task = taskOf(await client.callTool({ name: 'opencode_execute_task', arguments: order }));
  while (task.status === 'running' || task.status === 'queued') {
    const question = { task_id: task.task_id, wait_ms: 50_000, ...who };
    task = taskOf(await client.callTool({ name: 'get_task_status', arguments: question }));
  }
  if (task.status !== 'completed') throw new Error(`the task did not complete: ${JSON.stringify(task)}`);
  return task.task_id;
}

/** The same work twice: through the bridge and straight with the SDK, on one OpenCode server. */
export class Contest {
  readonly #bridge: BenchBridge;
  readonly #sdk: OpencodeClient;
  readonly #folder: string;
  #folders = 0;

  constructor(bridge: BenchBridge, server: RunningOpenCode, folder: string) {
    const authorization = `Basic ${Buffer.from(`${server.username}:${server.password}`).toString('base64')}`;
    this.#bridge = bridge;
    this.#sdk = createOpencodeClient({ baseUrl: server.url, headers: { authorization } });
    this.#folder = folder;
  }

  /** A folder that OpenCode has not seen, made as the bridge makes one. */
  async freshFolder(): Promise<string> {
    this.#folders += 1;
    const path = join(this.#folder, `folder-${this.#folders}`);
    await makeTaskDirectory(path);
    return path;
  }

  freshFolders(count: number): Promise<string[]> {
    return Promise.all(Array.from({ length: count }, () => this.freshFolder()));
  }

  /** Frees OpenCode's instance of a folder, as the bridge does with its own. */
  async leave(directory: string): Promise<void> {
    await this.#sdk.instance.dispose({ directory }, { throwOnError: true });
  }

  async throughBridge(prompt: string, directory?: string): Promise<void> {
    await runTask(this.#bridge, prompt, directory);
  }

  async straight(prompt: string, directory: string): Promise<void> {
    const { data: session } = await this.#sdk.session.create(
      { directory, title: 'bench' },
      { throwOnError: true },
    );
    await this.#sdk.session.prompt(
      {
        sessionID: session.id,
        directory,
        model: MODEL,
        agent: 'build',
        parts: [{ type: 'text', text: prompt }],
      },
      { throwOnError: true },
    );
  }
}
