import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { vi } from 'vitest';
import { tempDir } from './temp.ts';

const HOME = process.env.BRIDGE_TESTS_CLAUDE_CODE ?? '/tmp/letta-opencode-plugin-claude-code';
const PROGRAM = join(HOME, 'claude');
/** Claude Code asks whether to trust a key that it does not know by its last characters. */
const KNOWN_KEY_LENGTH = 20;
const STOP_GRACE_MS = 3_000;
const RUN_LIMIT_MS = 150_000;
const SHOW_LIMIT_MS = 90_000;

/** Whether `tests/support/claude-code fetch` was run; a test that needs it reports it where it was not. */
export function claudeCodeIsThere(): boolean {
  return existsSync(join(HOME, 'version'));
}

export const CLAUDE_CODE_ABSENT = `no Claude Code in ${HOME}: run tests/support/claude-code fetch`;

/** A new user of Claude Code, offline: with its own HOME and project, a key, and a model on the loopback. */
export interface ClaudeCodeUser {
  /** Runs a command to its end; rejects if it fails. */
  run(args: readonly string[]): Promise<string>;
  /** A session in a terminal. */
  open(args?: readonly string[]): Terminal;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Terminal {
  /** Resolves once this was shown since the last call of `mark`; blanks do not count, as they are drawn by moves. */
  shows(text: string): Promise<void>;
  mark(): void;
  press(keys: string): void;
  /** Types a line and enters it once it is on the screen. */
  enter(line: string): Promise<void>;
  close(): Promise<void>;
}

/** `baseUrl` is where the messages API is, without `/v1`. */
export async function claudeCodeUser(baseUrl: string, key: string): Promise<ClaudeCodeUser> {
  const home = await tempDir('claude-code-');
  const project = join(home.path, 'project');
  await mkdir(project);
  // The state of a user who has answered the questions of the first start.
  const state = {
    hasCompletedOnboarding: true,
    customApiKeyResponses: { approved: [key.slice(-KNOWN_KEY_LENGTH)], rejected: [] },
    projects: { [project]: { hasTrustDialogAccepted: true } },
  };
  await writeFile(join(home.path, '.claude.json'), JSON.stringify(state));
  const env = {
    PATH: process.env.PATH,
    HOME: home.path,
    TMPDIR: home.path,
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
    ANTHROPIC_BASE_URL: baseUrl,
    ANTHROPIC_API_KEY: key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
  };
  const terminals: Terminal[] = [];
  return {
    run: (args) =>
      new Promise((resolve, reject) => {
        const child = execFile(
          PROGRAM,
          args,
          { cwd: project, env, timeout: RUN_LIMIT_MS },
          (error, stdout, stderr) => {
            if (error) reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
            else resolve(stdout);
          },
        );
        // It waits for what else may come on its input.
        child.stdin?.end();
      }),
    open(args = []) {
      const command = ['stty cols 120 rows 50; exec', PROGRAM, ...args].join(' ');
      const terminal = terminalOf(
        spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
          cwd: project,
          env,
          stdio: ['pipe', 'pipe', 'ignore'],
        }),
      );
      terminals.push(terminal);
      return terminal;
    },
    async [Symbol.asyncDispose]() {
      for (const terminal of terminals) await terminal.close();
      await home.remove();
    },
  };
}

function terminalOf(child: ChildProcess): Terminal {
  let output = '';
  let from = 0;
  const exit = once(child, 'close');
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const shown = (): string => stripVTControlCharacters(output.slice(from)).replace(/\s/g, '');
  const terminal: Terminal = {
    shows: (text) =>
      vi.waitFor(
        () => {
          if (!shown().includes(text.replace(/\s/g, ''))) throw new Error(`"${text}" is not in: ${shown()}`);
        },
        { timeout: SHOW_LIMIT_MS, interval: 50 },
      ),
    mark() {
      from = output.length;
    },
    press: (keys) => void child.stdin?.write(keys),
    async enter(line) {
      terminal.mark();
      terminal.press(line);
      await terminal.shows(line);
      terminal.press('\r');
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      // Without its terminal, Claude Code ends too.
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await exit;
      clearTimeout(timer);
    },
  };
  return terminal;
}
