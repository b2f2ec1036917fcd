import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger } from '../../src/logger.ts';
import { Shells } from '../../src/runners/shell/shells.ts';
import { noSandbox } from '../support/sandbox.ts';
import { tempDir } from '../support/temp.ts';
import type { Row } from './report.ts';
import { sideBySide } from './sample.ts';

const ROUNDS = 60;
const SESSION = 'ses_bench';
/** In the first one bash takes a socket as stdin for a remote login, and reads ~/.bashrc. */
const SHLVL = '1';

/** What it costs a command that it runs in the sandbox of its task, or without one but without secrets. */
export async function* shellRows(): AsyncGenerator<Row> {
  if (noSandbox === undefined) yield await cost('bwrap', 'in the sandbox of its task');
  yield await cost('off', 'without a sandbox, by the wrapper alone');
}

async function cost(sandbox: 'bwrap' | 'off', where: string): Promise<Row> {
  await using root = await tempDir('bench-shell-');
  const directory = join(root.path, 'workspace');
  await mkdir(directory);
  const { PATH, HOME } = process.env;
  const shells = await Shells.start({
    folder: join(root.path, 'shell'),
    sandbox,
    writable: [],
    readable: [],
    passthrough: [],
    leftovers: 'end',
    env: { PATH, HOME },
    privateFolders: [],
    workspaceDir: directory,
    roots: [],
    logger: createLogger('silent'),
  });
  await shells.open(SESSION, directory);
  const run = promisify(execFile);
  const command = (shell: string) => () =>
    run(shell, ['-c', 'true'], {
      cwd: directory,
      env: { PATH, HOME, SHLVL, LETTA_OPENCODE_SESSION: SESSION },
    });
  const { first: wrapped, second: plain } = await sideBySide(
    ROUNDS,
    command(shells.path),
    command('/bin/bash'),
  );
  await shells.close();
  return {
    what: `a command ${where}, n=${ROUNDS}`,
    measured: `${wrapped.toFixed(1)} ms`,
    comparison: `bash alone: ${plain.toFixed(1)} ms`,
    goal: 'at most 15 ms more',
    ok: wrapped - plain <= 15,
  };
}
