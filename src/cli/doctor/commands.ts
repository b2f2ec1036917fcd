import { mkdir } from 'node:fs/promises';
import { describeSandbox, detectSandbox } from '../../runners/shell/detect-sandbox.ts';
import { type Check, failed } from './check.ts';

/** Runs a command to see whether commands of tasks run in a sandbox here. */
export const commands: Check = async ({ shell, childEnv, dataDir }) => {
  const check = 'commands of tasks';
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const found = await detectSandbox(shell.sandbox, childEnv, dataDir);
    const detail = describeSandbox(found);
    if (found.kind === 'bubblewrap' || shell.sandbox === 'off') return [{ check, status: 'ok', detail }];
    const next =
      'Install bubblewrap, or set SHELL_SANDBOX=off where a container or a user of its own is the boundary (docs/security.md).';
    return [{ check, status: 'warn', detail, next }];
  } catch (thrown) {
    return [failed(check, thrown)];
  }
};
