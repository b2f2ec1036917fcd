import { mkdir } from 'node:fs/promises';
import { findCredentials } from '../../runners/shell/credentials.ts';
import { describeSandbox, detectSandbox } from '../../runners/shell/detect-sandbox.ts';
import { engineFolders } from '../../runners/shell/mounts.ts';
import { type Check, failed } from './check.ts';

const MAX_PATHS = 10;

/** Runs a command to see whether commands of tasks run in a sandbox here. */
export const commands: Check = async ({ shell, childEnv, dataDir }) => {
  const check = 'commands of tasks';
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const found = await detectSandbox(shell.sandbox, childEnv, dataDir);
    const detail = describeSandbox(found);
    if (found.kind === 'bubblewrap') {
      // What is hidden whatever the operator sets is not listed.
      const shown = [...shell.readable, ...shell.writable, dataDir, ...engineFolders(childEnv)];
      const hidden = await findCredentials(childEnv, shown);
      return [{ check, status: 'ok', detail: detail + describeHidden(hidden) }];
    }
    if (shell.sandbox === 'off') return [{ check, status: 'ok', detail }];
    const next =
      'Install bubblewrap, or set SHELL_SANDBOX=off where a container or a user of its own is the boundary (docs/security.md).';
    return [{ check, status: 'warn', detail, next }];
  } catch (thrown) {
    return [failed(check, thrown)];
  }
};

function describeHidden(paths: readonly string[]): string {
  if (paths.length === 0) return '';
  const shown = paths.slice(0, MAX_PATHS).join(', ');
  const more = paths.length > MAX_PATHS ? ` and ${paths.length - MAX_PATHS} more` : '';
  return `; hidden from them unless SHELL_SANDBOX_READABLE names it: ${shown}${more}`;
}
