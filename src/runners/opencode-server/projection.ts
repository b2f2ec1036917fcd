import { isDeepStrictEqual } from 'node:util';
import type { TaskEvent, TaskEventBody, Usage } from '../../tasks/events.ts';
import { retrying, sumUsage, toolEvents, warning } from '../opencode-protocol/translate.ts';
import type { AssistantMessage, Message, OpenCodeEvent, Part, ToolPart } from '../opencode-protocol/wire.ts';
import type { Approval } from './approvals.ts';
import { type Background, BackgroundSubagents } from './background.ts';
import { OpenRequests } from './open-requests.ts';
import type { Records } from './records.ts';
import { callKey, type Reported, reportedBy, reportedOf } from './reported.ts';
import { SUBAGENT, Subagents } from './subagents.ts';

export interface ProjectionOptions {
  sessionId: string;
  directory: string;
  /** Whether the session's rules make OpenCode ask before edits outside of the directory. */
  guarded: boolean;
  limits: { startMs: number };
}

interface Fields {
  options: ProjectionOptions;
  requests: OpenRequests;
  background: BackgroundSubagents;
  /** The agent's messages, but for summaries of the conversation. */
  agentMessages: ReadonlySet<string>;
  usage: ReadonlyMap<string, AssistantMessage>;
  /** What the log holds already: ids of text parts, and calls of tools with their status. */
  reported: ReadonlySet<string>;
  /** The calls of tools that are at work, but for those that wait for a subagent. */
  runningTools: ReadonlySet<string>;
  subagents: Subagents;
  /** The usage that an earlier process reported last, until the records have been read up to there. */
  reportedUsage: Usage | undefined;
}

type Step = [Projection, TaskEventBody[]];

/**
 * What the events and records of OpenCode mean for the task: each finished part becomes one task event, however often
 * OpenCode repeats it. A value: methods return the next state, and the task events of the step.
 */
export class Projection {
  readonly #fields: Fields;

  private constructor(fields: Fields) {
    this.#fields = fields;
  }

  /** Starts with what the task's log holds. */
  static from(options: ProjectionOptions, past: readonly TaskEvent[]): Projection {
    return new Projection({
      options,
      requests: OpenRequests.from(options, past),
      background: BackgroundSubagents.of(options.sessionId, options.limits.startMs),
      agentMessages: new Set(),
      usage: new Map(),
      reported: new Set(past.flatMap(reportedBy)),
      runningTools: new Set(),
      subagents: Subagents.NONE,
      reportedUsage: past.findLast((event) => event.kind === 'usage')?.usage,
    });
  }

  get requests(): OpenRequests {
    return this.#fields.requests;
  }

  get background(): BackgroundSubagents {
    return this.#fields.background;
  }

  /** Whether the agent waits for a tool or for an answer, and not for its model. */
  get waits(): boolean {
    return this.#fields.runningTools.size > 0 || this.#fields.requests.any;
  }

