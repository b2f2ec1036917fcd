import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { z } from 'zod';

/** As users of the package run it: a checkout takes 20 MB more, for the TypeScript in it. */
const ENTRY = join(import.meta.dirname, '../../dist/index.js');

export interface BridgeProcess {
  pid: number;
  url: string;
  /** From the start of the process to the first answer of /health. */
  healthMs: number;
  /** What it has written to stderr. */
  stderr: readonly string[];
  stop(): Promise<void>;
}

export interface BenchBridge extends BridgeProcess {
  client: Client;
}

/** The bridge as its own process, with one MCP client over HTTP. */
export async function startBenchBridge(env: Record<string, string>, port: number): Promise<BenchBridge> {
  const bridge = await startBridgeProcess(env, port);
  const client = new Client({ name: 'bench', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${bridge.url}/mcp`)));
  const stop = async (): Promise<void> => {
    await client.close();
    await bridge.stop();
  };
  return { ...bridge, client, stop };
}

/** The bridge as its own process, without a client; `options` are those of Node. */
export async function startBridgeProcess(
  env: Record<string, string>,
  port: number,
  options: readonly string[] = [],
): Promise<BridgeProcess> {
  const started = performance.now();
  const child = spawn(process.execPath, [...options, ENTRY, 'serve'], {
    env: { ...env, MCP_PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stderr: string[] = [];
  createInterface(child.stderr).on('line', (line) => stderr.push(line));
  const url = `http://127.0.0.1:${port}`;
  await healthy(child, url, stderr);
  const healthMs = performance.now() - started;
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  return { pid: z.number().parse(child.pid), url, healthMs, stderr, stop };
}

async function healthy(child: ChildProcess, url: string, stderr: string[]): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    if (child.exitCode !== null) break;
    const response = await fetch(`${url}/health`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`the bridge did not come up: ${stderr.join('\n')}`);
}
