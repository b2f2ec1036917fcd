import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { findPrograms, type SandboxPrograms } from './programs.ts';
import { Sandbox } from './sandbox.ts';
import { SESSION_VARIABLE, statePath, wrapperPath, wrapperScript } from './wrapper.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether commands of tasks run in a sandbox here; `why` they do not. */
export type SandboxSupport =
  | { kind: 'bubblewrap'; programs: SandboxPrograms; asRoot: boolean }
  | { kind: 'environment'; why: string };

export type SandboxMode = 'auto' | 'bwrap' | 'off';

/** In a few words, for health and doctor. */
export function describeSandbox(found: SandboxSupport): string {
  return found.kind === 'bubblewrap'
    ? 'commands in a sandbox (bubblewrap)'
    : `commands without a sandbox (${found.why})`;
}

const run = promisify(execFile);
const TRIAL_LIMIT_MS = 15_000;
const TRIAL = 'trial';
const SHELL = '/bin/sh';

/** What a command does in the trial: it must not see what is hidden, nor be able to write. */
const COMMAND = (secret: string): string =>
  `if [ -e ${quote(secret)} ] || [ -w /usr ]; then echo open; else echo "shut $$"; fi`;

/**
 * Finds out by a trial: bubblewrap may be there and not be allowed. Throws where `bwrap` is wished for and does
 * not work. Makes its files below `folder`, which has to be there, and removes them.
 */
export async function detectSandbox(
  wish: SandboxMode,
  env: Environment,
  folder: string,
): Promise<SandboxSupport> {
  if (wish === 'off') return { kind: 'environment', why: 'SHELL_SANDBOX is off' };
  const found = await probe(env, folder).catch((thrown): SandboxSupport => {
    return { kind: 'environment', why: `bubblewrap does not work here: ${messageOf(thrown)}` };
  });
  if (found.kind === 'environment' && wish === 'bwrap') {
    throw new BridgeError('INVALID_INPUT', `SHELL_SANDBOX is "bwrap", but ${found.why}.`, {
      next: 'Install bubblewrap and util-linux and allow user namespaces (or run as root outside of a container), or set SHELL_SANDBOX=auto.',
    });
  }
  return found;
}

async function probe(env: Environment, parent: string): Promise<SandboxSupport> {
  if (process.platform !== 'linux') throw new Error('it is for Linux alone');
  const programs = findPrograms(env);
  if ('missing' in programs) throw new Error(`${programs.missing} not found`);
  const asRoot = process.getuid?.() === 0;
  const folder = await realpath(await mkdtemp(join(parent, 'sandbox-trial-')));
  try {
    const secret = join(folder, 'secret');
    await writeFile(secret, '');
    const wrapper = wrapperPath(folder, SHELL);
    const sandbox = { programs, asRoot, variables: {} };
    await mkdir(join(folder, 'bin'));
    await writeFile(wrapper, wrapperScript({ folder, shell: SHELL, withheld: [], sandbox }));
    await chmod(wrapper, 0o700);
    await tryOut(programs, asRoot, folder, wrapper, secret);
    return { kind: 'bubblewrap', programs, asRoot };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function tryOut(
  { bwrap }: SandboxPrograms,
  asRoot: boolean,
  folder: string,
  wrapper: string,
  secret: string,
): Promise<void> {
  const state = statePath(folder, TRIAL);
  const mounts = [{ kind: 'hidden', path: folder, folder: true }] as const;
  const sandbox = await Sandbox.start({ bwrap, asRoot, mounts, state, owner: folder, onExit: () => {} });
  try {
    const env = { PATH: '/usr/bin:/bin', [SESSION_VARIABLE]: TRIAL };
    const options = { cwd: '/', env, timeout: TRIAL_LIMIT_MS };
    const { stdout } = await run(wrapper, ['-c', COMMAND(secret)], options);
    // Process ids in a new namespace are small.
    const [verdict, pid] = stdout.trim().split(' ');
    if (verdict !== 'shut' || Number(pid) > 100)
      throw new Error(`a command got out of it (${stdout.trim()})`);
  } finally {
    await sandbox.close();
  }
}
