import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Dialect, ProviderSecret } from '../provider-keys/provider.ts';
import type { RequestRouter } from '../proxy.ts';
import type { EventLog } from '../store/event-log.ts';
import { END_STATUSES } from '../tasks/task.ts';
import { isAllowed } from './api-paths.ts';
import { forward } from './forward.ts';
import { tokenOf } from './headers.ts';
import { ProxyRefusal, sendRefusal } from './proxy-refusal.ts';
import type { ProxyTokens } from './proxy-tokens.ts';
import { SessionTasks } from './session-tasks.ts';
import { TaskMeters } from './task-meters.ts';

export interface CredentialProxyOptions {
  host: string;
  port: number;
  keys: { find(id: string): ProviderSecret | undefined };
  tokens: ProxyTokens;
  /** The server whose token is good for every running task. */
  serverId: string;
  log: EventLog;
  /** Called once a task has used all tokens of its limit: it must end now. */
  onBudgetSpent: (taskId: string, tokens: number) => void;
  router: RequestRouter;
  logger: Logger;
}

/** How long a request may take to close after the proxy stops. */
const CLOSE_GRACE_MS = 1_000;
/** The events that end a task have the names of statuses. */
const ENDS: ReadonlySet<string> = new Set(END_STATUSES);
const TARGET = /^\/([^/?]+)(\/[^?]*)(\?.*)?$/;

/**
 * The HTTP server that stands between OpenCode and the providers of models: `/{provider}/{path of its API}`. OpenCode
 * has a token of it, and never a provider's key. It has its own port, so that containers reach nothing else of the
 * bridge with it.
 */
export class CredentialProxy {
  readonly #options: CredentialProxyOptions;
  readonly #meters: TaskMeters;
  readonly #sessions: SessionTasks;
  readonly #server: Server;
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(options: CredentialProxyOptions) {
    this.#options = options;
    const { log, onBudgetSpent } = options;
    this.#meters = new TaskMeters({ get: (taskId) => log.get(taskId), onBudgetSpent });
    this.#sessions = new SessionTasks(log.store);
    // An answer may take as long as the model does.
    this.#server = createServer(
      { requestTimeout: 0, keepAliveTimeout: 60_000, noDelay: true },
      (req, res) => {
        void this.#handle(req, res);
      },
    );
  }

  /** Throws INVALID_STATE where the address cannot be used. */
  async start(): Promise<void> {
    const { host, port, log, logger } = this.#options;
    this.#server.listen(port, host);
    await once(this.#server, 'listening').catch((cause: unknown) => {
      const text = `PROVIDER_PROXY_HOST ${quote(host)}, PROVIDER_PROXY_PORT ${port}: ${messageOf(cause)}.`;
      const next = 'Stop what uses the port, or choose another; or set PROVIDER_PROXY=false.';
      throw new BridgeError('INVALID_STATE', text, { next, cause });
    });
    this.#following = this.#endTasks(log.store.lastPosition().event).catch((thrown) =>
      logger.error({ err: messageOf(thrown) }, 'calls of tasks that end are no longer cut'),
    );
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy listens on no port');
    return address.port;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(timer);
  }

  /** Cuts what a task has open when it ends: nothing of it goes on after that. */
  async #endTasks(position: number): Promise<void> {
    for await (const page of this.#options.log.tail(position, this.#stop.signal)) {
      for (const { event } of page) if (ENDS.has(event.kind)) this.#meters.end(event.taskId);
    }
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let dialect: Dialect = 'openai';
    try {
      const [, id = '', path = '', query = ''] = TARGET.exec(req.url ?? '') ?? [];
      const provider = this.#options.keys.find(id);
      dialect = provider?.dialect ?? dialect;
      const taskId = this.#taskOf(req);
      if (!provider)
        // Not 404: OpenCode tries that again where the provider is OpenAI (measured).
        throw new ProxyRefusal(
          403,
          'provider_unknown',
          `The bridge has no key of the provider ${quote(id)}.`,
        );
      if (!isAllowed(dialect, req.method ?? '', path)) {
        throw new ProxyRefusal(
          403,
          'path_refused',
          `The bridge does not pass on ${req.method} ${quote(path)}.`,
        );
      }
      const call = this.#meters.begin(taskId);
      await forward({ req, res, provider, path: `${path}${query}`, call, router: this.#options.router });
    } catch (thrown) {
      if (thrown instanceof ProxyRefusal) sendRefusal(res, thrown, dialect);
      else this.#options.logger.debug({ err: messageOf(thrown) }, 'a call of a provider was cut');
    }
  }

  /** Throws a ProxyRefusal for a token that is not valid now. */
  #taskOf({ headers }: IncomingMessage): string {
    const { tokens, serverId } = this.#options;
    const holder = tokens.read(tokenOf(headers));
    if (holder?.kind === 'task') return holder.taskId;
    if (!holder || holder.serverId !== serverId) {
      throw new ProxyRefusal(401, 'token_unknown', 'The token is not known to the credential proxy.');
    }
    const taskId = this.#sessions.taskOf(headers);
    if (taskId !== undefined) return taskId;
    throw new ProxyRefusal(403, 'session_unknown', 'The request belongs to no session of a running task.');
  }
}
