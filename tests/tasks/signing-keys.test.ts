import { expect, test } from 'vitest';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { signingKeyOf } from '../../src/store/sqlite/sqlite-signing-keys.ts';
import { tempDir } from '../support/temp.ts';

test('a signing key is the same after a restart, and another for each name and each folder', async () => {
  const folders = [await tempDir('signing-keys-'), await tempDir('secrets-')];
  const [first, again, elsewhere] = [folders[0], folders[0], folders[1]].map((folder) => {
    const database = openDatabase(folder?.path ?? '');
    const keys = ['a', 'a', 'b'].map((name) => Buffer.from(signingKeyOf(database, name)).toString('hex'));
    database.close();
    return keys;
  });
  const [a, sameA, b] = first ?? [];
  expect(a).toMatch(/^[0-9a-f]{64}$/);
  expect(sameA).toBe(a);
  expect(again).toEqual(first);
  expect(new Set([a, b, ...(elsewhere ?? [])]).size).toBe(4);
  for (const folder of folders) await folder.remove();
});
