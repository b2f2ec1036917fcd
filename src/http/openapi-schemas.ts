import { z } from 'zod';
import { controlledSchema } from '../api/control-task.ts';
import { eventSchema } from '../api/event-page.ts';
import { eventViewSchemas } from '../api/event-view.ts';
import { MEANINGS } from '../api/field-meanings.ts';
import { requestViewSchema, taskStateSchema } from '../api/task-view.ts';
import {
  fileChangeSchema,
  processLeftSchema,
  questionSchema,
  taskErrorSchema,
  taskResultSchema,
  todoSchema,
  usageSchema,
} from '../tasks/events.ts';
import { modelConfigSchema } from '../tasks/model-config.ts';
import { describeFields, type FieldMeaning, type JsonSchema, open, withoutNoise } from './json-schema.ts';
import { problemSchema } from './problem.ts';
import { providerSchema } from './providers/provider-view.ts';
import { NONE, type Route } from './route.ts';
import { taskSchema } from './tasks/task.ts';

/** What references to component schemas begin with. */
export const SCHEMA_REF = '#/components/schemas/';

/** Shapes that several answers have, by the name of their component. */
const SHAPES: Readonly<Record<string, z.ZodType>> = {
  Task: taskSchema,
  TaskState: taskStateSchema,
  TaskControlled: controlledSchema,
  Result: taskResultSchema,
  Usage: usageSchema,
  TaskError: taskErrorSchema,
  Request: requestViewSchema,
  Question: questionSchema,
  FileChange: fileChangeSchema,
  LeftProcess: processLeftSchema,
  ModelConfig: modelConfigSchema,
  TodoItem: todoSchema,
  Event: eventSchema,
  Problem: problemSchema,
  Provider: providerSchema,
};

/**
 * The component schemas of an OpenAPI document. An object that has no name of its own is called after the first
 * operation that takes it (`…Body`) or answers with it (`…Answer`).
 */
export class ComponentSchemas {
  readonly schemas: Record<string, JsonSchema>;
  readonly #answers = z.registry<{ id: string }>();

  constructor(routes: readonly Route[]) {
    const operations = new Map<string, string>();
    const bodies = z.registry<{ id: string }>();
    const add = (registry: typeof bodies, schema: z.ZodType, id: string, operationId?: string): void => {
      if (registry.has(schema)) return;
      registry.add(schema, { id });
      if (operationId !== undefined) operations.set(id, operationId);
    };
    for (const [id, schema] of Object.entries(SHAPES)) add(this.#answers, schema, id);
    for (const { kind, schema } of eventViewSchemas) add(this.#answers, schema, eventId(kind));
    for (const { operationId, body, success } of routes) {
      if (body !== NONE) add(bodies, body, bodyId(operationId), operationId);
      for (const schema of success.flatMap(({ content = {} }) => Object.values(content))) {
        if (schema) add(this.#answers, schema, `${pascal(operationId)}Answer`, operationId);
      }
    }
    const options = { target: 'draft-2020-12', uri: ref } as const;
    const taken = z.toJSONSchema(bodies, { ...options, io: 'input' }).schemas;
    const answered = z.toJSONSchema(this.#answers, { ...options, io: 'output' }).schemas;
    const inputs = Object.entries(taken).map(
      ([id, schema]) => [id, polish(schema, fieldMeaning(operations.get(id), 'input'))] as const,
    );
    // Answers may grow: a reader must not refuse a field that it does not know.
    const outputs = Object.entries(answered).map(
      ([id, schema]) => [id, polish(open(schema), fieldMeaning(operations.get(id)))] as const,
    );
    this.schemas = { ...Object.fromEntries([...outputs, ...inputs]), Event: anyEvent() };
  }

  /** A reference to the component of an answer. */
  refTo(schema: z.ZodType): JsonSchema {
    const { id } = this.#answers.get(schema) ?? {};
    if (id === undefined) throw new Error('the schema is not that of an answer');
    return { $ref: ref(id) };
  }
}

/** A reference to the component of a body. */
export function bodyRef(operationId: string): JsonSchema {
  return { $ref: ref(bodyId(operationId)) };
}

/** The fields of what a route takes in its path or query, each with its meaning. */
export function inputFields(route: Route, schema: z.ZodObject): JsonSchema {
  return polish(z.toJSONSchema(schema, { io: 'input' }), fieldMeaning(route.operationId, 'input'));
}

function ref(id: string): string {
  return `${SCHEMA_REF}${id}`;
}

function bodyId(operationId: string): string {
  return `${pascal(operationId)}Body`;
}

function eventId(kind: string): string {
  return `${pascal(kind)}Event`;
}

/** `request_opened` → `RequestOpened`, `getTask` → `GetTask`. */
function pascal(name: string): string {
  return name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function anyEvent(): JsonSchema {
  const kinds = eventViewSchemas.map(({ kind }) => [kind, ref(eventId(kind))] as const);
  return {
    description: 'An event of a task; `kind` says which.',
    oneOf: kinds.map(([, $ref]) => ({ $ref })),
    discriminator: { propertyName: 'kind', mapping: Object.fromEntries(kinds) },
  };
}

function polish(schema: JsonSchema, meaning: FieldMeaning): JsonSchema {
  return describeFields(withoutNoise(schema), meaning, ownOrUsual);
}

/** Within one operation its own words come first; in a shape that several share, those of the shape. */
function fieldMeaning(operationId: string | undefined, ...places: string[]): FieldMeaning {
  if (operationId === undefined) return ownOrUsual;
  const prefixes = [`route.${operationId}.`, ...places.map((place) => `${place}.`), ''];
  return (name, said) => prefixes.map((prefix) => MEANINGS[`${prefix}${name}`]).find(Boolean) ?? said;
}

function ownOrUsual(name: string, said: string | undefined): string | undefined {
  return said ?? MEANINGS[name];
}
