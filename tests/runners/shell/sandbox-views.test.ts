import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { createLogger } from '../../../src/logger.ts';
import { Shells } from '../../../src/runners/shell/shells.ts';
import { noSandbox } from '../../support/sandbox.ts';
import { tempDir } from '../../support/temp.ts';

beforeEach((context) => context.skip(noSandbox !== undefined, noSandbox));

it('a conversation that could not be announced to OpenCode can be opened once that works again', async () => {
  await using root = await tempDir('views-');
  const directory = join(root.path, 'workspace', 'one');
  await mkdir(directory, { recursive: true });
  const folder = join(root.path, 'shell');
  const shells = await Shells.start({
    folder,
    sandbox: 'bwrap',
    writable: [],
    readable: [],
    passthrough: [],
    leftovers: 'end',
    env: { PATH: process.env.PATH, HOME: root.path },
    privateFolders: [],
    workspaceDir: join(root.path, 'workspace'),
    roots: [],
    logger: createLogger('silent'),
  });
  await mkdir(join(folder, 'views.json.new'));
  await expect(shells.open('ses_one', directory)).rejects.toThrow('EISDIR');
  await rm(join(folder, 'views.json.new'), { recursive: true });
  await shells.open('ses_one', directory);
  expect(await readFile(join(folder, 'views.json'), 'utf8')).toContain(directory);
  await shells.close();
  expect(await readFile(join(folder, 'views.json'), 'utf8')).toBe('[]');
});
