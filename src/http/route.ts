import type { Request, Response } from 'express';
import { z } from 'zod';
import { parseArguments } from '../api/arguments.ts';
import { ownerOf } from '../api/caller.ts';
import { coerceArguments } from '../api/coerce-arguments.ts';
import type { ApiServices } from '../api/services.ts';
import { BridgeError, type ErrorCode, quote } from '../errors.ts';
import type { TaskOwner } from '../tasks/task.ts';
import { identityOf } from './access.ts';
import type { BrowserSessions } from './browser-session/browser-sessions.ts';
import type { Guards } from './guards/guards.ts';
import type { ProviderAdmin } from './providers/provider-admin.ts';
import type { RemovedTasks } from './removed-tasks.ts';
import type { StreamLimit } from './stream-limit.ts';
import type { Tickets } from './tickets.ts';

/** A request to a route, with its input checked. */
export interface RouteCall<P = unknown, Q = unknown, B = unknown> extends RawCall {
  params: P;
  query: Q;
  body: B;
  /** The calling agent; undefined: every agent. */
  agentId: TaskOwner;
}

/** A request as it arrived. */
interface RawCall {
  services: ApiServices;
  guards: Guards;
  /** Absent where the page is not served. */
  sessions: BrowserSessions | undefined;
  tickets: Tickets;
  removed: RemovedTasks;
  streams: StreamLimit;
  /** Absent where OpenCode gets no keys from the bridge. */
  providers: ProviderAdmin | undefined;
  req: Request;
  res: Response;
  /** Aborts when the client is gone. */
  signal: AbortSignal;
  /** Aborts when the server is about to stop, or the session of the browser ends: what waits answers, what streams ends. */
  ending: AbortSignal;
}

/** An answer in JSON. A route that writes its response itself returns none. */
export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  json?: unknown;
}

/** One way in which a route succeeds. */
interface Success {
  status: number;
  about: string;
  /** By media type: the schema of the body; null for one that is not JSON. */
  content?: Record<string, z.ZodType | null>;
  /** By name: what the response header says. */
  headers?: Record<string, string>;
}

interface RouteDescription<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject> {
  method: 'get' | 'post' | 'put' | 'delete';
  /** As in OpenAPI: `/tasks/{task_id}`. */
  path: string;
  /** The name of the operation in generated clients. */
  operationId: string;
  summary: string;
  about?: string;
  /** Needs no token, and acts for no agent. */
  open?: true;
  /** Needs OPERATOR_TOKEN, and acts for no agent. */
  operator?: true;
  params: P;
  query: Q;
  /** `NONE`: a body is ignored. */
  body: B;
  /** Set if an empty body is never enough, although no single field is required. */
  needsBody?: true;
  /** By name: what the request header does. */
  requestHeaders?: Record<string, string>;
  success: readonly Success[];
  /** The codes that it can answer, besides those of every route. */
  errors: readonly ErrorCode[];
}

/** A route as the router and the OpenAPI document see it: `answer` takes unchecked input. */
export interface Route extends RouteDescription<z.ZodObject, z.ZodObject, z.ZodObject> {
  answer(raw: RawCall): Promise<Reply | undefined>;
}

interface RouteDefinition<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject>
  extends RouteDescription<P, Q, B> {
  run(call: RouteCall<z.output<P>, z.output<Q>, z.output<B>>): Promise<Reply | undefined>;
}

/** The input of a route that takes none. */
export const NONE = z.strictObject({});

/** Makes a route whose `run` gets checked input; bad input is refused with INVALID_INPUT. */
export function defineRoute<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject>({
  run,
  ...description
}: RouteDefinition<P, Q, B>): Route {
  const { method, path, params, query, body } = description;
  const name = `${method.toUpperCase()} ${path}`;
  const parse = <S extends z.ZodObject>(schema: S, given: Record<string, unknown>): z.output<S> =>
    parseArguments(name, schema, coerceArguments(schema, given).args);
  return {
    ...description,
    async answer(raw) {
      const { req } = raw;
      const { agent_id: inQuery, ...inUrl } = req.query;
      const { agent_id: inBody, ...sent }: Record<string, unknown> = body === NONE ? {} : bodyOf(req);
      return run({
        ...raw,
        agentId: description.open || description.operator ? undefined : callerOf(req, oneOf(inQuery, inBody)),
        params: parse(params, joined(req.params)),
        query: parse(query, inUrl),
        body: parse(body, sent),
      });
    },
  };
}

/** A parameter of several segments as one path. */
function joined(params: Request['params']): Record<string, string> {
  const entries = Object.entries(params).map(([name, value]) => [name, [value].flat().join('/')]);
  return Object.fromEntries(entries);
}

/** No body is the same as an empty object. */
function bodyOf({ body, headers }: Request): Record<string, unknown> {
  if (body === undefined) return {};
  const record = z.record(z.string(), z.unknown()).safeParse(body);
  if (record.success) return record.data;
  throw new BridgeError('INVALID_INPUT', `The body ${quote(body)} is not a JSON object.`, {
    next: `Send one object as application/json, not ${quote(headers['content-type'])}.`,
  });
}

function callerOf(req: Request, argument: string | undefined): TaskOwner {
  const header = req.headers['x-agent-id'];
  return ownerOf({
    token: identityOf(req)?.agentId,
    header: typeof header === 'string' ? header : undefined,
    argument,
  });
}

function oneOf(inQuery: unknown, inBody: unknown): string | undefined {
  const [first, ...others] = [inQuery, inBody].filter((it) => it !== undefined && it !== null && it !== '');
  if (first === undefined) return undefined;
  if (typeof first !== 'string') {
    throw new BridgeError('INVALID_INPUT', `\`agent_id\` ${quote(first)} is not a string.`);
  }
  if (others.every((other) => other === first)) return first;
  throw new BridgeError(
    'AGENT_MISMATCH',
    `\`agent_id\` is ${quote(first)} in the URL and ${quote(others[0])} in the body.`,
    {
      next: 'Give it once.',
    },
  );
}
