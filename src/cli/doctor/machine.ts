import { readFile } from 'node:fs/promises';
import { ENOUGH_MAPPINGS } from '../../runners/opencode-protocol/engine-runtime.ts';
import type { Check } from './check.ts';
import { versionOf } from './program.ts';

/** Always ok: index.ts refuses a Node that is too old before it loads anything else. */
export const node: Check = async () => [{ check: 'Node', status: 'ok', detail: process.versions.node }];

/** Git shows what a task changed. */
export const git: Check = async ({ childEnv }) => {
  const check = 'git';
  try {
    return [{ check, status: 'ok', detail: (await versionOf('git', childEnv)).replace('git version ', '') }];
  } catch {
    const next = 'Install git: without it tasks in existing folders fail, and changes cannot be shown.';
    return [{ check, status: 'fail', detail: 'not found on PATH', next }];
  }
};

/** OpenCode's grep and glob tools run it. */
export const ripgrep: Check = async ({ childEnv }) => {
  const check = 'ripgrep';
  try {
    return [{ check, status: 'ok', detail: (await versionOf('rg', childEnv)).replace('ripgrep ', '') }];
  } catch {
    const next =
      "Install ripgrep (rg): OpenCode's grep and glob tools need it, and OpenCode downloads it otherwise.";
    return [{ check, status: 'warn', detail: 'rg not found on PATH', next }];
  }
};

/** How many mappings Linux allows; OpenCode hangs when it has used them up. */
export const mappings: Check = async () => {
  const check = 'vm.max_map_count';
  const limit = Number(await readFile('/proc/sys/vm/max_map_count', 'utf8').catch(() => Infinity));
  if (limit >= ENOUGH_MAPPINGS) return [];
  const next = `Where many tasks run at once: sysctl -w vm.max_map_count=${ENOUGH_MAPPINGS}.`;
  return [{ check, status: 'warn', detail: `${limit}: little for an OpenCode of 2 GB and more`, next }];
};
