import { expect, it } from 'vitest';
import { z } from 'zod';
import { taskEventBodySchema } from '../../src/tasks/events.ts';

it('the kinds of events and their fields are those of the committed list', async () => {
  const kinds = taskEventBodySchema.options.map((schema) => shapeOf(z.toJSONSchema(schema)));
  const lines = kinds.map((shape) => `${JSON.stringify(shape, undefined, 1)}\n`);
  await expect(lines.join('')).toMatchFileSnapshot('vocabulary.snap');
});

const schemaShape = z.looseObject({
  type: z.string().optional(),
  const: z.string().optional(),
  enum: z.array(z.string()).optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), schemaShape).optional();
  },
  get items() {
    return schemaShape.optional();
  },
});

/** A JSON schema in short: `name?` may be missing, a list has its items in brackets. */
function shapeOf(schema: unknown): unknown {
  const { properties, items, required = [], type, const: only, enum: words } = schemaShape.parse(schema);
  if (items) return [shapeOf(items)];
  if (!properties) return only ?? words?.join(' | ') ?? type;
  const fields = Object.entries(properties).map(([name, field]) => [
    required.includes(name) ? name : `${name}?`,
    shapeOf(field),
  ]);
  return Object.fromEntries(fields);
}
