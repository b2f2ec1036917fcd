import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { parseArguments } from '../../api/arguments.ts';
import { ownerOf } from '../../api/caller.ts';
import { coerceArguments } from '../../api/coerce-arguments.ts';
import { shortText } from '../../api/inputs.ts';
import type { ApiServices } from '../../api/services.ts';
import { BridgeError, quote, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { logFields } from '../../tasks/log-fields.ts';
import type { Task, TaskOwner } from '../../tasks/task.ts';
import type { Refusal } from '../guards/guard.ts';
import type { Guards } from '../guards/guards.ts';
import type { Identity } from '../guards/token-check.ts';
import { REQUEST_ID, requestIdOf } from '../request-id.ts';
import type { StreamLimit } from '../stream-limit.ts';
import type { Tickets } from '../tickets.ts';
import { WritePacer } from '../write-pacer.ts';
import { eventsView } from './events-view.ts';
import { refuseUpgrade } from './refuse-upgrade.ts';
import { SOCKET_LIMITS, type SocketLimits, TaskSocket } from './task-socket.ts';
import { terminalView } from './terminal-view.ts';

export interface WebSocketOptions {
  services: ApiServices;
  guards: Guards;
  tickets: Tickets;
  streams: StreamLimit;
  /** Bytes of a frame of a client. */
  maxBodyBytes: number;
  socketLimits?: SocketLimits;
  logger: Logger;
}

const querySchema = z.strictObject({
  after_seq: z.int().min(0).default(0),
  view: z.enum(['terminal', 'events']).default('terminal'),
  ticket: shortText.optional(),
  agent_id: z.string().optional(),
});

/** What an upgrade is for, once it is allowed. */
interface Admitted {
  task: Task;
  query: z.output<typeof querySchema>;
  identity: Identity | undefined;
  /** Aborts when the session of the browser ends that the ticket was issued to. */
  ended: AbortSignal | undefined;
}

/** `WS /tasks/{task_id}/stream`. An upgrade passes the guards of every request before it becomes a WebSocket. */
export class WebSocketEndpoint {
  readonly #options: WebSocketOptions;
  readonly #server: WebSocketServer;
  readonly #ending = new AbortController();

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: options.maxBodyBytes,
      // A context of zlib for each connection costs 300 kB.
      perMessageDeflate: false,
    });
    this.#server.on('headers', (headers, req) => headers.push(`X-Request-Id: ${requestIdOf(req)}`));
  }

  /** Handles the `upgrade` event of an HTTP server. */
  readonly upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const onError = (): unknown => socket.destroy();
    socket.on('error', onError);
    const requestId = requestIdOf(req);
    req.headers[REQUEST_ID] = requestId;
    const refuse = (error: BridgeError, headers = {}): void => {
      this.#options.logger.debug({ requestId, code: error.code }, 'a WebSocket was refused');
      refuseUpgrade(socket, error, { ...headers, 'X-Request-Id': requestId });
    };
    this.#admit(req)
      .then((admitted) => {
        if ('error' in admitted) return refuse(admitted.error, admitted.headers);
        this.#options.logger.debug({ ...logFields(admitted.task), requestId }, 'a WebSocket is open');
        socket.off('error', onError);
        this.#server.handleUpgrade(req, socket, head, (client) =>
          this.#open(client, new WritePacer(socket), req, admitted),
        );
      })
      .catch((thrown: unknown) => refuse(toBridgeError(thrown)));
  };

  /** Closes every WebSocket with a word on how to go on. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#server.close();
  }

  async #admit(req: IncomingMessage): Promise<Admitted | Refusal> {
    const { guards, services } = this.#options;
    const refusal = guards.host(req) ?? guards.origin(req) ?? (await guards.taskCommands(req.socket));
    if (refusal) return refusal;
    if (this.#ending.signal.aborted) throw stopping();
    const { path, query } = partsOf(req.url ?? '');
    const taskId = /^\/tasks\/([^/]+)\/stream\/?$/.exec(path)?.[1];
    // A ticket stands for the token; what has neither learns nothing of paths and tasks.
    const isTicket = query.ticket !== undefined && taskId !== undefined;
    const { identity, refusal: unauthorized } = isTicket ? {} : guards.bearer(req);
    if (unauthorized) return unauthorized;
    const tooFast = guards.rate(req, identity);
    if (tooFast) return tooFast;
    if (taskId === undefined) throw notServed(path);
    this.#options.streams.assertRoom();
    const parsed = parseArguments(
      'WS /tasks/{task_id}/stream',
      querySchema,
      coerceArguments(querySchema, query).args,
    );
    const { agentId, ended } = this.#callerOf(req, taskId, parsed, identity);
    return { task: await services.execution.find(agentId, taskId), query: parsed, identity, ended };
  }

  #callerOf(
    { headers }: IncomingMessage,
    taskId: string,
    { ticket, agent_id: argument }: Admitted['query'],
    identity: Identity | undefined,
  ): { agentId: TaskOwner; ended?: AbortSignal | undefined } {
    if (ticket !== undefined) {
      const issued = this.#options.tickets.redeem(ticket, taskId);
      if (issued) return issued;
      throw new BridgeError(
        'UNAUTHORIZED',
        'The ticket is not valid: it was used, is older than 30 s, or is for another task.',
        {
          next: 'Get a new one with POST /tickets.',
        },
      );
    }
    const header = headers['x-agent-id'];
    const agentId = ownerOf({
      token: identity?.agentId,
      header: typeof header === 'string' ? header : undefined,
      argument,
    });
    return { agentId };
  }

  #open(
    socket: WebSocket,
    pacer: WritePacer,
    req: IncomingMessage,
    { task, query, identity, ended }: Admitted,
  ): void {
    const { services, guards, streams, logger, socketLimits: limits = SOCKET_LIMITS } = this.#options;
    streams.add(socket);
    const charge = (): void => {
      const refusal = guards.rate(req, identity);
      if (refusal) throw refusal.error;
    };
    const connection = new TaskSocket({
      socket,
      pacer,
      services,
      task,
      view: query.view === 'events' ? eventsView : terminalView(),
      afterSeq: query.after_seq,
      // Sessions end with the server too.
      ending: ended ?? this.#ending.signal,
      charge,
      limits,
      logger,
    });
    void connection.run();
  }
}

/** The path and the query of a request target; a parameter that is given twice is a list. */
function partsOf(target: string): { path: string; query: Record<string, unknown> } {
  const [path = '', search = ''] = target.split('?', 2);
  const params = new URLSearchParams(search);
  const query = [...new Set(params.keys())].map((name) => {
    const values = params.getAll(name);
    return [name, values.length > 1 ? values : values[0]];
  });
  return { path, query: Object.fromEntries(query) };
}

function notServed(path: string): BridgeError {
  return new BridgeError('NOT_FOUND', `A WebSocket at ${quote(path)} is not served.`, {
    next: 'Open one at /tasks/{task_id}/stream.',
  });
}

function stopping(): BridgeError {
  return new BridgeError('SHUTTING_DOWN', 'The bridge is stopping.', {
    next: 'Try again once it is back; tasks are kept.',
    retryAfterSeconds: 5,
  });
}
