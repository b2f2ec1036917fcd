import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventLog } from '../store/event-log.ts';
import type { TaskEvent } from '../tasks/events.ts';
import { isEnd, type Task } from '../tasks/task.ts';
import { parseTraceparent, type SpanIds, spanOf } from '../tasks/trace-context.ts';
import { taskAttributes } from './attributes.ts';
import { SpanIdGenerator } from './span-ids.ts';
import { TaskSpans } from './task-spans.ts';

const EXPORT_EVERY_MS = 2_000;
const EXPORT_LIMIT_MS = 10_000;
/** More wait only where the receiver does not answer: the oldest of them are lost then. */
const MAX_WAITING = 4_096;
/** A receiver that hangs must not hold up the stop of the bridge. */
const FLUSH_LIMIT_MS = 2_000;

export interface TracingOptions {
  log: EventLog;
  /** OTEL_EXPORTER_OTLP_ENDPOINT; spans go to `/v1/traces` below it. */
  endpoint: string;
  headers: Readonly<Record<string, string>>;
  serviceName: string;
  version: string;
  logger: Logger;
  now?: () => number;
}

/**
 * Makes spans of tasks out of the event log, as any reader of it, and sends them by OTLP over HTTP in JSON. Tasks never
 * wait for it. A task that an earlier process began goes on in a span of a new trace, with a link to its first one.
 */
export class BridgeTracing {
  readonly #options: Required<TracingOptions>;
  readonly #ids = new SpanIdGenerator();
  readonly #provider: TracerProvider;
  readonly #open = new Map<string, TaskSpans>();
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(options: TracingOptions) {
    this.#options = { now: Date.now, ...options };
    const { endpoint, headers, serviceName, version, logger } = options;
    const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`;
    const exporter = reporting(
      new OTLPTraceExporter({
        url,
        headers: { ...headers },
        timeoutMillis: EXPORT_LIMIT_MS,
      }),
      logger,
    );
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
      idGenerator: this.#ids,
      spanProcessors: [
        new BatchSpanProcessor({
          exporter,
          scheduledDelayMillis: EXPORT_EVERY_MS,
          exportTimeoutMillis: EXPORT_LIMIT_MS,
          maxQueueSize: MAX_WAITING,
        }),
      ],
    });
  }

  start(): void {
    const { log, logger } = this.#options;
    for (const task of log.store.unfinished()) this.#resume(task);
    this.#following = this.#follow(log.store.lastPosition().event).catch((thrown) =>
      logger.error({ err: messageOf(thrown) }, 'traces of tasks stopped until the bridge restarts'),
    );
  }

  /** A call of a sink for a task. */
  delivery(task: Task, sink: string, beganAt: number, failed: boolean): void {
    const span = this.#tracer().startSpan(
      `deliver to ${sink}`,
      {
        kind: SpanKind.CLIENT,
        startTime: new Date(beganAt),
        attributes: { 'opencode_bridge.sink': sink, 'opencode_bridge.task.id': task.id },
      },
      contextOf(spanOf(task)),
    );
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(new Date(this.#options.now()));
  }

  /** Sends what is left, for a short while. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
    for (const spans of this.#open.values()) spans.leave(this.#options.now());
    const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_LIMIT_MS).unref());
    await Promise.race([this.#provider.shutdown().catch(() => {}), late]);
  }

  async #follow(position: number): Promise<void> {
    const { log } = this.#options;
    for await (const page of log.tail(position, this.#stop.signal)) {
      for (const { event } of page) this.#observe(event, log.store.getEvenRemoved(event.taskId));
    }
  }

  #observe(event: TaskEvent, task: Task | undefined): void {
    if (!task) return;
    const spans = this.#open.get(event.taskId);
    if (event.kind === 'created') this.#begin(task, event.at);
    else if (!isEnd(task.status) || event.seq < task.lastSeq) spans?.observe(event);
    else {
      spans?.close(event, task);
      this.#open.delete(event.taskId);
    }
  }

  #begin(task: Task, at: number): void {
    const caller = parseTraceparent(task.traceparent);
    const options = { kind: SpanKind.SERVER, startTime: new Date(at), attributes: taskAttributes(task) };
    const above = caller ? contextOf(caller) : ROOT_CONTEXT;
    const root = this.#ids.withIds(spanOf(task), () => this.#tracer().startSpan('task', options, above));
    // As it was then: a task that is read later may have left the queue.
    this.#open.set(task.id, new TaskSpans(this.#tracer(), { ...task, status: 'queued' }, root, at));
  }

  #resume(task: Task): void {
    const at = this.#options.now();
    const link = trace.getSpanContext(contextOf(spanOf(task)));
    const root = this.#tracer().startSpan('resumed task', {
      root: true,
      kind: SpanKind.SERVER,
      startTime: new Date(at),
      attributes: taskAttributes(task),
      links: link ? [{ context: link }] : [],
    });
    this.#open.set(task.id, new TaskSpans(this.#tracer(), task, root, at));
  }

  #tracer() {
    return this.#provider.getTracer('letta-opencode-plugin', this.#options.version);
  }
}

function contextOf({ traceId, spanId, sampled }: SpanIds): Context {
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** The exporter, which tells the log when the receiver fails for the first time, and when it works again. */
function reporting(exporter: SpanExporter, logger: Logger): SpanExporter {
  let fails = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined;
        if (failed && !fails) logger.warn({ err: messageOf(result.error) }, 'traces cannot be sent');
        if (!failed && fails) logger.info({}, 'traces are sent again');
        fails = failed;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush && { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  };
}
