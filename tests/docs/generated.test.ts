import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { generate, stale } from '../../docs/generate.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { TOOLS } from '../../src/mcp/tools/index.ts';
import { tempDir } from '../support/temp.ts';

const ROOT = join(import.meta.dirname, '../..');

it('the generated files are what the code says (npm run docs writes them)', () => {
  expect(stale()).toEqual([]);
});

it('a file that was changed or removed is named', async () => {
  await using folder = await tempDir('docs-');
  const files = generate();
  await mkdir(join(folder.path, 'docs'));
  for (const [path, content] of Object.entries(files)) await writeFile(join(folder.path, path), content);
  expect(stale(folder.path)).toEqual([]);
  await writeFile(join(folder.path, 'docs/tools.md'), 'changed');
  expect(stale(folder.path)).toEqual(['docs/tools.md']);
});

it('.env.example has every variable once, those with a default set to it', async () => {
  const text = await readFile(join(ROOT, '.env.example'), 'utf8');
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const lines = text.split('\n').filter((line) => line.replace(/^# /, '').startsWith(`${name}=`));
    expect(lines).toEqual([variable.default === undefined ? `# ${name}=` : `${name}=${variable.default}`]);
  }
});

it('docs/tools.md has every tool with every input', async () => {
  const text = await readFile(join(ROOT, 'docs/tools.md'), 'utf8');
  for (const { name, input } of TOOLS) {
    const section = text.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
    for (const parameter of Object.keys(input.shape)) expect(section).toContain(`| \`${parameter}\``);
  }
});

it('docs/tools.md says what each field means', async () => {
  const text = await readFile(join(ROOT, 'docs/tools.md'), 'utf8');
  expect(text.split('\n').filter((line) => /^\| `.*\|\s*\|$/.test(line))).toEqual([]);
});
