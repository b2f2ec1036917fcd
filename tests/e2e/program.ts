import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { COMPILE_CACHE, FEW_COLLECTIONS, PROGRAM } from '../support/built-program.ts';
import { hermeticHome } from '../support/opencode.ts';
import type { SharedServer } from '../support/shared-engine.ts';

export interface Program {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** The exit code, once the program has ended. */
  exit: Promise<number | null>;
  /** Resolves when stderr matches. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
}

/** The whole environment of a bridge with an embedded server, everything of it under `root`. */
export function bridgeEnv(root: string, modelUrl: string): Record<string, string> {
  return {
    ...hermeticHome(root, modelUrl),
    DATA_DIR: join(root, 'bridge'),
    OPENCODE_SERVER_ENABLED: 'true',
    MCP_PORT: '0',
    SHUTDOWN_GRACE_MS: '200',
  };
}

/** The same with an OpenCode server that others use too. */
export function externalEnv(root: string, { engine, model }: SharedServer): Record<string, string> {
  return {
    ...bridgeEnv(root, model.url),
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_USERNAME: engine.username,
    OPENCODE_SERVER_PASSWORD: engine.password,
  };
}

/** Starts a command of the product as users do, with this environment alone; `prelude` is of the shell before it. */
export function startProgram(
  command: string,
  env: Record<string, string>,
  { entry = PROGRAM, prelude = ':', args = [] as string[] } = {},
): Program {
  const shell = [
    '-c',
    `${prelude}; exec "$@"`,
    'sh',
    process.execPath,
    FEW_COLLECTIONS,
    entry,
    command,
    ...args,
  ];
  return watch(
    spawn('/bin/sh', shell, { env: { ...COMPILE_CACHE, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

/** `stdio` with a client that has said nothing yet. */
export interface StdioProgram extends Program {
  client: Client;
  /** Connects the client. */
  connect(): Promise<void>;
  /** What a client does that is closed. */
  endInput(): void;
}

/** Starts `stdio` as an editor does. */
export function startStdio(env: Record<string, string>): StdioProgram {
  const child = spawn(process.execPath, [FEW_COLLECTIONS, PROGRAM, 'stdio'], {
    env: { ...COMPILE_CACHE, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const client = new Client({ name: 'test', version: '0' });
  // Both ends of stdio read and write the same lines.
  const connect = () => client.connect(new StdioServerTransport(child.stdout, child.stdin));
  return { ...watch(child), client, connect, endInput: () => child.stdin.end() };
}

function watch(child: ChildProcessByStdio<Writable | null, Readable, Readable>): Program {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    // The streams stay bytes: a client may read them too.
    const decoder = new StringDecoder('utf8');
    child[name].on('data', (chunk: Buffer) => {
      text[name] += decoder.write(chunk);
    });
  }
  const exit = once(child, 'close').then(() => child.exitCode);
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(text.stderr);
      if (match) return match;
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`it ended before it said ${pattern}: ${text.stderr}`);
      await Promise.race([once(child.stderr, 'data'), exit]);
    }
  };
  return { child, stdout: () => text.stdout, stderr: () => text.stderr, exit, says };
}
