import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { viewEvent } from '../src/api/event-view.ts';
import { Matrix } from '../src/app/matrix.ts';
import { project, type WorkspaceBlock } from '../src/memory/block.ts';
import { LettaSink } from '../src/notifications/letta/letta-sink.ts';
import type { Sink } from '../src/notifications/sink.ts';
import { describeEvent } from '../src/tasks/describe-event.ts';
import {
  fileChangeSchema,
  processLeftSchema,
  questionSchema,
  type TaskEvent,
  type TaskEventBody,
  taskErrorSchema,
  taskEventBodySchema,
  taskRequestSchema,
  taskResultSchema,
  todoSchema,
  usageSchema,
} from '../src/tasks/events.ts';
import { modelConfigSchema } from '../src/tasks/model-config.ts';
import { apply, type Task } from '../src/tasks/task.ts';
import { before, EXAMPLES } from './event-examples.ts';
import { code, fields, NOTE, table } from './markdown.ts';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);
const BOUNDS = { maxEvents: 50, limit: 50_000 };
/** Shapes that occur in several places; the type of a field leads there. */
const SHAPES = [
  taskRequestSchema,
  questionSchema,
  taskResultSchema,
  fileChangeSchema,
  processLeftSchema,
  modelConfigSchema,
  taskErrorSchema,
  todoSchema,
  usageSchema,
];
/** The sinks, and what they declare in advance. */
const SINKS: readonly { name: string; sink: Pick<Sink, 'urgent' | 'paceMs'> }[] = [
  {
    name: 'Letta',
    sink: new LettaSink({
      endpoint: { url: 'http://localhost', token: undefined },
      block: async () => undefined,
      blockLimit: BOUNDS.limit,
      detachDelayMs: 0,
    }),
  },
  {
    name: 'Matrix',
    sink: new Matrix({
      url: 'http://localhost',
      token: 'none',
      userId: '@bridge:localhost',
      mode: 'thread',
      roomId: undefined,
      observers: [],
      allowedSenders: [],
      storagePath: '',
    }).sink,
  },
];

type KindSchema = (typeof taskEventBodySchema.options)[number];

/** The event vocabulary: each kind, when it is stored, what it changes, who is notified, its fields. */
export function eventsPage(): string {
  const kinds = taskEventBodySchema.options;
  const paces = SINKS.map(({ name, sink }) => `${name} every ${sink.paceMs / 1000} s`).join(', ');
  const parts = [
    NOTE,
    '# Events',
    'Everything that happens to a task is an event of one of the kinds below. It is stored in the log of the task before anything acts on it, and all reports about a task are read from that log. `get_task_history` shows the events of a task as in the examples. Each event has a `seq`, counted from 1 within its task without gaps, a time `at`, its `kind`, and the fields of its kind; a star marks fields that are always present.',
    '## Kinds',
    `_Changes_: the status that a running task has afterwards, and the other fields that change. _Line_: whether it appears in the \`last_events\` of a status, and as progress. _Block_: the event that the workspace block gets, which [Letta](letta.md) agents see. _At once_: whether a sink is called for it without delay; other events are delivered in batches, to ${paces}.`,
    table(
      ['kind', 'changes', 'line', 'block', ...SINKS.map(({ name }) => `${name} at once`)],
      kinds.map((schema) => overview(EXAMPLES[schema.shape.kind.value])),
    ),
    ...kinds.flatMap(section),
    '## Shapes',
    ...SHAPES.flatMap((schema) => [`### ${schema.meta()?.title}`, fieldTable(schema)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function section(schema: KindSchema): string[] {
  const { value: kind } = schema.shape.kind;
  const example = JSON.stringify(viewEvent(at(EXAMPLES[kind], before(kind).length)));
  return [`### ${kind}`, schema.description ?? '', fieldTable(schema), `\`\`\`\n${example}\n\`\`\``].filter(
    Boolean,
  );
}

function fieldTable(schema: z.ZodType): string {
  const rows = fields(z.toJSONSchema(schema)).filter(([name]) => name !== '`kind`*');
  return rows.length === 0 ? '' : table(['field', 'type', 'meaning'], rows);
}

function overview(body: TaskEventBody): string[] {
  const past = before(body.kind);
  const event = at(body, past.length);
  return [
    `[${code(body.kind)}](#${body.kind})`,
    changes(past, event),
    describeEvent(event) === undefined ? '' : 'yes',
    blockEvents([...past, body])
      .slice(blockEvents(past).length)
      .map(code)
      .join(),
    ...SINKS.map(({ sink }) => (sink.urgent.has(body.kind) ? 'yes' : '')),
  ];
}

/** The fields of the task that change, without those that change with every event. */
function changes(past: readonly TaskEventBody[], event: TaskEvent): string {
  const task = past.reduce<Task | undefined>(
    (state, body, index) => apply(state, at(body, index)),
    undefined,
  );
  const next = apply(task, event);
  if (!task) return `${code(next.status)}, all there is`;
  const { status, updatedAt: _1, lastSeq: _2, clock: _3, ...rest } = next;
  const old = new Map(Object.entries(task));
  const names = Object.entries(rest).flatMap(([name, value]) =>
    isDeepStrictEqual(old.get(name), value) ? [] : [snake(name)],
  );
  return [...(status === task.status ? [] : [status]), ...names].map(code).join(', ');
}

/** The types of the events that a workspace block has then. */
function blockEvents(bodies: readonly TaskEventBody[]): string[] {
  const next = (block: WorkspaceBlock | undefined, body: TaskEventBody, index: number) =>
    project(block, at(body, index), BOUNDS);
  const block = bodies.reduce<WorkspaceBlock | undefined>(next, undefined);
  return block?.events.map(({ type }) => type) ?? [];
}

function at(body: TaskEventBody, index: number): TaskEvent {
  return { ...body, taskId: 'task_1', seq: index + 1, at: AT };
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
