import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { EXAMPLES } from '../../docs/event-examples.ts';
import { generate, stale } from '../../docs/generate.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { TOOLS } from '../../src/mcp/tools/index.ts';
import { taskEventBodySchema } from '../../src/tasks/events.ts';
import { tempDir } from '../support/temp.ts';

const ROOT = join(import.meta.dirname, '../..');

it('the generated files are what the code says (npm run docs writes them)', () => {
  expect(stale()).toEqual([]);
});

it('a file that was changed or removed is named', async () => {
  await using folder = await tempDir('docs-');
  const files = generate();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), content);
  }
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

it('docs/events.md has every kind with all its fields, and an example that is one', async () => {
  const text = await readFile(join(ROOT, 'docs/events.md'), 'utf8');
  for (const { shape, description } of taskEventBodySchema.options) {
    const kind = shape.kind.value;
    expect(description, kind).toBeTruthy();
    const section = text.split(`\n### ${kind}\n`)[1]?.split('\n##')[0] ?? '';
    const fields = Object.keys(shape).filter((name) => name !== 'kind');
    for (const field of fields) expect(section).toContain(`| \`${field}\``);
    expect(taskEventBodySchema.parse(EXAMPLES[kind])).toEqual(EXAMPLES[kind]);
    expect(JSON.parse(section.split('```')[1] ?? '')).toMatchObject({ kind });
  }
});

it('docs/events.md says of each kind what it changes and who is told', async () => {
  const text = await readFile(join(ROOT, 'docs/events.md'), 'utf8');
  const row = (kind: string): string =>
    text.split('\n').find((line) => line.startsWith(`| [\`${kind}\`]`)) ?? '';
  const cells = (kind: string): string[] =>
    row(kind)
      .split('|')
      .slice(2, -1)
      .map((cell) => cell.trim());
  expect(cells('created')).toEqual(['`queued`, all there is', 'yes', '', 'yes', 'yes']);
  expect(cells('started')).toEqual(['`running`, `started_at`', 'yes', '`task_started`', 'yes', '']);
  expect(cells('request_closed')).toEqual(['`running`, `requests`', 'yes', '', 'yes', 'yes']);
  expect(cells('attached')).toEqual(['`session_id`, `prompt_id`', '', '', '', '']);
  expect(cells('warning')).toEqual(['', 'yes', '`task_progress`', '', 'yes']);
  const failed = ['`failed`, `result`, `error`, `ended_at`', 'yes', '`task_failed`', 'yes', 'yes'];
  expect(cells('failed')).toEqual(failed);
});

it('links to a shape of docs/events.md lead to one', async () => {
  const files = ['docs/tools.md', 'docs/events.md'];
  const texts = await Promise.all(files.map((path) => readFile(join(ROOT, path), 'utf8')));
  const headings = texts[1]?.match(/(?<=^#+ ).*$/gm)?.map((heading) => heading.replaceAll(' ', '-'));
  expect(new Set(headings).size).toBe(headings?.length);
  const targets = texts.flatMap((text) => text.match(/(?<=\(events\.md#)[^)]*/g) ?? []);
  expect(targets).toContain('result');
  expect(targets.filter((target) => !headings?.includes(target))).toEqual([]);
});

it.each(['tools', 'events', 'api'])('docs/%s.md says what each field means', async (page) => {
  const text = await readFile(join(ROOT, `docs/${page}.md`), 'utf8');
  expect(text.split('\n').filter((line) => /^\| `.*\|\s*\|$/.test(line))).toEqual([]);
});
