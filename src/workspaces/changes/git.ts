import { spawn } from 'node:child_process';
import { BridgeError, messageOf, quote } from '../../errors.ts';

export interface GitSettings {
  /** Name or path of the git program. */
  git: string;
  /** The only variables of the bridge that git gets. */
  env: { PATH?: string | undefined; HOME?: string | undefined; XDG_CONFIG_HOME?: string | undefined };
  /** Milliseconds after which one git process is killed. */
  timeoutMs: number;
}

export interface GitCall {
  args: readonly string[];
  gitDir: string;
  /** Working folder and work tree. */
  workTree: string;
  /** Absent: the index of the repository. */
  indexFile?: string;
  input?: Buffer;
  /** Bytes of stdout after which git is killed and `cut` is set. */
  maxBytes: number;
}

export interface GitResult {
  code: number;
  stdout: Buffer;
  stderr: string;
  cut: boolean;
}

const MAX_STDERR = 4096;

/** Runs git on a private repository. Any exit code is a result; a timeout is an error. */
export function runGit(settings: GitSettings, call: GitCall): Promise<GitResult> {
  const { promise, resolve, reject } = Promise.withResolvers<GitResult>();
  const child = spawn(settings.git, call.args, {
    cwd: call.workTree,
    env: environment(settings, call),
    stdio: [call.input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  let length = 0;
  let stderr = '';
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, settings.timeoutMs);

  child.stdin?.on('error', () => {}); // git may exit before it has read everything
  child.stdin?.end(call.input);
  child.stdout?.on('data', (chunk: Buffer) => {
    if (length > call.maxBytes) return;
    length += chunk.length;
    chunks.push(chunk);
    if (length > call.maxBytes) child.kill('SIGKILL');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < MAX_STDERR) stderr += chunk.toString();
  });
  child.on('error', (error) => {
    clearTimeout(timer);
    reject(gitError(`could not be started as ${quote(settings.git)}: ${messageOf(error)}`, call, error));
  });
  child.on('close', (code) => {
    clearTimeout(timer);
    if (timedOut) return reject(gitError(`did not finish within ${settings.timeoutMs} ms`, call));
    const cut = length > call.maxBytes;
    if (code === null && !cut) return reject(gitError('was killed', call));
    resolve({ code: code ?? 0, stdout: Buffer.concat(chunks).subarray(0, call.maxBytes), stderr, cut });
  });
  return promise;
}

/** The error for a git process that failed; names the command and the folder. */
export function gitError(
  reason: string,
  call: Pick<GitCall, 'args' | 'workTree'>,
  cause?: unknown,
): BridgeError {
  const text = `git ${call.args[0] ?? ''} in ${quote(call.workTree, 200)} ${reason}.`;
  return new BridgeError('INTERNAL', text, cause === undefined ? {} : { cause });
}

function environment({ env }: GitSettings, call: GitCall): NodeJS.ProcessEnv {
  return {
    ...(env.PATH === undefined ? {} : { PATH: env.PATH }),
    ...(env.HOME === undefined ? {} : { HOME: env.HOME }),
    LC_ALL: 'C',
    GIT_DIR: call.gitDir,
    GIT_WORK_TREE: call.workTree,
    ...(call.indexFile === undefined ? {} : { GIT_INDEX_FILE: call.indexFile }),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_TERMINAL_PROMPT: '0',
  };
}
