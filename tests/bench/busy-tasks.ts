import { join } from 'node:path';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import type { RunningOpenCode } from '../support/opencode.ts';
import { bash, slowly, write } from '../support/steps.ts';

const PARTS = 3;

/** A bridge for many such tasks at once, on an OpenCode server that asks for one permission in each. */
export function busyBridgeEnv(
  home: string,
  name: string,
  directory: string,
  server: RunningOpenCode,
  tasks: number,
) {
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    DATA_DIR: join(home, name),
    ALLOWED_DIRECTORIES: directory,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: server.url,
    OPENCODE_SERVER_PASSWORD: server.password,
    MAX_CONCURRENT_TASKS: String(tasks),
    PERMISSION_POLICY: 'allow',
    MCP_RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  };
}

/** Writes files, runs commands, is allowed one, and says something about it for some seconds. */
export function busyTask(n: number): string {
  const parts = Array.from({ length: PARTS }, (_, part) => [
    { ...slowly('word ', 400), ...write(`out/${n}/part-${part}.txt`, 'a line of text\n'.repeat(40)) },
    { ...slowly('word ', 400), ...bash(`wc -l out/${n}/part-${part}.txt && seq 100`) },
  ]);
  return `Do it. ${scriptText([...parts.flat(), bash(`touch out/${n}/done`), slowly('It is done. ', 1_000)])}`;
}
