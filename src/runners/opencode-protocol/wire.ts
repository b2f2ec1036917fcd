import { z } from 'zod';

/**
 * The fields of OpenCode's answers and events that the bridge reads.
 * Source: OpenAPI of `opencode serve` 1.18.33 and traces of it.
 */

export const errorSchema = z.object({
  name: z.string(),
  data: z
    .object({ message: z.string().optional(), statusCode: z.number().optional() })
    .catchall(z.unknown())
    .optional(),
});

const userMessage = z.object({
  id: z.string(),
  sessionID: z.string(),
  role: z.literal('user'),
  time: z.object({ created: z.number() }),
});

export const tokensSchema = z.object({
  input: z.number(),
  output: z.number(),
  reasoning: z.number(),
  cache: z.object({ read: z.number(), write: z.number() }),
});

const assistantMessage = z.object({
  id: z.string(),
  sessionID: z.string(),
  role: z.literal('assistant'),
  parentID: z.string(),
  time: z.object({ created: z.number(), completed: z.number().optional() }),
  error: errorSchema.optional(),
  summary: z.boolean().optional(),
  finish: z.string().optional(),
  cost: z.number(),
  tokens: tokensSchema,
});

export const messageSchema = z.discriminatedUnion('role', [userMessage, assistantMessage]);

const record = z.record(z.string(), z.unknown());
const partBase = { id: z.string(), sessionID: z.string(), messageID: z.string() };

const textPart = z.object({
  ...partBase,
  type: z.literal('text'),
  text: z.string(),
  synthetic: z.boolean().optional(),
  ignored: z.boolean().optional(),
  time: z.object({ start: z.number(), end: z.number().optional() }).optional(),
});

const toolPart = z.object({
  ...partBase,
  type: z.literal('tool'),
  callID: z.string(),
  tool: z.string(),
  state: z.discriminatedUnion('status', [
    z.object({ status: z.literal('pending'), input: record }),
    z.object({
      status: z.literal('running'),
      input: record,
      title: z.string().optional(),
      metadata: record.optional().catch(undefined),
    }),
    z.object({
      status: z.literal('completed'),
      input: record,
      output: z.string(),
      title: z.string(),
      metadata: record,
      time: z.object({ start: z.number(), end: z.number() }),
    }),
    z.object({
      status: z.literal('error'),
      input: record,
      error: z.string(),
      time: z.object({ start: z.number(), end: z.number() }),
    }),
  ]),
});

/** Parts of other types are not used. */
export const partSchema = z.union([
  z.discriminatedUnion('type', [textPart, toolPart]),
  z.object({ ...partBase, type: z.string() }).transform((part) => ({ ...part, type: 'other' as const })),
]);

export const statusSchema = z.union([
  z.object({ type: z.literal('retry'), attempt: z.number(), message: z.string(), next: z.number() }),
  z.object({ type: z.enum(['busy', 'idle']) }),
]);

const ruleSchema = z.object({
  permission: z.string(),
  pattern: z.string(),
  action: z.enum(['allow', 'deny', 'ask']),
});

export const agentsSchema = z.array(
  z.object({
    name: z.string(),
    hidden: z.boolean().nullish(), // null of an agent that a configuration adds
    permission: z.array(ruleSchema).nullish(),
  }),
);

export const sessionSchema = z.object({
  id: z.string(),
  permission: z.array(ruleSchema).optional(),
  parentID: z.string().optional(),
  directory: z.string(),
  time: z.object({ created: z.number() }),
});

/** The tool call that waits for an answer. */
const waitingCall = z.object({ messageID: z.string(), callID: z.string() }).optional();

export const permissionSchema = z.object({
  id: z.string(),
  sessionID: z.string(),
  permission: z.string(),
  patterns: z.array(z.string()),
  metadata: record,
  always: z.array(z.string()).optional(),
  tool: waitingCall,
});

export const questionSchema = z.object({
  id: z.string(),
  sessionID: z.string(),
  questions: z.array(
    z.object({
      question: z.string(),
      header: z.string(),
      options: z.array(z.object({ label: z.string(), description: z.string() })),
      multiple: z.boolean().optional(),
    }),
  ),
  tool: waitingCall,
});

export const todosSchema = z.array(
  z.object({ content: z.string(), status: z.string(), priority: z.string() }),
);

const sessionEvent = <T extends string>(type: T) =>
  z.object({ type: z.literal(type), properties: z.object({ info: sessionSchema }) });

export const serverFileSchema = z.object({ path: z.string(), type: z.enum(['file', 'directory']) });

const requestClosed = z.object({ sessionID: z.string(), requestID: z.string() });

export const eventSchema = z.discriminatedUnion('type', [
  sessionEvent('session.created'),
  sessionEvent('session.deleted'),
  z.object({
    type: z.literal('session.status'),
    properties: z.object({ sessionID: z.string(), status: statusSchema }),
  }),
  z.object({
    type: z.literal('session.error'),
    properties: z.object({ sessionID: z.string().optional(), error: errorSchema.optional() }),
  }),
  z.object({ type: z.literal('message.updated'), properties: z.object({ info: messageSchema }) }),
  z.object({ type: z.literal('message.part.updated'), properties: z.object({ part: partSchema }) }),
  z.object({ type: z.literal('permission.asked'), properties: permissionSchema }),
  z.object({
    type: z.literal('permission.replied'),
    properties: requestClosed.extend({ reply: z.enum(['once', 'always', 'reject']) }),
  }),
  z.object({ type: z.literal('question.asked'), properties: questionSchema }),
  z.object({
    type: z.literal('question.replied'),
    properties: requestClosed.extend({ answers: z.array(z.array(z.string())) }),
  }),
  z.object({ type: z.literal('question.rejected'), properties: requestClosed }),
  z.object({
    type: z.literal('todo.updated'),
    properties: z.object({ sessionID: z.string(), todos: todosSchema }),
  }),
]);

/** New text of a part that is being written. */
export const deltaSchema = z.object({
  sessionID: z.string(),
  messageID: z.string(),
  partID: z.string(),
  field: z.string(),
  delta: z.string(),
});

export type Delta = z.infer<typeof deltaSchema>;
export type OpenCodeEvent = z.infer<typeof eventSchema>;
export type Message = z.infer<typeof messageSchema>;
export type AssistantMessage = z.infer<typeof assistantMessage>;
export type Part = z.infer<typeof partSchema>;
export type ToolPart = z.infer<typeof toolPart>;
export type SessionStatus = z.infer<typeof statusSchema>;
export type OpenCodeError = z.infer<typeof errorSchema>;
export type PermissionAsked = z.infer<typeof permissionSchema>;
export type QuestionAsked = z.infer<typeof questionSchema>;
export type ServerFile = z.infer<typeof serverFileSchema>;
export type Session = z.infer<typeof sessionSchema>;
export interface MessageWithParts {
  info: Message;
  parts: Part[];
}

/** The session an event belongs to; undefined for one that names none. */
export function sessionOf(event: OpenCodeEvent): string | undefined {
  switch (event.type) {
    case 'session.created':
    case 'session.deleted':
      return event.properties.info.id;
    case 'message.updated':
      return event.properties.info.sessionID;
    case 'message.part.updated':
      return event.properties.part.sessionID;
    default:
      return event.properties.sessionID;
  }
}
