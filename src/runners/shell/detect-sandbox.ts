import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BridgeError, messageOf } from '../../errors.ts';
import { findPrograms, type SandboxPrograms } from './programs.ts';
import { Sandbox } from './sandbox.ts';
import { SESSION_VARIABLE, statePath, wrapperPath, wrapperScript } from './wrapper.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether commands of tasks run in a sandbox here. With `none` only their environment variables are restricted. */
export type SandboxSupport =
  | { kind: 'bubblewrap'; programs: SandboxPrograms; asRoot: boolean }
  | { kind: 'none'; reason: string };

/** The value of SHELL_SANDBOX. */
export type SandboxMode = 'auto' | 'bwrap' | 'off';

/** A short text for health and doctor. */
export function describeSandbox(support: SandboxSupport): string {
  return support.kind === 'bubblewrap'
    ? 'commands in a sandbox (bubblewrap)'
    : `commands without a sandbox (${support.reason})`;
}

const run = promisify(execFile);
const PROBE_TIMEOUT_MS = 15_000;
const PROBE_SESSION = 'probe';
const SHELL = '/bin/sh';

/** The probe: it must neither see the hidden file, its argument, nor be able to write to /usr. */
const COMMAND = 'if [ -e "$1" ] || [ -w /usr ]; then echo open; else echo "isolated $$"; fi';

/**
 * Runs a command in a sandbox to find out whether that works: bubblewrap can be installed and still be forbidden by the
 * kernel. Throws where `bwrap` is required and does not work. Uses temporary files in `folder`, which must exist.
 */
export async function detectSandbox(
  mode: SandboxMode,
  env: Environment,
  folder: string,
): Promise<SandboxSupport> {
  if (mode === 'off') return { kind: 'none', reason: 'SHELL_SANDBOX is off' };
  const support = await probe(env, folder).catch((thrown): SandboxSupport => {
    return { kind: 'none', reason: `bubblewrap does not work here: ${messageOf(thrown)}` };
  });
  if (support.kind === 'none' && mode === 'bwrap') {
    throw new BridgeError('INVALID_INPUT', `SHELL_SANDBOX is "bwrap", but ${support.reason}.`, {
      next: 'Install bubblewrap and util-linux and allow user namespaces (or run as root outside of a container), or set SHELL_SANDBOX=auto.',
    });
  }
  return support;
}

async function probe(env: Environment, parent: string): Promise<SandboxSupport> {
  if (process.platform !== 'linux') throw new Error('it requires Linux');
  const programs = findPrograms(env);
  if ('missing' in programs) throw new Error(`${programs.missing} not found`);
  const asRoot = process.getuid?.() === 0;
  const folder = await realpath(await mkdtemp(join(parent, 'sandbox-probe-')));
  try {
    const secret = join(folder, 'secret');
    await writeFile(secret, '');
    const wrapper = wrapperPath(folder, SHELL);
    const sandbox = { programs, asRoot, variables: {} };
    await mkdir(join(folder, 'bin'));
    await writeFile(wrapper, wrapperScript({ folder, shell: SHELL, withheld: [], sandbox }));
    await chmod(wrapper, 0o700);
    await runProbe(programs, asRoot, folder, wrapper, secret);
    return { kind: 'bubblewrap', programs, asRoot };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runProbe(
  { bwrap }: SandboxPrograms,
  asRoot: boolean,
  folder: string,
  wrapper: string,
  secret: string,
): Promise<void> {
  const state = statePath(folder, PROBE_SESSION);
  const mounts = [{ kind: 'hidden', path: folder, folder: true }] as const;
  const sandbox = await Sandbox.start({ bwrap, asRoot, mounts, state, owner: folder, onExit: () => {} });
  try {
    const env = { PATH: '/usr/bin:/bin', [SESSION_VARIABLE]: PROBE_SESSION };
    const options = { cwd: '/', env, timeout: PROBE_TIMEOUT_MS };
    const { stdout } = await run(wrapper, ['-c', COMMAND, 'sh', secret], options);
    // Process ids in a new namespace are small.
    const [verdict, pid] = stdout.trim().split(' ');
    if (verdict !== 'isolated' || Number(pid) > 100)
      throw new Error(`a command was not isolated (${stdout.trim()})`);
  } finally {
    await sandbox.close();
  }
}
