import { BridgeError } from '../errors.ts';
import type { RunnerAnswer } from '../runners/runner.ts';
import type { EventOf, InputRequest } from '../tasks/events.ts';
import { type AnswerInput, describeAnswer, toRunnerAnswer } from './answer-input.ts';

export type PermissionPolicy = 'ask' | 'allow' | 'reject';

/** OpenCode's permission to work outside the directory of a session. */
const OUTSIDE = 'external_directory';
/** The delay before an answer by policy or deadline is retried. */
const RETRY_MS = 1_000;

export interface RequestRules {
  policy: PermissionPolicy;
  /** The policy for permissions outside the task's directory. */
  outside: PermissionPolicy;
  /** How long a request waits for an answer. */
  timeoutMs: number;
}

/** An answer that the bridge sends, and who gave it. */
interface Attempt {
  by: string;
  reply: string;
  message?: string | undefined;
}

interface OpenRequest {
  request: InputRequest;
  timer: NodeJS.Timeout | undefined;
  /** The answer that is being sent. */
  claim?: Attempt;
  /** The answers that OpenCode may have received, including those without a response. */
  attempts: Attempt[];
}

export interface InputRequestsOptions {
  rules: RequestRules;
  /** Sends an answer; throws REQUEST_CLOSED if the request was answered before. */
  send: (requestId: string, answer: RunnerAnswer) => Promise<void>;
  onClosed: (event: EventOf<'request_closed'>) => void;
  /** Asks the runner how a request was closed that turned out to be closed. */
  recheck?: (() => Promise<void>) | undefined;
  /** Called if an answer by policy or deadline could not be sent; it is retried. */
  onFailure: (thrown: unknown) => void;
}

/**
 * The open permissions and questions of one task. The first answer wins; at the deadline the bridge answers.
 *
 *     open       answer()              → answering   (`claim` is set; other answers are refused)
 *     answering  sent                  → closed
 *     answering  failed                → open        (an answer by policy or deadline is retried)
 *     open, answering   closed()       → closed      (the runner reports who closed it)
 *     open, answering   closeAll()     → closed      (the turn that asked was stopped)
 */
export class InputRequests {
  readonly #options: InputRequestsOptions;
  readonly #open = new Map<string, OpenRequest>();
  /** The bridge's last answer to each request. */
  readonly #answers = new Map<string, Attempt>();

  constructor(options: InputRequestsOptions) {
    this.#options = options;
  }

  /** Adds a request that the runner reports; returns it with its deadline. */
  opened(request: InputRequest, now: number): EventOf<'request_opened'> {
    const delay = this.#policyFor(request) === 'ask' ? this.#options.rules.timeoutMs : 0;
    const timed = { ...request, expires_at: now + delay };
    this.restore(timed, now);
    return { kind: 'request_opened', request: timed };
  }

  /** Restores a request that an earlier process opened, with its old deadline and the current policy. */
  restore(request: InputRequest, now: number): void {
    const open: OpenRequest = { request, timer: undefined, attempts: [] };
    this.#open.set(request.id, open);
    const policy = this.#policyFor(request);
    if (policy !== 'ask') this.#scheduleDefault(0, open, `policy ${policy}`);
    else this.#scheduleDefault(Math.max(0, (request.expires_at ?? now) - now), open, 'deadline');
  }

  /** Whether the operator requires an answer by a person or agent. */
  isAsked(request: InputRequest): boolean {
    return request.type === 'question'
      ? this.#options.rules.policy === 'ask'
      : this.#policyFor(request) === 'ask';
  }

  /** Closes a request that the runner reports as closed; undefined if it was closed before. */
  closed(event: EventOf<'request_closed'>): EventOf<'request_closed'> | undefined {
    const open = this.#open.get(event.request_id);
    if (!open) return undefined;
    clearTimeout(open.timer);
    this.#open.delete(event.request_id);
    return { ...event, ...this.#ownAnswer(open, event) };
  }

  /** Closes all open requests, because the turn that asked was stopped. */
  closeAll(by: string): EventOf<'request_closed'>[] {
    return [...this.#open.values()].flatMap((open) => {
      open.attempts = [];
      return this.closed({ kind: 'request_closed', request_id: open.request.id, by, reply: 'none' }) ?? [];
    });
  }

