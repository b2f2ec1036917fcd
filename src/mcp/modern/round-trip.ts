import { createHash } from 'node:crypto';
import {
  createRequestStateCodec,
  type InputRequiredResult,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Logger } from '../../logger.ts';
import type { InputRequest } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import { applyAnswer } from '../elicitation/apply-answer.ts';
import { formOf } from '../elicitation/form.ts';
import { type FormOutcome, type Forms, openRequests } from '../elicitation/forms.ts';
import { textOf } from '../server.ts';
import type { ToolCall, ToolServices } from '../tool.ts';

const TTL_SECONDS = 600;

/** What a call that asks its client tells the next round of itself. The client can read it, and cannot change it. */
interface State {
  taskId: string;
  /** Whether the first round got the task of an earlier call. */
  repeated: boolean;
  /** The requests whose forms were sent, which are also the keys of the answers. */
  requests: string[];
  /** The name and arguments of the call. */
  call: string;
}

export type RoundTripCodec = RequestStateCodec<State>;

/** Signs states for the same agent's `tools/call` alone. */
export function roundTripCodec(key: Uint8Array): RoundTripCodec {
  return createRequestStateCodec<State>({ key, ttlSeconds: TTL_SECONDS, bind: principalOf });
}

/** The sources of the agent besides the arguments, which the state has in `call`. */
function principalOf({ mcpReq, http }: ServerContext): string {
  const token = textOf(http?.authInfo?.extra?.agentId) ?? '';
  return JSON.stringify([mcpReq.method, token, http?.req?.headers.get('x-agent-id') ?? '']);
}

interface NamedCall {
  name: string;
  args: Record<string, unknown>;
}

interface RoundTripOptions {
  services: ToolServices;
  logger: Logger;
  codec: RoundTripCodec;
}

/** One round of a call that may ask its client's user: the client repeats the call with the filled forms. */
export class RoundTrip implements Forms {
  readonly #context: ServerContext;
  readonly #options: RoundTripOptions;
  readonly #call: NamedCall;
  readonly #state: State | undefined;
  /** Requests that this round does not show again. */
  readonly #answered = new Set<string>();
  #asking: Task | undefined;

  /** Throws the error of a state that belongs to another call; the SDK has refused what is not signed or too old. */
  constructor(call: NamedCall, context: ServerContext, options: RoundTripOptions) {
    this.#context = context;
    this.#options = options;
    this.#call = call;
    this.#state = context.mcpReq.requestState<State>();
    if (this.#state && this.#state.call !== digestOf(call)) throw foreignState();
  }

  /** The task of the rounds before. */
  get begun(): ToolCall['begun'] {
    return this.#state && { taskId: this.#state.taskId, repeated: this.#state.repeated };
  }

  /** Gives the agent what the user answered in the round before. */
  async applyAnswers({ agentId, services }: ToolCall): Promise<void> {
    const { inputResponses = {} } = this.#context.mcpReq;
    for (const id of this.#state?.requests ?? []) {
      if (!this.#state || !Object.hasOwn(inputResponses, id)) continue;
      this.#answered.add(id);
      // The tool reports a task that is gone.
      const task = await services.execution.find(agentId(), this.#state.taskId).catch(() => undefined);
      const request = task?.requests.find((open) => open.id === id);
      // One that is closed: the first answer has won.
      if (task && request) await applyAnswer(task, request, inputResponses[id], this.#options);
    }
  }

  shows(_task: Task, { id }: InputRequest): boolean {
    return !this.#answered.has(id);
  }

  /** The forms go out with the answer to the call, which therefore waits no longer. */
  async ask(task: Task): Promise<FormOutcome> {
    this.#asking = task;
    return 'dismissed';
  }

  /** The answer in place of the tool's result, if the call asks. */
  async question(repeated: boolean): Promise<InputRequiredResult | undefined> {
    const task = this.#asking;
    if (!task) return undefined;
    const shown = openRequests(task).filter((request) => this.shows(task, request));
    const requests = shown.map(({ id }) => id);
    const state: State = { taskId: task.id, repeated, requests, call: digestOf(this.#call) };
    const forms = shown.map((request) => [request.id, formOf(request)] as const);
    const requestState = await this.#options.codec.mint(state, this.#context);
    return inputRequired({ inputRequests: Object.fromEntries(forms), requestState });
  }
}

/** The order of names is up to the client. */
function digestOf({ name, args }: NamedCall): string {
  const sorted = (_: string, value: unknown): unknown =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256')
    .update(JSON.stringify([name, args], sorted))
    .digest('base64url');
}

function foreignState(): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, 'Invalid or expired requestState', {
    reason: 'invalid_request_state',
  });
}
