import { BridgeError, quote } from '../../errors.ts';
import type { Begun } from '../../store/inbox-store.ts';
import type { InputRequest } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import { answersTo, howToAnswer } from './answers.ts';
import type { Command } from './command.ts';
import { describeTask, describeTasks, HELP } from './replies.ts';
import type { AnswerInput, TaskControls } from './task-controls.ts';

type Answer = Extract<Command, { do: 'permit' | 'answer' }>;

/** A command with its context. */
export interface CommandRequest {
  command: Command;
  /** The task; absent outside of threads. */
  taskId?: string | undefined;
  /** The request that the message replies or reacts to. */
  requestId?: string | undefined;
  /** The sender, and the id of the event. */
  by: string;
  ref: string;
  /** Set where an earlier process has begun to execute it. */
  begun?: Begun | undefined;
  /** Stores that execution has begun, right before an action that carries no `ref`. */
  begin(begun: Begun): void;
}

/** The result of a command, with a note to its sender. */
export interface Outcome {
  done: boolean;
  note?: string | undefined;
  /** The request that the note asks for: a reply or reaction to the note answers it. */
  asks?: string | undefined;
}

/** Executes commands. Throws BridgeError where a command is refused. */
export class CommandExecutor {
  readonly #controls: TaskControls;

  constructor(controls: TaskControls) {
    this.#controls = controls;
  }

  /** Whether an earlier process has executed it, or may have. */
  async hasBegun({ taskId, ref, begun }: CommandRequest): Promise<boolean> {
    if (begun !== undefined) return true;
    const task = taskId === undefined ? undefined : await this.#controls.find(taskId);
    return task !== undefined && this.#controls.hasRef(task, ref);
  }

  async execute(request: CommandRequest): Promise<Outcome> {
    const { command, taskId } = request;
    if (command.do === 'help') return help(command.unknown);
    if (command.do === 'status' && taskId === undefined)
      return { done: true, note: describeTasks(await this.#controls.unfinished()) };
    return this.#executeOn(await this.#task(taskId), request, command);
  }

  async #executeOn(
    task: Task,
    request: CommandRequest,
    command: Exclude<Command, { do: 'help' }>,
  ): Promise<Outcome> {
    const { by, ref } = request;
    switch (command.do) {
      case 'status':
        return { done: true, note: await describeTask(task, this.#controls) };
      case 'cancel':
      case 'pause':
      case 'resume':
        await this.#controls[command.do](task, by, command.reason, ref);
        return { done: true };
      case 'say':
        return this.#sendMessage(task, command.text, ref);
      case 'unclear':
        return unclear(task, request.requestId);
      case 'permit':
      case 'answer':
        return this.#answer(task, request, command);
    }
  }

  async #sendMessage(task: Task, text: string, ref: string): Promise<Outcome> {
    const empty = 'The message to the agent is empty.';
    if (text === '') throw new BridgeError('INVALID_INPUT', empty, { next: 'Write `!say` and a text.' });
    const { status } = await this.#controls.message(task, text, ref);
    return { done: true, note: WHEN_READ[status] };
  }

  /** The first answer wins. An answer that an earlier process gave without a reply counts as done. */
  async #answer(task: Task, commandRequest: CommandRequest, command: Answer): Promise<Outcome> {
    const { begun, by } = commandRequest;
    const requestId = begun?.requestId ?? commandRequest.requestId ?? onlyOpenRequest(task, command).id;
    const closed = await this.#controls.closedRequest(task.id, requestId);
    if (closed && begun && closed.by === by) return { done: true };
    if (closed) return { done: false, note: `It was already answered by ${closed.by}: ${closed.reply}.` };
    const request = task.requests.find(({ id }) => id === requestId);
    if (!request)
      throw new BridgeError('REQUEST_NOT_FOUND', `The task has no open request ${quote(requestId)}.`);
    const answer = answerFor(request, command);
    commandRequest.begin({ begun: true, requestId });
    await this.#controls.answer(task, requestId, answer, by);
    return { done: true };
  }

  async #task(taskId: string | undefined): Promise<Task> {
    const task = taskId === undefined ? undefined : await this.#controls.find(taskId);
    if (task) return task;
    if (taskId !== undefined)
      throw new BridgeError('TASK_NOT_FOUND', `Task ${quote(taskId)} no longer exists.`, {
        next: 'Tasks that ended long ago are removed (TASK_RETENTION_DAYS).',
      });
    throw new BridgeError('INVALID_INPUT', 'It is not clear which task you mean.', {
      next: 'Send it in the thread of the task; `!status` lists the tasks that run.',
    });
  }
}

const WHEN_READ: Partial<Record<Task['status'], string>> = {
  input_required: 'The agent reads it after its request is answered.',
  paused: 'The task is paused: the agent reads it after `!resume`.',
};

function help(unknown: string | undefined): Outcome {
  return unknown === undefined
    ? { done: true, note: HELP }
    : { done: false, note: `There is no command ${quote(unknown)}.\n${HELP}` };
}

function unclear(task: Task, requestId: string | undefined): Outcome {
  const request = task.requests.find(({ id }) => id === requestId);
  const how = request ? howToAnswer(request) : HELP;
  const note = `That does not answer the request, and the agent did not get it.\n${how}`;
  return { done: false, note, asks: request?.id };
}

/** The open request that fits an answer without a request id. Throws where none or several fit. */
function onlyOpenRequest({ requests }: Task, command: Answer): InputRequest {
  const [what, type] = command.do === 'answer' ? ['question', 'question'] : kindOf(command.reply);
  const open = requests.filter((request) => type === undefined || request.type === type);
  const [first] = open;
  if (first && open.length === 1) return first;
  if (first) {
    const next = 'Reply or react to the one that you mean.';
    throw new BridgeError('INVALID_INPUT', `The task waits for ${open.length} answers.`, { next });
  }
  throw new BridgeError('INVALID_STATE', `The task has no open ${what}.`, {
    next: '`!status` shows open requests.',
  });
}

/** A reject fits every request; other replies fit permissions only. */
function kindOf(reply: 'once' | 'always' | 'reject'): [string, InputRequest['type'] | undefined] {
  return reply === 'reject' ? ['request', undefined] : ['permission', 'permission'];
}

function answerFor(request: InputRequest, command: Answer): AnswerInput {
  if (command.do === 'answer' && request.type === 'question')
    return { answers: answersTo(request, command.text) };
  if (command.do === 'permit' && (request.type === 'permission' || command.reply === 'reject'))
    return { reply: command.reply, message: command.why };
  throw new BridgeError('INVALID_INPUT', `That does not answer a ${request.type}.`, {
    next: howToAnswer(request),
  });
}
