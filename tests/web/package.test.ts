import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startProgram } from '../e2e/program.ts';
import { tempDir } from '../support/temp.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ dev: z.boolean().optional(), link: z.boolean().optional() })),
});

let folder: Awaited<ReturnType<typeof tempDir>>;
let files: string[];
beforeAll(async () => {
  folder = await tempDir('bridge-package-');
  files = await pack(folder.path);
});
afterAll(() => folder.remove());

test('the package has the page as it was built, and neither its sources nor what builds it', () => {
  const page = files.filter((path) => path.startsWith('dist/web/'));
  expect(page).toContain('dist/web/manifest.json');
  expect(page.filter((path) => /\/main-\w+\.(js|css)$/.test(path))).toHaveLength(2);
  expect(files.filter((path) => /\.tsx?$/.test(path) && !path.startsWith('.opencode/'))).toEqual([]);
});

test('the package has the licenses of what is in its bundles', async () => {
  const licenses = await readFile(join(folder.path, 'package/dist/third-party-licenses.txt'), 'utf8');
  for (const name of ['zod', 'express', 'preact', 'highlight.js'])
    expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
  expect(licenses).toContain('Permission is hereby granted');
});

test('the packed bridge serves the page', async () => {
  await using bridge = await start();
  const { origin } = bridge;
  const html = await (await fetch(`${origin}/tasks/x`, { headers: { accept: 'text/html' } })).text();
  const assets = [...html.matchAll(/(?:href|src)="\.\.\/(assets\/[^"]+)"/g)].map(([, path]) => path);
  expect(assets.length).toBeGreaterThanOrEqual(3);
  for (const path of assets) expect((await fetch(`${origin}/${path}`)).status, path).toBe(200);
  expect(await (await fetch(`${origin}/session`)).json()).toEqual({
    authentication: 'none',
    signed_in: true,
  });
});

test('WEB_UI=false: it serves neither page nor sign-in', async () => {
  await using bridge = await start({ WEB_UI: 'false' });
  for (const path of ['/', '/sign-in', '/session', '/tasks/x']) {
    const response = await fetch(`${bridge.origin}${path}`, { headers: { accept: 'text/html' } });
    expect([response.status, response.headers.get('content-type')], path).toEqual([
      404,
      expect.stringContaining('application/problem+json'),
    ]);
  }
});

/** The packed bridge on a free port; `await using` stops it. */
async function start(variables: Record<string, string> = {}) {
  const home = await tempDir('bridge-packed-');
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home.path,
    DATA_DIR: join(home.path, 'data'),
    WORKSPACE_DIR: join(home.path, 'work'),
    // Docker mode starts without an engine too.
    DOCKER_HOST: `unix://${join(home.path, 'no-engine.sock')}`,
    MCP_PORT: '0',
    SHUTDOWN_GRACE_MS: '0',
    ...variables,
  };
  const program = startProgram('serve', env, { entry: join(folder.path, 'package/dist/index.js') });
  const [, origin = ''] = await program.says(/"url":"(http:[^"]+)\/mcp"/);
  return {
    origin,
    async [Symbol.asyncDispose]() {
      program.child.kill();
      await program.exit;
      await home.remove();
    },
  };
}

/** Packs a copy of what git tracks, as `npm publish` would, and unpacks it; returns the paths in it. */
async function pack(target: string): Promise<string[]> {
  const copy = join(target, 'copy');
  const { stdout: tracked } = await run(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: ROOT,
      maxBuffer: 10_000_000,
    },
  );
  for (const path of tracked.split('\0').filter((it) => /^(build|src|docs|\.opencode)\/|^[^/]+$/.test(it))) {
    await cp(join(ROOT, path), join(copy, path));
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', target], { cwd: copy });
  const { stdout: listed } = await run('tar', ['-xvzf', stdout.trim().split('\n').at(-1) ?? ''], {
    cwd: target,
  });
  await linkDependencies(join(target, 'package/node_modules'));
  return listed.split('\n').map((path) => path.replace(/^package\//, ''));
}

/** What npm installs with the package, and nothing else. */
async function linkDependencies(target: string): Promise<void> {
  const { packages } = lockSchema.parse(JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')));
  const installed = Object.keys(packages).filter((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path));
  for (const path of installed.filter((it) => !packages[it]?.dev && !packages[it]?.link)) {
    const link = join(target, '..', path);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(ROOT, path), link);
  }
}
