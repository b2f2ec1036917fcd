import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';
import { envFileFaults } from '../../src/config/env-file.ts';
import { COMPILE_CACHE, PROGRAM } from '../support/built-program.ts';
import { tempDir } from '../support/temp.ts';

const BOM = '\uFEFF';
let folder: Awaited<ReturnType<typeof tempDir>>;

beforeEach(async () => {
  folder = await tempDir('env-file-');
});
afterEach(() => folder.remove());

/** Starts the bridge as `npm start` does, beside a `.env` that a start must refuse. */
async function start(content: string | Buffer) {
  await writeFile(join(folder.path, '.env'), content);
  const { status, stderr } = spawnSync(process.execPath, ['--env-file-if-exists=.env', PROGRAM, 'serve'], {
    cwd: folder.path,
    env: { ...COMPILE_CACHE, PATH: process.env.PATH, HOME: folder.path },
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stderr };
}

async function faults(content: string | Buffer): Promise<string[]> {
  await writeFile(join(folder.path, '.env'), content);
  return envFileFaults([`--env-file=${join(folder.path, '.env')}`]);
}

describe('a start is refused, by name,', () => {
  it.each([
    ['MCP_AUTH_TOKENS', `${BOM}MCP_AUTH_TOKENS=secret\nMCP_PORT=0\n`, 'byte order mark'],
    ['OPENCODE_SERVER_ENABLED', `${BOM}OPENCODE_SERVER_ENABLED=true\r\nMCP_PORT=0\r\n`, 'byte order mark'],
    ['MCP_PORT', `${BOM}export MCP_PORT=0\n`, 'byte order mark'],
    ['ANTHROPIC_API_KEY', `${BOM}ANTHROPIC_API_KEY=k\nMCP_PORT=0\n`, 'byte order mark'],
    ['MCP_AUTH_TOKENS', 'MCP_AUTH_TOKENS=se#cret\nMCP_PORT=0\n', 'line 1'],
    ['MCP_AUTH_TOKENS', 'MCP_PORT=0\nMCP_AUTH_TOKENS="se"cret\n', 'line 2'],
    ['DATA_DIR', 'MCP_PORT=0\nDATA_DIR="/srv/a\nMCP_AUTH_TOKENS=secret\nLOG_LEVEL="info"\n', 'line 2'],
    ['MCP_PORT', 'MCP_PORT: 0\n', 'line 1'],
  ])('%s of %j', async (name, content, why) => {
    const { status, stderr } = await start(content);
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining(why) });
    expect(stderr).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    expect(stderr).not.toContain('cret');
  });

  it('where the file is UTF-16, as Windows writes it', async () => {
    const { status, stderr } = await start(Buffer.from(`${BOM}MCP_AUTH_TOKENS=secret\n`, 'utf16le'));
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringMatching(/\.env .*UTF-8/) });
  });
});

describe('a .env file', () => {
  it.each([
    'MCP_PORT=0\r\nLOG_LEVEL=info\r\n',
    'MCP_PORT=0 # any\n# MCP_HOST: note\n\nLOG_LEVEL= # none\n',
    'export MCP_PORT=0\n  LOG_LEVEL = info\n',
    'MCP_AUTH_TOKENS="a#b"   # the token\nDATA_DIR=\'/srv/it"s\'\n',
    'OPENCODE_CONFIG_CONTENT=\'{\n  "model": "a/b"\n}\'\nMCP_PORT=0\n',
    'COLOR=#fff\nOTHER NAME\n',
  ])('%j has no fault', async (content) => {
    expect(await faults(content)).toEqual([]);
  });

  it.each([
    ['MCP_PORT=1\rMCP_HOST=x\r', /line ends/],
    ['MCP_PORT="1\n', /^MCP_PORT in .*line 1.*not closed/],
    ['OTHER="x\nMCP_AUTH_TOKENS=a\nY="\n', /^OTHER in .*line 1.*MCP_AUTH_TOKENS/],
    ['LETTA_API_TOKEN=#abc', /^LETTA_API_TOKEN in .*line 1.*#/],
    ['OPENAI_API_KEY=ab#c', /^OPENAI_API_KEY in .*line 1.*#/],
    ['MCP_PORT 3500', /^MCP_PORT in .*line 1.*=/],
  ])('%j has one', async (content, fault) => {
    expect(await faults(content)).toEqual([expect.stringMatching(fault)]);
  });

  it('is read where Node was told to, and only there', async () => {
    const path = join(folder.path, 'its.env');
    await writeFile(path, 'MCP_PORT=1#\n');
    expect(envFileFaults(['--env-file', path])).toHaveLength(1);
    expect(envFileFaults(['--no-warnings', `--env-file-if-exists=${path}`])).toHaveLength(1);
    expect(envFileFaults([`--env-file-if-exists=${path}.none`])).toEqual([]);
    expect(envFileFaults(['--import', path])).toEqual([]);
  });
});

describe('what other readers of such files make of them', () => {
  const problemsOf = (env: Record<string, string>): readonly string[] => {
    try {
      loadConfig({ HOME: folder.path, ...env });
    } catch (thrown) {
      if (thrown instanceof ConfigError) return thrown.problems;
      throw thrown;
    }
    return [];
  };

  it.each([
    ['quotes that docker run keeps', { MCP_AUTH_TOKENS: '"secret"' }, /^MCP_AUTH_TOKENS .*quote/],
    ['a quote that is not closed', { DATA_DIR: "'/srv/data" }, /^DATA_DIR .*quote/],
    ['a comment that docker run keeps', { DATA_DIR: '/srv/data # here' }, /^DATA_DIR .*#/],
    ['the same behind a token', { MCP_AUTH_TOKENS: 'secret # mine' }, /^MCP_AUTH_TOKENS .*blank/],
    ['more than one line', { DATA_DIR: '/srv\nLOG_LEVEL=info' }, /^DATA_DIR .*line/],
    ['a variable inside another', { NOTES: 'x\nMCP_AUTH_TOKENS=secret' }, /^MCP_AUTH_TOKENS .*"NOTES"/],
    ['export in the name', { 'export MCP_PORT': '1' }, /^MCP_PORT .*"export MCP_PORT"/],
  ])('%s is refused', (_what, env, fault) => {
    const problems = problemsOf(env);
    expect(problems).toEqual([expect.stringMatching(fault)]);
    expect(problems.join()).not.toContain('secret');
  });

  it('what is none of the bridge is left alone', () => {
    const env = { GREETING: '"hi" # there', 'BASH_FUNC_x%%': '() {\n  MCP_PORT=1\n}', [`${BOM}# a`]: 'b' };
    expect(problemsOf(env)).toEqual([]);
    expect(
      problemsOf({ ENV_FILE: 'A=1\nMCP_AUTH_TOKENS=a', MCP_AUTH_TOKENS: 'a', constructor: 'b' }),
    ).toEqual([]);
    expect(problemsOf({ MCP_PORT: '3500\r', OPENCODE_SERVER_PASSWORD: 'a #b' })).toEqual([]);
  });
});
