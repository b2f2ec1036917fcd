import { BridgeError } from '../errors.ts';
import type { RunnerAnswer } from '../runners/runner.ts';
import type { EventOf, InputRequest } from '../tasks/events.ts';

export type PermissionPolicy = 'ask' | 'allow' | 'reject';

/** OpenCode's permission to work outside the directory of a session. */
const OUTSIDE = 'external_directory';
/** How long after a failure an answer by policy or deadline is tried again. */
const RETRY_MS = 1_000;

export interface RequestRules {
  policy: PermissionPolicy;
  /** The policy for what lies outside the task's directory. */
  outside: PermissionPolicy;
  /** How long a request waits for an answer. */
  timeoutMs: number;
}

/** An answer as a caller gives it. */
export interface AnswerInput {
  reply?: 'once' | 'always' | 'reject' | undefined;
  answers?: string[][] | undefined;
  message?: string | undefined;
}

/** An answer of ours, and who gave it. */
interface Attempt {
  by: string;
  reply: string;
  message?: string | undefined;
}

interface Open {
  request: InputRequest;
  timer: NodeJS.Timeout | undefined;
  /** On its way. */
  claim?: Attempt;
  /** Those that may have arrived, also where nothing came back. */
  attempts: Attempt[];
}

/** What becomes of the requests. */
export interface InputRequestsOptions {
  rules: RequestRules;
  /** Hands an answer to whoever asked; throws REQUEST_CLOSED where that is answered already. */
  send: (requestId: string, answer: RunnerAnswer) => Promise<void>;
  onClosed: (event: EventOf<'request_closed'>) => void;
  /** Has it told what became of a request that was found closed. */
  recheck?: (() => Promise<void>) | undefined;
  /** Hears of an answer by policy or deadline that could not be sent; it is tried again. */
  onFailure: (thrown: unknown) => void;
}

/** The open permissions and questions of one task: the first answer wins, silence is answered at a deadline. */
export class InputRequests {
  readonly #options: InputRequestsOptions;
  readonly #open = new Map<string, Open>();
  /** The last answer of ours to each request. */
  readonly #answers = new Map<string, Attempt>();

  constructor(options: InputRequestsOptions) {
    this.#options = options;
  }

  /** Takes in a request as the runner tells it; returns it with its deadline. */
  opened(request: InputRequest, now: number): EventOf<'request_opened'> {
    const delay = this.#policyFor(request) === 'ask' ? this.#options.rules.timeoutMs : 0;
    const timed = { ...request, expires_at: now + delay };
    this.restore(timed, now);
    return { kind: 'request_opened', request: timed };
  }

  /** Takes a request up that was opened before; its deadline stays, and the policy is that of now. */
  restore(request: InputRequest, now: number): void {
    const open: Open = { request, timer: undefined, attempts: [] };
    this.#open.set(request.id, open);
    const policy = this.#policyFor(request);
    if (policy !== 'ask') this.#decideIn(0, open, `policy ${policy}`);
    else this.#decideIn(Math.max(0, (request.expires_at ?? now) - now), open, 'deadline');
  }

  /** Whether the operator wants to have it asked, whatever it is. */
  isAsked(request: InputRequest): boolean {
    return request.type === 'question'
      ? this.#options.rules.policy === 'ask'
      : this.#policyFor(request) === 'ask';
  }

