import { join } from 'node:path';
import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { makeTaskDirectory } from '../../src/execution/directories/roots.ts';
import { scriptText } from '../../src/scripted-model/script.ts';
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

  async throughBridge(prompt: string, directory?: string): Promise<void> {
    const result = await this.#bridge.client.callTool({
      name: 'opencode_execute_task',
      arguments: { task_description: prompt, sync: true, ...(directory !== undefined && { directory }) },
    });
    const text = JSON.stringify(result.structuredContent ?? result.content);
    if (!text.includes('"completed"')) throw new Error(`the task did not complete: ${text}`);
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
