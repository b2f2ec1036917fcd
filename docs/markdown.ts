import { z } from 'zod';
import { TASK_STATUSES } from '../src/tasks/task.ts';

export const NOTE = '<!-- Written by `npm run docs` from the code; do not edit. -->';

const schemaShape = z.object({
  $ref: z.string().optional(),
  type: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  title: z.string().optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  maximum: z.number().optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), schemaShape).optional();
  },
  get items() {
    return schemaShape.optional();
  },
  get anyOf() {
    return z.array(schemaShape).optional();
  },
});
type Schema = z.infer<typeof schemaShape>;

/** What a field means, by its name and what its schema says. */
type Meaning = (name: string, said: string) => string;

/** Where the shape of a component is described. */
type Link = (component: string) => string;
const noLink: Link = (component) => component;

/** The fields of an object: name (with * where it has to be there), type, meaning. */
export function fields(
  jsonSchema: unknown,
  meaning: Meaning = (_, said) => said,
  link: Link = noLink,
): string[][] {
  const { properties = {}, required = [] } = schemaShape.parse(jsonSchema);
  return Object.entries(properties).map(([name, schema]) => {
    const must = required.includes(name) ? '*' : '';
    const about = meaning(name, schema.description ?? '');
    const fallback = schema.default === undefined ? '' : ` Default ${code(JSON.stringify(schema.default))}.`;
    return [`${code(name)}${must}`, typeOf(schema, link), `${about}${fallback}`.trim()];
  });
}

export function typeOf(jsonSchema: unknown, link: Link = noLink): string {
  const schema = schemaShape.parse(jsonSchema);
  if (schema.$ref !== undefined) return link(schema.$ref.split('/').at(-1) ?? '');
  if (schema.enum?.join() === TASK_STATUSES.join()) return '[status](#status)';
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(' or ');
  if (schema.const !== undefined) return code(String(schema.const));
  if (schema.anyOf) return [...new Set(schema.anyOf.map((it) => typeOf(it, link)))].join(' or ');
  if (schema.type === 'array') return schema.items ? `list of ${inList(schema.items, link)}` : 'list';
  if (schema.title !== undefined) return `[${schema.title}](events.md#${anchor(schema.title)})`;
  if (schema.type === 'object' && schema.properties) {
    return `object (${Object.keys(schema.properties).map(code).join(', ')})`;
  }
  return `${schema.type ?? 'anything'}${boundsOf(schema)}`;
}

function anchor(title: string): string {
  return title.replaceAll(' ', '-');
}

function inList(schema: Schema, link: Link): string {
  return schema.anyOf ? `(${typeOf(schema, link)})` : typeOf(schema, link);
}

function boundsOf({ minimum, exclusiveMinimum, maximum }: Schema): string {
  if (exclusiveMinimum !== undefined) return ` > ${exclusiveMinimum}`;
  const least = minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const most = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (least !== undefined && most !== undefined) return ` ${least}–${most}`;
  if (least !== undefined) return ` ≥ ${least}`;
  return most === undefined ? '' : ` ≤ ${most}`;
}

/** Aligned as the formatter of the project has it. */
export function table(head: string[], rows: string[][]): string {
  const cells = [head, ...rows].map((row) => row.map(escaped));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [first = [], ...others] = cells;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(first), line(rule), ...others.map(line)].join('\n');
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');
}

export function code(text: string): string {
  return `\`${text}\``;
}
