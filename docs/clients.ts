import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { table } from './markdown.ts';

const FOLDER = join(import.meta.dirname, 'clients');

const BETWEEN = /(<!-- clients:.*? -->).*(<!-- \/clients -->)/s;

const RowSchema = z.strictObject({
  client: z.string(),
  version: z.string(),
  transport: z.string(),
  protocol: z.string(),
  tasks: z.string(),
  elicitation: z.string(),
  resources: z.string(),
  prompts: z.string(),
  progress: z.string(),
  content: z.string(),
  restart: z.string(),
});
type Row = z.infer<typeof RowSchema>;

/** docs/clients.md with the rows that the tests wrote. */
export function clientsPage(page: string): string {
  const tested = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => RowSchema.parse(JSON.parse(readFileSync(join(FOLDER, name), 'utf8'))));
  return page.replace(BETWEEN, (_, begin, end) => `${begin}\n\n${rows(tested)}\n\n${end}`);
}

function rows(list: readonly Row[]): string {
  return table(
    [
      'client',
      'version',
      'transport',
      'MCP',
      'Tasks',
      'forms',
      'resources',
      'prompts',
      'progress',
      'the model sees',
      'survives a restart',
    ],
    list.map((row) => [
      row.client,
      row.version,
      row.transport,
      row.protocol,
      row.tasks,
      row.elicitation,
      row.resources,
      row.prompts,
      row.progress,
      row.content,
      row.restart,
    ]),
  );
}
