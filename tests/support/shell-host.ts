import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '../../src/logger.ts';
import { Shells } from '../../src/runners/shell/shells.ts';

/**
 * `node shell-host.ts <root> <command>…`: runs commands one after the other in one task's shell, as the current
 * user. `READABLE` names a path that is shown to them. Prints their results and leftover processes as JSON.
 */
const [, , root = '', ...commands] = process.argv;
const directory = join(root, 'workspace', 'one');
for (const folder of [directory, join(root, 'workspace', 'two'), join(root, 'data')])
  await mkdir(folder, { recursive: true });
const { PATH, HOME, READABLE } = process.env;
const shells = await Shells.start({
  folder: join(root, 'data', 'shell'),
  sandbox: 'bwrap',
  writable: [],
  readable: READABLE === undefined ? [] : [READABLE],
  passthrough: [],
  leftovers: 'end',
  env: { PATH, HOME },
  privateFolders: [join(root, 'data')],
  workspaceDir: join(root, 'workspace'),
  roots: [],
  logger: createLogger('silent'),
});
await shells.open('ses_one', directory);
const outcomes = [];
for (const command of commands) outcomes.push(await run(shells.path, command));
const left = await shells.settle('ses_one', true);
await shells.close();
process.stdout.write(JSON.stringify({ outcomes, left }));

function run(
  shell: string,
  command: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { PATH, HOME, LETTA_OPENCODE_SESSION: 'ses_one' };
  const child = spawn(shell, ['-c', command], { cwd: directory, env, detached: true });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end('from stdin');
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said })));
}
