import { type DependencyHealth, downgraded } from '../../health.ts';
import type { Logger } from '../../logger.ts';
import { logFields } from '../../tasks/log-fields.ts';
import type { ModelConfig } from '../../tasks/model-config.ts';
import type { Task } from '../../tasks/task.ts';
import type { ServerFile, Session, SessionStatus } from '../opencode-protocol/wire.ts';
import type {
  ModelConfigTarget,
  Run,
  RunContext,
  Runner,
  RunnerChoices,
  RunnerResources,
  Connection as TcpConnection,
} from '../runner.ts';
import { abortable } from './abortable.ts';
import { OpenCodeApi } from './api.ts';
import { Approvals } from './approvals.ts';
import { Connection } from './connection.ts';
import { Defaults } from './defaults.ts';
import type { Endpoint } from './endpoint.ts';
import { EngineSupervisor } from './engine-supervisor.ts';
import { EventStream, type SessionListener } from './event-stream.ts';
import { HealthMonitor } from './health-monitor.ts';
import { Inquiries } from './inquiries.ts';
import { Instances } from './instances.ts';
import { SessionRun } from './session-run.ts';
import type { TurnLimits } from './session-state.ts';
import { Sessions } from './sessions.ts';

/** OpenCode's own default agent. */
const DEFAULT_AGENT = 'build';

export interface OpenCodeClientManagerOptions {
  endpoint: Endpoint;
  /** `provider/model` for tasks that name none; absent: what the server's configuration says. */
  model?: string | undefined;
  agent?: string | undefined;
  /** Whether OpenCode asks before it edits the repository outside of a task's folder. */
  asksOutside: boolean;
  /** How long a new task waits for its server before it fails; absent: a minute. */
  reachLimitMs?: number | undefined;
  healthIntervalMs: number;
  maxRetries: number;
  retryDelayMs: number;
  instanceLingerMs: number;
  /** Megabytes beyond which an embedded server is restarted when no task uses it; 0: never. */
  maxRssMb: number;
  turnLimits: TurnLimits;
  /** Milliseconds after which an event stream without a frame is dead. */
  silenceLimitMs?: number;
  logger: Logger;
  now?: () => number;
}

/**
 * Runs tasks as sessions of one OpenCode server, followed over its one event stream. The bridge itself calls only the
 * methods of `Runner`. `healthCheck`, `createSession`, `subscribeToEvents`, `getSessionInfo`, `abortSession`,
 * `listFiles` and `readFile` are kept on purpose, under the names that the requirements of the project give them: they
 * are the manager's interface for other programs and for tests.
 */
export class OpenCodeClientManager implements Runner {
  readonly name = 'opencode-server';
  readonly #options: OpenCodeClientManagerOptions;
  readonly #api: OpenCodeApi;
  readonly #stream: EventStream;
  readonly #connection: Connection;
  readonly #monitor: HealthMonitor;
  readonly #instances: Instances;
  readonly #defaults: Defaults;
  readonly #inquiries: Inquiries;
  readonly #approvals = new Approvals();
  readonly #sessions: Sessions;