  /** What the log has of a text part or of a call. */
  reportedOf(id: string): Reported {
    return reportedOf(id, this.#fields.reported);
  }

  /** Between two turns nothing is at work, whatever OpenCode's records say of a call that was lost. */
  betweenTurns(): Projection {
    return this.#with({ runningTools: new Set(), background: this.#fields.background.cleared() });
  }

  withRequests(requests: OpenRequests): Projection {
    return this.#with({ requests });
  }

  onEvent(event: OpenCodeEvent, approvals: readonly Approval[]): Step {
    const { background, options, requests } = this.#fields;
    switch (event.type) {
      case 'session.created': {
        const { id, parentID } = event.properties.info;
        return [this.#with({ subagents: this.#fields.subagents.onCreated(id, parentID) }), []];
      }
      case 'session.deleted':
        return [this, []];
      case 'message.updated':
        return this.#onMessage(event.properties.info);
      case 'message.part.updated':
        return this.#onPart(event.properties.part);
      case 'todo.updated':
        if (event.properties.sessionID !== options.sessionId) return [this, []];
        return [this, [{ kind: 'todo', items: event.properties.todos }]];
      case 'session.status': {
        const { sessionID, status } = event.properties;
        return [this.#with({ background: background.onStatus(sessionID, status) }), retrying(status)];
      }
      case 'session.error':
        return [this, warning(event.properties.error)];
      case 'permission.asked':
        return this.#onRequests(requests.onPermission(event.properties));
      case 'question.asked':
        return this.#onRequests(requests.onQuestion(event.properties));
      case 'permission.replied': {
        const { requestID, reply } = event.properties;
        return this.#onRequests(requests.onReplied(requestID, reply, approvals));
      }
      case 'question.replied': {
        const { requestID, answers } = event.properties;
        const reply = answers.map((labels) => labels.join(', ')).join('; ');
        return this.#onRequests(requests.onReplied(requestID, reply, approvals));
      }
      case 'question.rejected':
        return this.#onRequests(requests.onReplied(event.properties.requestID, 'reject', approvals));
    }
  }

  /** Reads the records: what the log does not hold yet, and what goes on in the background. */
  onRecords(
    records: Records,
    approvals: readonly Approval[],
    now: number,
  ): { next: Projection; events: TaskEventBody[]; background: Background } {
    const { options } = this.#fields;
    const { messages, below, statuses, requests, openBefore, later } = records;
    const all = [...messages, ...[...below.values()].flat()];
    const events: TaskEventBody[] = [];
    let next: Projection = this;
    const run = ([projection, reported]: Step): void => {
      next = projection;
      events.push(...reported);
    };
    for (const { info, parts } of all) {
      next = next.#withAgentMessage(info);
      for (const part of parts) run(next.#onPart(part));
      run(next.#onMessage(info));
    }
    const isActive = (id: string): boolean => statuses.has(id) && (id === options.sessionId || below.has(id));
    const evidence = { parts: all.flatMap(({ parts }) => parts), later };
    run(next.#onRequests(next.requests.onLists(openBefore, requests, isActive, evidence, approvals)));
    const background = next.background.onRecords(messages, below, statuses, now);
    return {
      next: next.#with({ background: background.next }),
      events,
      background: background.background,
    };
  }

  /** The records have been read from the first prompt on: the usage is complete. */
  onCaughtUp(): Step {
    if (!this.#fields.reportedUsage) return [this, []];
    const usage = sumUsage(this.#fields.usage.values());
    return [this.#with({ reportedUsage: undefined }), [{ kind: 'usage', usage }]];
  }

  #onRequests([requests, events]: [OpenRequests, TaskEventBody[]]): Step {
    return [this.#with({ requests }), events];
  }

  #onMessage(message: Message): Step {
    const next = this.#withAgentMessage(message).#with({
      background: this.#fields.background.onMessage(message),
    });
    if (message.role !== 'assistant' || message.time.completed === undefined) return [next, []];
    const known = this.#fields.usage.get(message.id);
    if (known && known.cost === message.cost && known.tokens.output === message.tokens.output)
      return [next, []];
    return next.#onUsage(message);
  }

  #onUsage(message: AssistantMessage): Step {
    const { reportedUsage } = this.#fields;
    const messages = new Map(this.#fields.usage).set(message.id, message);
    const next = this.#with({ usage: messages });
    const usage = sumUsage(messages.values());
    if (!reportedUsage) return [next, [{ kind: 'usage', usage }]];
    return [isDeepStrictEqual(usage, reportedUsage) ? next.#with({ reportedUsage: undefined }) : next, []];
  }

  #withAgentMessage(message: Message): Projection {
    const { agentMessages } = this.#fields;
    if (message.role !== 'assistant' || message.summary || agentMessages.has(message.id)) return this;
    return this.#with({ agentMessages: new Set(agentMessages).add(message.id) });
  }

  #onPart(part: Part): Step {
    const next = this.#with({ background: this.#fields.background.onPart(part) });
    if (part.type === 'tool') return next.#onTool(part);
    const { options, agentMessages } = this.#fields;
    if (part.type !== 'text' || part.sessionID !== options.sessionId) return [next, []];
    if (!agentMessages.has(part.messageID) || part.time?.end === undefined || part.text === '')
      return [next, []];
    const { id: part_id, messageID: message_id, text } = part;
    return next.#once(part_id, { kind: 'output', text, message_id, part_id });
  }

  /** Where the first event of a call is its end, its start is reported first. */
  #onTool(part: ToolPart): Step {
    const { state, callID, tool } = part;
    const isSubagent = tool === SUBAGENT;
    const next = this.#withTool(callID, state.status === 'running' && !isSubagent).#with({
      subagents: this.#fields.subagents.onPart(part),
    });
    if (state.status === 'pending' || state.status === 'running') return next.#report(part);
    const [started, start] = next.#report({ ...part, state: { status: 'running', input: state.input } });
    const [finished, end] = started.#report(part);
    return [finished, [...start, ...end]];
  }

  #withTool(callId: string, runs: boolean): Projection {
    const { runningTools } = this.#fields;
    if (runningTools.has(callId) === runs) return this;
    const tools = new Set(runningTools);
    if (runs) tools.add(callId);
    else tools.delete(callId);
    return this.#with({ runningTools: tools });
  }

  #report(part: ToolPart): Step {
    const { options, subagents } = this.#fields;
    const parent = subagents.callOf(part.sessionID);
    return this.#once(
      callKey(part.callID, part.state.status),
      ...toolEvents(part, options.directory, parent),
    );
  }

  #once(key: string, ...events: TaskEventBody[]): Step {
    const { reported } = this.#fields;
    if (reported.has(key)) return [this, []];
    return [this.#with({ reported: new Set(reported).add(key) }), events];
  }

  #with(change: Partial<Fields>): Projection {
    return new Projection({ ...this.#fields, ...change });
  }
}
