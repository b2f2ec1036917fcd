import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ChangeTracker } from '../../src/workspaces/changes/change-tracker.ts';

/** A new temporary folder, removed after the test. */
export function temporaryFolder(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'directories-')));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Writes files, and creates their folders. */
export function write(root: string, files: Record<string, string | Buffer>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}

/** Runs the real git as a user would. */
export function git(cwd: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org'];
  return execFileSync('git', [...identity, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: '/dev/null' },
  });
}

/** A repository with one commit of the files. */
export function repository(path: string, files: Record<string, string | Buffer>): string {
  mkdirSync(path, { recursive: true });
  git(path, 'init', '-q', '-b', 'main');
  write(path, files);
  git(path, 'add', '-A', '-f');
  git(path, 'commit', '-q', '-m', 'first');
  return path;
}

/** Every file under a folder with its bytes, to compare before and after. */
export function contentOf(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((it) => it.isFile());
  const paths = files.map((it) => join(it.parentPath, it.name)).sort();
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'hex')]));
}

/** A tracker with its snapshots in `base`. */
export function trackerIn(
  base: string,
  options: { git?: string; timeoutMs?: number; home?: string; config?: string } = {},
) {
  const { home, config, ...rest } = options;
  const env = { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: config };
  return new ChangeTracker({ snapshotsDir: join(base, 'snapshots'), env, ...rest });
}

/** Short form of a list of changes: "A a.txt +1 -0". */
export async function shortChanges(tracker: ChangeTracker, directory: string): Promise<string[]> {
  const changes = await tracker.changes('t', directory);
  return changes.map(({ change, path, additions, deletions, binary }) => {
    const counts = binary ? 'binary' : additions === undefined ? '?' : `+${additions} -${deletions}`;
    return `${change.charAt(0).toUpperCase()} ${path} ${counts}`;
  });
}
