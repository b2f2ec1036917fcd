import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { Encryption } from '../../src/provider-keys/encryption.ts';
import { KeysFile } from '../../src/provider-keys/keys-file.ts';
import { type ProviderInput, readProvider } from '../../src/provider-keys/provider.ts';
import { ProviderKeys, type ProviderKeysOptions } from '../../src/provider-keys/provider-keys.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteProviderKeyStore } from '../../src/store/sqlite/sqlite-provider-key-store.ts';
import { findEncoded } from '../support/encodings.ts';
import { tempDir } from '../support/temp.ts';

const logger = createLogger('silent');
const FIRST = new Uint8Array(randomBytes(32));
const SECOND = new Uint8Array(randomBytes(32));
const KEY = 'sk-planted-key-4711-wxyz';

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
beforeEach(async () => {
  folder = await tempDir('provider-keys-');
  database = openDatabase(folder.path);
});
afterEach(async () => {
  database.close();
  await folder.remove();
});

const encrypted = (...keys: [Uint8Array, ...Uint8Array[]]) => ({ encryption: new Encryption(keys) });

/** What a start of the bridge reads. */
function open(options: Partial<ProviderKeysOptions> = encrypted(FIRST)): ProviderKeys {
  const store = new SqliteProviderKeyStore(database);
  return new ProviderKeys({ environment: {}, store, now: () => 1_000, logger, ...options });
}