  constructor(options: OpenCodeClientManagerOptions) {
    const { endpoint, healthIntervalMs: intervalMs, maxRetries, retryDelayMs, logger } = options;
    this.#options = options;
    this.#api = new OpenCodeApi(endpoint);
    this.#stream = new EventStream(endpoint, logger, options.silenceLimitMs);
    this.#connection = new Connection({
      endpoint,
      api: this.#api,
      stream: this.#stream,
      limitMs: options.reachLimitMs,
      logger,
    });
    this.#instances = new Instances(this.#api, options.instanceLingerMs, logger);
    this.#defaults = new Defaults(this.#api, options.now ?? Date.now);
    this.#inquiries = new Inquiries(endpoint, this.#instances, this.#defaults, options.now ?? Date.now);
    this.#sessions = new Sessions(this.#api, endpoint, options.asksOutside);
    const streaming = (): boolean => this.#stream.connected;
    const idle = (): boolean => this.#instances.idle;
    const { process } = endpoint;
    const { maxRssMb } = options;
    const supervisor =
      process &&
      new EngineSupervisor({ process, maxRssMb, hangChecks: maxRetries + 1, streaming, idle, logger });
    const check = (timeoutMs: number): Promise<{ version: string }> => this.#api.health(timeoutMs);
    this.#monitor = new HealthMonitor({
      check: supervisor ? (timeoutMs) => supervisor.check(() => check(timeoutMs)) : check,
      listening: endpoint.listening,
      streaming,
      intervalMs,
      maxRetries,
      retryDelayMs,
      logger,
    });
  }

  /** Opens the event stream and starts the health checks; waits for neither. */
  start(): void {
    this.#monitor.start();
    this.#stream.ready().catch(() => undefined);
  }

  async open(task: Task, { emit, past, signal, live }: RunContext): Promise<Run> {
    const { endpoint, logger, now = Date.now } = this.#options;
    const { directory } = task;
    const free = this.#instances.acquire(directory);
    try {
      await abortable(free, signal);
      const [session, defaults, agent] = await this.#connection.retryWhileUnavailable(
        { emit, signal },
        task.promptId !== undefined,
        () => {
          const known = this.#defaults.of(directory, isFresh(task));
          const agent = known.then((it) => task.agent ?? this.#options.agent ?? it.agent ?? DEFAULT_AGENT);
          return Promise.all([this.#sessions.of(task, agent), known, agent]);
        },
      );
      const { shells } = this.#options.endpoint;
      await shells?.open(session.id, directory);
      return new SessionRun({
        sessionId: session.id,
        directory,
        earlier: session.earlier,
        past,
        firstPromptId: task.promptId,
        model: task.model ?? this.#options.model ?? defaults.model,
        agent,
        system: task.modelConfig?.system_prompt,
        guarded: session.guarded,
        exclusive: endpoint.process !== undefined,
        limits: this.#options.turnLimits,
        shells,
        api: this.#api,
        approvals: this.#approvals,
        stream: this.#stream,
        emit,
        live,
        logger: logger.child(logFields(task)),
        now,
        folder: this.#instances.of(directory, task.ownsDirectory || !!endpoint.process),
        onClose: () => this.#instances.release(directory, task.ownsDirectory),
      });
    } catch (thrown) {
      this.#instances.release(directory, task.ownsDirectory);
      throw thrown;
    }
  }

  /** Whether the server answers, and its version. */
  healthCheck(): Promise<{ version: string }> {
    return this.#monitor.check();
  }

  createSession(directory: string, title: string, metadata: Record<string, string>): Promise<Session> {
    return this.#api.createSession(directory, title, metadata);
  }

  /** Sends a session's events to the listener until the returned function is called. */
  async subscribeToEvents(sessionId: string, listener: SessionListener): Promise<() => void> {
    this.#stream.listen(sessionId, listener);
    await this.#stream.ready();
    return () => this.#stream.unlisten(sessionId, listener);
  }

  async getSessionInfo(sessionId: string): Promise<{ session: Session; status: SessionStatus }> {
    const session = await this.#api.session(sessionId);
    const statuses = await this.#api.statuses(session.directory);
    return { session, status: statuses.get(sessionId) ?? { type: 'idle' } };
  }

  async abortSession(sessionId: string): Promise<void> {
    const { directory } = await this.#api.session(sessionId);
    await this.#api.abort(sessionId, directory);
  }

  /** A folder as the server sees it; `path` is relative to the directory. */
  listFiles(directory: string, path = '.'): Promise<ServerFile[]> {
    return this.#api.listFiles(directory, path);
  }

  /** A file's exact bytes as the server sees them. */
  readFile(directory: string, path: string): Promise<Buffer> {
    return this.#api.readFile(directory, path);
  }

  async endProcesses(directory: string): Promise<void> {
    await this.#options.endpoint.shells?.endInDirectory(directory);
  }

  get defaults(): { model?: string | undefined; agent?: string | undefined } {
    const { model, agent } = this.#options;
    return { model, agent };
  }

  choices(directory: string): Promise<RunnerChoices> {
    return this.#inquiries.choices(directory);
  }

  requireModelConfig(config: ModelConfig, target: ModelConfigTarget): Promise<void> {
    return this.#inquiries.requireModelConfig(config, target);
  }

  async mayHaveOpened(connection: TcpConnection): Promise<boolean> {
    const { shells, process } = this.#options.endpoint;
    return (await shells?.mayBeOfTask(connection, process?.pid())) ?? false;
  }

  health(): DependencyHealth[] {
    const { status, version, lastError } = this.#monitor;
    const stream = this.#stream.connected
      ? 'stream open'
      : `stream closed (${this.#stream.lastError ?? 'opening'})`;
    const problem = this.#options.endpoint.problem?.();
    const commands = this.#options.endpoint.shells?.summary;
    const details = [version && `version ${version}`, stream, commands, lastError, problem];
    const detail = details.filter(Boolean).join('; ');
    return [
      { name: 'opencode-server', status: this.#stream.connected ? status : downgraded(status), detail },
    ];
  }

  async resources(): Promise<RunnerResources | undefined> {
    return this.#options.endpoint.process?.resources();
  }

  async close(): Promise<void> {
    this.#monitor.close();
    this.#instances.close();
    this.#stream.close();
  }
}

function isFresh({ ownsDirectory, continues }: Task): boolean {
  return ownsDirectory && continues === undefined;
}