  /** Answers an open request. Throws REQUEST_NOT_FOUND, REQUEST_CLOSED or INVALID_INPUT. */
  async answer(requestId: string, answer: AnswerInput, by: string): Promise<void> {
    const open = this.#open.get(requestId);
    if (!open) throw new BridgeError('REQUEST_NOT_FOUND', `The task has no open request "${requestId}".`);
    if (open.claim) throw alreadyAnswered(requestId, open.claim.by, open.claim.reply);
    const translated = toRunnerAnswer(open.request, answer, by);
    const reply = describeAnswer(translated);
    const attempt: Attempt = { by, reply, message: answer.message };
    open.claim = attempt;
    open.attempts.push(attempt);
    this.#answers.set(requestId, attempt);
    try {
      await this.#options.send(requestId, translated);
    } catch (thrown) {
      delete open.claim;
      if (isClosed(thrown)) await this.#refused(open, attempt);
      throw thrown;
    }
    this.#options.onClosed({ kind: 'request_closed', request_id: requestId, by, reply });
  }

  #scheduleDefault(delayMs: number, open: OpenRequest, by: string): void {
    const { request } = open;
    const answerByDefault = async (): Promise<void> => {
      try {
        if (!open.claim) await this.answer(request.id, this.#defaultAnswer(request), by);
      } catch (thrown) {
        if (isClosed(thrown)) return this.#closeUnknown(request.id);
        this.#options.onFailure(thrown);
      }
      if (this.#open.get(request.id) === open) this.#scheduleDefault(RETRY_MS, open, by);
    };
    open.timer = setTimeout(answerByDefault, delayMs);
  }

  /** The request was closed before this answer, perhaps by an earlier answer of the bridge. */
  async #refused(open: OpenRequest, attempt: Attempt): Promise<void> {
    open.attempts = open.attempts.filter((one) => one !== attempt);
    await this.#options.recheck?.().catch(() => undefined);
  }

  /** The answer of the bridge that closed the request; undefined if it was another. */
  #ownAnswer(
    { request, attempts }: OpenRequest,
    { by, reply }: EventOf<'request_closed'>,
  ): Attempt | undefined {
    const same = attempts.findLast((attempt) => attempt.reply === reply);
    if (same) return same;
    if (reply === 'unknown') return attempts.at(-1);
    if (reply === 'answered')
      return attempts.findLast((attempt) => request.type === 'question' || attempt.reply !== 'reject');
    const cause = this.#answers.get(by);
    return cause && { by: cause.by, reply };
  }

  #closeUnknown(request_id: string): void {
    this.#options.onClosed({ kind: 'request_closed', request_id, by: 'opencode', reply: 'unknown' });
  }

  #policyFor({ type, permission }: InputRequest): PermissionPolicy {
    const { policy, outside } = this.#options.rules;
    if (type === 'question') return 'ask';
    return permission === OUTSIDE ? outside : policy;
  }

  #defaultAnswer(request: InputRequest): AnswerInput {
    const { timeoutMs } = this.#options.rules;
    const policy = this.#policyFor(request);
    if (policy === 'allow') return { reply: 'once' };
    if (policy === 'reject') {
      const what = request.permission === OUTSIDE ? "work outside the task's directory" : 'such actions';
      return { reply: 'reject', message: `The operator allows no ${what} here. Continue without it.` };
    }
    const waited = `Nobody answered within ${Math.round(timeoutMs / 1000)} s.`;
    return { reply: 'reject', message: `${waited} Continue without it; use your own judgement.` };
  }
}

/** The error for a second answer; it names who answered first. */
export function alreadyAnswered(requestId: string, by: string, reply: string): BridgeError {
  return new BridgeError('REQUEST_CLOSED', `Request "${requestId}" was already answered by ${by}: ${reply}.`);
}

function isClosed(thrown: unknown): boolean {
  return thrown instanceof BridgeError && thrown.code === 'REQUEST_CLOSED';
}