describe('a stored key', () => {
  it('is there after a restart, and shown only in part', () => {
    open().put('anthropic', { apiKey: KEY });
    const keys = open();
    expect(keys.find('anthropic')).toMatchObject({ key: KEY, baseUrl: 'https://api.anthropic.com/v1' });
    expect(keys.list()).toEqual([
      {
        provider: 'anthropic',
        source: 'stored',
        dialect: 'anthropic',
        baseUrl: 'https://api.anthropic.com/v1',
        models: [],
        lastFour: 'wxyz',
        createdAt: 1_000,
        updatedAt: 1_000,
      },
    ]);
  });

  it('is in no file of the database in clear, in whatever encoding', async () => {
    open().put('openai', { apiKey: KEY });
    const files = ['bridge.db', 'bridge.db-wal'].map((name) => join(folder.path, name));
    for (const file of files) expect(findEncoded((await readFile(file)).toString('latin1'), KEY)).toEqual([]);
  });

  it('replaced keeps when it was first set; removed, it is gone', () => {
    open().put('openai', { apiKey: KEY });
    const keys = open({ ...encrypted(FIRST), now: () => 2_000 });
    expect(keys.put('openai', { apiKey: `${KEY}2` })).toMatchObject({ createdAt: 1_000, updatedAt: 2_000 });
    keys.remove('openai');
    expect(open().list()).toEqual([]);
    expect(() => keys.remove('openai')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  it('needs ENCRYPTION_KEY', () => {
    const keys = open({});
    expect(() => keys.put('openai', { apiKey: KEY })).toThrow(/ENCRYPTION_KEY is not set/);
    expect(keys.list()).toEqual([]);
  });

  it('of a short secret shows nothing', () => {
    expect(open().put('openai', { apiKey: 'short' }).lastFour).toBeUndefined();
  });
});

describe('at a start', () => {
  it.each([
    ['no key', {}, /cannot be read: ENCRYPTION_KEY is not set/],
    ['another key', encrypted(SECOND), /encrypted with another key/],
  ])('%s is told, and nothing is lost', (_name, options, message) => {
    open().put('anthropic', { apiKey: KEY });
    expect(() => open(options)).toThrow(message);
    expect(open().find('anthropic')?.key).toBe(KEY);
  });

  it('a rotated key reads what the one before encrypted, which can then be forgotten', () => {
    open().put('anthropic', { apiKey: KEY });
    open().put('llm', { apiKey: KEY, baseUrl: 'http://llm.test/v1', models: ['m'] });
    expect(open(encrypted(SECOND, FIRST)).all()).toHaveLength(2);
    expect(open(encrypted(SECOND)).find('llm')).toMatchObject({ key: KEY, models: ['m'] });
    expect(() => open(encrypted(FIRST))).toThrow(/another key/);
  });

  it.each([
    ['the address', "UPDATE provider_keys SET base_url = 'https://evil.test'"],
    ['the provider', "UPDATE provider_keys SET provider = 'openrouter'"],
    ['the dialect', "UPDATE provider_keys SET dialect = 'openai'"],
    ['the box', 'UPDATE provider_keys SET box = randomblob(length(box))'],
    ['the length of the box', 'UPDATE provider_keys SET box = substr(box, 1, 20)'],
  ])('a database in which %s was changed sends no key anywhere', (_name, sql) => {
    open().put('anthropic', { apiKey: KEY });
    database.exec(sql);
    expect(() => open()).toThrow(/altered in the database/);
  });
});

describe('of several sources', () => {
  const written = async (content: unknown): Promise<string> => {
    const path = join(folder.path, `keys-${randomBytes(4).toString('hex')}.json`);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };

  it('the stored one is used, then that of the file, then that of the environment', async () => {
    const file = new KeysFile(await written({ openai: 'of-the-file' }), logger);
    const keys = open({ ...encrypted(FIRST), environment: { openai: 'of-the-environment' }, file });
    expect(keys.find('openai')?.key).toBe('of-the-file');
    keys.put('openai', { apiKey: 'of-the-store' });
    expect(keys.find('openai')?.key).toBe('of-the-store');
    keys.remove('openai');
    expect(() => keys.remove('openai')).toThrow(/comes from PROVIDER_KEYS_FILE/);
    expect(open({ environment: { openai: 'x' } }).list()).toMatchObject([{ source: 'environment' }]);
    expect(() => open({ environment: { openai: 'x' } }).remove('openai')).toThrow(/the environment/);
  });

  it('a file that is replaced is read again; one that is broken leaves what was read before', async () => {
    const path = await written({ llm: { api_key: 'one', base_url: 'http://llm.test/v1/' } });
    const keys = open({ file: new KeysFile(path, logger) });
    expect(keys.find('llm')).toMatchObject({ key: 'one', baseUrl: 'http://llm.test/v1', dialect: 'openai' });
    await rename(await written({ openai: 'two' }), path);
    expect(keys.all()).toMatchObject([{ id: 'openai', key: 'two' }]);
    await rename(await written('{"openai": "thr'), path);
    expect(keys.find('openai')?.key).toBe('two');
  });

  it.each([
    ['no JSON', '{"openai": "sk-planted', /is not JSON/],
    ['a list', [], /is not an object/],
    ['a number', { openai: 4711 }, /has an entry "openai"/],
    ['an unknown field', { openai: { api_key: KEY, kye: KEY } }, /has an entry "openai"/],
    ['no address', { llm: KEY }, /`base_url` of "llm" is missing/],
  ])('a file with %s is refused, without a word of its keys', async (_name, content, message) => {
    const path = await written(content);
    const thrown = (() => {
      try {
        return new KeysFile(path, logger);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(message) });
    expect(JSON.stringify([thrown, String(thrown)])).not.toContain('planted');
  });
});

describe('what is given for a provider', () => {
  it.each<[string, string, ProviderInput, RegExp]>([
    ['an id with a path', '../x', { apiKey: KEY }, /is not an id/],
    ['an empty id', '', { apiKey: KEY }, /is not an id/],
    ['the name of a property', 'constructor', { apiKey: KEY }, /`base_url` of "constructor" is missing/],
    ['an empty key', 'openai', { apiKey: '' }, /`api_key` of "openai"/],
    ['a key with a line end', 'openai', { apiKey: 'planted\r\nx: y' }, /`api_key` of "openai"/],
    ['an address without http', 'llm', { apiKey: KEY, baseUrl: 'file:///etc' }, /`base_url`/],
    ['an address with credentials', 'llm', { apiKey: KEY, baseUrl: 'http://planted@h/v1' }, /`base_url`/],
    ['an address with a query', 'llm', { apiKey: KEY, baseUrl: 'http://h/v1?a=b' }, /`base_url`/],
    ['another dialect', 'anthropic', { apiKey: KEY, dialect: 'openai' }, /is anthropic/],
    ['a model with a blank', 'openai', { apiKey: KEY, models: ['a b'] }, /`models`/],
    ['too many models', 'openai', { apiKey: KEY, models: Array(101).fill('m') }, /101 entries/],
  ])('%s is refused, and no secret quoted', (_name, id, input, message) => {
    expect(() => readProvider(id, input)).toThrow(message);
    expect(() => readProvider(id, input)).not.toThrow(/planted/);
  });
});
