import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { type EventOf, NO_USAGE, type TaskEvent, type Usage } from '../tasks/events.ts';
import { closedBy } from '../tasks/request-labels.ts';
import type { Task } from '../tasks/task.ts';
import { errorOf, modelAttributes, usageAttributes } from './attributes.ts';

/**
 * The spans of one task that has not ended. Below the task: the wait in the queue, turns, pauses; below a turn: steps of
 * the model, calls of tools, requests to people. A step of the model lasts until its first tool call begins, or until
 * its usage is known.
 */
export class TaskSpans {
  readonly #tracer: Tracer;
  readonly #task: Task;
  readonly #root: Span;
  readonly #context: Context;
  /** Tool calls, requests, the queue and pauses, by their ids or names. */
  readonly #open = new Map<string, Span>();
  #turn: Span | undefined;
  #usage: Usage;
  /** When the model began its step, and when the step's first tool call began. */
  #step: { from: number; until?: number | undefined };

  constructor(tracer: Tracer, task: Task, root: Span, at: number) {
    this.#tracer = tracer;
    this.#task = task;
    this.#root = root;
    this.#context = trace.setSpan(ROOT_CONTEXT, root);
    this.#usage = task.usage;
    this.#step = { from: at };
    if (task.status === 'queued') this.#begin('queue', 'queue', at);
  }

  observe(event: TaskEvent): void {
    const { at } = event;
    switch (event.kind) {
      case 'started':
        this.#end('queue', at);
        break;
      case 'attached':
      case 'message_sent':
        this.#beginTurn(at);
        break;
      case 'usage':
        this.#onUsage(event.usage, at);
        break;
      case 'tool':
        if (event.phase === 'started') this.#beginTool(event, at);
        else this.#endTool(event);
        break;
      case 'request_opened': {
        const { id, type } = event.request;
        this.#begin(id, `wait for ${type}`, at, { 'opencode_bridge.request.type': type });
        break;
      }
      case 'request_closed':
        this.#end(event.request_id, at, { 'opencode_bridge.request.closed_by': closedBy(event) });
        break;
      case 'paused':
        this.#begin('pause', 'pause', at);
        break;
      case 'resumed':
        this.#end('pause', at);
        break;
      case 'retrying':
        this.#current().addEvent('retrying', { attempt: event.attempt }, new Date(at));
        break;
      case 'warning':
        this.#current().addEvent('warning', { code: event.code }, new Date(at));
        break;
    }
  }

  /** The task ended; `event` is its last one. */
  close(event: TaskEvent, task: Task): void {
    const { at, kind } = event;
    for (const id of [...this.#open.keys()]) this.#end(id, at);
    this.#turn?.end(new Date(at));
    const code = errorOf(event);
    this.#root.setAttributes({
      'opencode_bridge.task.outcome': kind,
      ...usageAttributes(task.usage, NO_USAGE),
    });
    if (code !== undefined) {
      this.#root.setAttribute('error.type', code);
      this.#root.setStatus({ code: SpanStatusCode.ERROR, message: code });
    }
    this.#root.end(new Date(at));
  }

  /** The process ends before the task: what is known so far. */
  leave(at: number): void {
    for (const id of [...this.#open.keys()]) this.#end(id, at);
    this.#turn?.end(new Date(at));
    this.#root.setAttribute('opencode_bridge.task.outcome', 'left to the next process');
    this.#root.end(new Date(at));
  }

  #beginTurn(at: number): void {
    this.#turn?.end(new Date(at));
    this.#turn = this.#start('turn', at, this.#context);
    this.#step = { from: at };
  }

  #onUsage(usage: Usage, at: number): void {
    const { model } = this.#task;
    const { from, until = at } = this.#step;
    const attributes = {
      'gen_ai.operation.name': 'chat',
      ...modelAttributes(model),
      ...usageAttributes(usage, this.#usage),
    };
    const name = `chat ${model ?? ''}`.trim();
    this.#start(name, from, this.#parent(), attributes, SpanKind.CLIENT).end(new Date(Math.max(from, until)));
    this.#usage = usage;
    this.#step = { from: at };
  }

  #beginTool({ call_id, tool, parent_call_id }: EventOf<'tool'>, at: number): void {
    this.#step.until ??= at;
    const above = parent_call_id === undefined ? undefined : this.#open.get(parent_call_id);
    const context = above ? trace.setSpan(ROOT_CONTEXT, above) : this.#parent();
    this.#open.set(call_id, this.#start(`execute_tool ${tool}`, at, context, toolAttributes(tool, call_id)));
  }

  /** In Docker mode, and after a restart, a call has no start. */
  #endTool(event: EventOf<'tool'> & TaskEvent): void {
    const { call_id, tool, ok, exit_code, duration_ms = 0, at } = event;
    if (!this.#open.has(call_id)) this.#beginTool(event, at - duration_ms);
    const failed = ok === false;
    const attributes = {
      ...toolAttributes(tool, call_id),
      ...(exit_code !== undefined && { 'process.exit.code': exit_code }),
    };
    if (failed) this.#open.get(call_id)?.setStatus({ code: SpanStatusCode.ERROR });
    this.#end(call_id, at, attributes);
  }

  #begin(id: string, name: string, at: number, attributes: Attributes = {}): void {
    if (!this.#open.has(id)) this.#open.set(id, this.#start(name, at, this.#parent(), attributes));
  }

  #end(id: string, at: number, attributes: Attributes = {}): void {
    const span = this.#open.get(id);
    this.#open.delete(id);
    span?.setAttributes(attributes).end(new Date(at));
  }

  #current(): Span {
    return this.#turn ?? this.#root;
  }

  #parent(): Context {
    return this.#turn ? trace.setSpan(ROOT_CONTEXT, this.#turn) : this.#context;
  }

  /** Times are dates: a number from before the start of the process would be taken for one relative to it. */
  #start(
    name: string,
    at: number,
    context: Context,
    attributes: Attributes = {},
    kind = SpanKind.INTERNAL,
  ): Span {
    return this.#tracer.startSpan(name, { startTime: new Date(at), attributes, kind }, context);
  }
}

function toolAttributes(tool: string, callId: string): Attributes {
  return { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': tool, 'gen_ai.tool.call.id': callId };
}
