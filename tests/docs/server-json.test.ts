import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { VARIABLES } from '../../src/config/variables.ts';
import { ICONS } from '../../src/mcp/icon.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The limits that the registry sets to its fields, of those that are used. */
const ServerSchema = z.strictObject({
  $schema: z.literal('https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json'),
  name: z
    .string()
    .max(200)
    .regex(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/),
  title: z.string().min(1).max(100),
  description: z.string().min(1).max(100),
  version: z.string(),
  packages: z.tuple([
    z.strictObject({
      registryType: z.literal('npm'),
      identifier: z.string(),
      version: z.string(),
      runtimeHint: z.literal('npx'),
      packageArguments: z.tuple([z.strictObject({ type: z.literal('positional'), value: z.string() })]),
      transport: z.strictObject({ type: z.literal('stdio') }),
      environmentVariables: z.array(
        z.strictObject({
          name: z.string(),
          description: z.string(),
          format: z.enum(['string', 'number', 'boolean', 'filepath']).optional(),
          isSecret: z.boolean().optional(),
          default: z.string().optional(),
        }),
      ),
    }),
  ]),
});

const PackageSchema = z.object({ name: z.string(), version: z.string(), mcpName: z.string() });

it('server.json agrees with the package and its variables', () => {
  const server = ServerSchema.parse(JSON.parse(read('server.json')));
  const { name, version, mcpName } = PackageSchema.parse(JSON.parse(read('package.json')));
  const [{ identifier, version: packaged, environmentVariables, packageArguments }] = server.packages;
  expect({ name: server.name, version: server.version, identifier, packaged }).toEqual({
    name: mcpName,
    version,
    identifier: name,
    packaged: version,
  });
  expect(packageArguments[0].value).toBe('stdio');
  for (const variable of environmentVariables) expect(VARIABLES).toHaveProperty(variable.name);
});

it('the icon of the server is that of the page', () => {
  const [{ src = '' } = {}] = ICONS;
  const [, data = ''] = src.split('base64,');
  expect(Buffer.from(data, 'base64').toString()).toBe(read('src/web/icons/icon.svg').trim());
});
