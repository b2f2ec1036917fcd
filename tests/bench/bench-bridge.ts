import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { z } from 'zod';

const ENTRY = join(import.meta.dirname, '../../src/index.ts');

export interface BenchBridge {
  pid: number;
  url: string;
  client: Client;
  /** From the start of the process to the first answer of /health. */
  healthMs: number;
  stop(): Promise<void>;
}

/** The bridge as its own process, with one MCP client over HTTP. */
export async function startBenchBridge(env: Record<string, string>, port: number): Promise<BenchBridge> {
  const started = performance.now();
  const child = spawn(process.execPath, [ENTRY, 'serve'], {
    env: { ...env, MCP_PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stderr: string[] = [];
  createInterface(child.stderr).on('line', (line) => stderr.push(line));
  const url = `http://127.0.0.1:${port}`;
  await healthy(child, url, stderr);
  const healthMs = performance.now() - started;
  const client = new Client({ name: 'bench', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
  const stop = async (): Promise<void> => {
    await client.close();
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  return { pid: z.number().parse(child.pid), url, client, healthMs, stop };
}

async function healthy(child: ChildProcess, url: string, stderr: string[]): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if (child.exitCode !== null) break;
    const response = await fetch(`${url}/health`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`the bridge did not come up: ${stderr.join('\n')}`);
}