  /** Takes in that a request is closed, with whoever closed it; undefined where it was closed already. */
  closed(event: EventOf<'request_closed'>): EventOf<'request_closed'> | undefined {
    const open = this.#open.get(event.request_id);
    if (!open) return undefined;
    clearTimeout(open.timer);
    this.#open.delete(event.request_id);
    return { ...event, ...this.#ours(open, event) };
  }

  /** Closes all that are open, because what asked has been stopped. */
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
    const translated = translate(open.request, answer, by);
    const reply = describe(translated);
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

  #decideIn(delayMs: number, open: Open, by: string): void {
    const { request } = open;
    const decide = async (): Promise<void> => {
      try {
        if (!open.claim) await this.answer(request.id, this.#byItself(request), by);
      } catch (thrown) {
        if (isClosed(thrown)) return this.#onForgotten(request.id);
        this.#options.onFailure(thrown);
      }
      if (this.#open.get(request.id) === open) this.#decideIn(RETRY_MS, open, by);
    };
    open.timer = setTimeout(decide, delayMs);
  }

  /** Something else had closed it before this answer, perhaps an earlier one of ours. */
  async #refused(open: Open, attempt: Attempt): Promise<void> {
    open.attempts = open.attempts.filter((one) => one !== attempt);
    await this.#options.recheck?.().catch(() => undefined);
  }

  /** The answer of ours that closed it; undefined where it was none. */
  #ours({ request, attempts }: Open, { by, reply }: EventOf<'request_closed'>): Attempt | undefined {
    const same = attempts.findLast((attempt) => attempt.reply === reply);
    if (same) return same;
    if (reply === 'unknown') return attempts.at(-1);
    if (reply === 'answered')
      return attempts.findLast((attempt) => request.type === 'question' || attempt.reply !== 'reject');
    const cause = this.#answers.get(by);
    return cause && { by: cause.by, reply };
  }

  #onForgotten(request_id: string): void {
    this.#options.onClosed({ kind: 'request_closed', request_id, by: 'opencode', reply: 'unknown' });
  }

  #policyFor({ type, permission }: InputRequest): PermissionPolicy {
    const { policy, outside } = this.#options.rules;
    if (type === 'question') return 'ask';
    return permission === OUTSIDE ? outside : policy;
  }

  #byItself(request: InputRequest): AnswerInput {
    const { timeoutMs } = this.#options.rules;
    const policy = this.#policyFor(request);
    if (policy === 'allow') return { reply: 'once' };
    if (policy === 'reject') {
      const what = request.permission === OUTSIDE ? "work outside the task's directory" : 'such actions';
      return { reply: 'reject', message: `The operator allows no ${what} here. Go on without it.` };
    }
    const waited = `Nobody answered within ${Math.round(timeoutMs / 1000)} s.`;
    return { reply: 'reject', message: `${waited} Go on without it, by your own judgement.` };
  }
}

/** The error that tells the second caller who was first. */
export function alreadyAnswered(requestId: string, by: string, reply: string): BridgeError {
  return new BridgeError('REQUEST_CLOSED', `Request "${requestId}" was already answered by ${by}: ${reply}.`);
}

function translate(
  request: InputRequest,
  { reply, answers, message }: AnswerInput,
  by: string,
): RunnerAnswer {
  if (request.type === 'permission') {
    if (answers) throw unfit(request, 'answers', 'takes `reply` (once, always or reject)');
    if (!reply) throw unfit(request, 'reply', 'needs `reply` (once, always or reject)');
    if (reply !== 'reject') return { type: 'permission', reply };
    return { type: 'permission', reply, message: message ?? `Rejected by ${by}. Go on without it.` };
  }
  const questions = request.questions ?? [];
  if (answers && answers.length !== questions.length) {
    throw unfit(request, 'answers', `needs one list of labels for each of its ${questions.length} questions`);
  }
  if (answers) return { type: 'question', answers };
  if (reply !== 'reject') throw unfit(request, 'answers', 'is a question: give `answers`, or `reply` reject');
  // A bare rejection would stop the agent's turn; words in place of an answer let it go on.
  const words = message ?? `Rejected by ${by}. Decide by your own judgement.`;
  return { type: 'question', answers: questions.map(() => [words]) };
}

function unfit(request: InputRequest, name: string, why: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `\`${name}\`: request "${request.id}" ${why}.`);
}

function isClosed(thrown: unknown): boolean {
  return thrown instanceof BridgeError && thrown.code === 'REQUEST_CLOSED';
}

function describe(answer: RunnerAnswer): string {
  return 'answers' in answer ? answer.answers.map((labels) => labels.join(', ')).join('; ') : answer.reply;
}
