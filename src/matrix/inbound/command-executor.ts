import { BridgeError, quote } from '../../errors.ts';
import type { Begun } from '../../store/inbox-store.ts';
import type { InputRequest } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';
import { answersTo, howToAnswer } from './answers.ts';
import type { Command } from './command.ts';
import { describeTask, describeTasks, HELP } from './replies.ts';
import type { AnswerInput, TaskControls } from './task-controls.ts';

type Answer = Extract<Command, { do: 'permit' | 'answer' }>;

/** A command with all that belongs to it. */
export interface CommandRequest {
  command: Command;
  /** The task that it is about; absent outside of threads. */
  taskId?: string | undefined;
  /** The request that was replied or reacted to. */
  requestId?: string | undefined;
  /** Whose it is, and in which event they said it. */
  by: string;
  ref: string;
  /** An earlier process began with it. */
  begun?: Begun | undefined;
  /** Stores that it is begun, right before something is done that carries no `ref`. */
  begin(begun: Begun): void;
}

/** What came of a command, and what to tell whoever gave it. */
export interface Outcome {
  done: boolean;
  note?: string | undefined;
  /** The note asks for an answer to this request: a reply or reaction to it is one. */
  asks?: string | undefined;
}

/** Does what people ask for. Throws BridgeError where it is refused. */
export class CommandExecutor {
  readonly #controls: TaskControls;

  constructor(controls: TaskControls) {
    this.#controls = controls;
  }

  /** Whether an earlier process did it, or may have. */
  async isBegun({ taskId, ref, begun }: CommandRequest): Promise<boolean> {
    if (begun !== undefined) return true;
    const task = taskId === undefined ? undefined : await this.#controls.find(taskId);
    return task !== undefined && this.#controls.hasRef(task, ref);
  }

  async do(wish: CommandRequest): Promise<Outcome> {
    const { command, taskId } = wish;
    if (command.do === 'help') return help(command.unknown);
    if (command.do === 'status' && taskId === undefined)
      return { done: true, note: describeTasks(await this.#controls.unfinished()) };
    return this.#doTo(await this.#task(taskId), wish, command);
  }

  async #doTo(task: Task, wish: CommandRequest, command: Exclude<Command, { do: 'help' }>): Promise<Outcome> {
    const { by, ref } = wish;
    switch (command.do) {
      case 'status':
        return { done: true, note: await describeTask(task, this.#controls) };
      case 'cancel':
      case 'pause':
      case 'resume':
        await this.#controls[command.do](task, by, command.reason, ref);
        return { done: true };
      case 'say':
        return this.#say(task, command.text, ref);
      case 'unclear':
        return unclear(task, wish.requestId);
      case 'permit':
      case 'answer':
        return this.#answer(task, wish, command);
    }
  }

  async #say(task: Task, text: string, ref: string): Promise<Outcome> {
    const nothing = 'There is nothing to say to the agent.';
    if (text === '') throw new BridgeError('INVALID_INPUT', nothing, { next: 'Write `!say` and a text.' });
    const { status } = await this.#controls.message(task, text, ref);
    return { done: true, note: WHEN_READ[status] };
  }

  /** The first answer wins. One that an earlier process gave, and could not tell of, is given. */
  async #answer(task: Task, wish: CommandRequest, command: Answer): Promise<Outcome> {
    const requestId = wish.begun?.requestId ?? wish.requestId ?? theOneOpen(task, command).id;
    const closed = await this.#controls.closedRequest(task.id, requestId);
    if (closed && wish.begun && closed.by === wish.by) return { done: true };
    if (closed) return { done: false, note: `It was already answered by ${closed.by}: ${closed.reply}.` };
    const request = task.requests.find(({ id }) => id === requestId);
    if (!request)
      throw new BridgeError('REQUEST_NOT_FOUND', `The task asks nothing by the id ${quote(requestId)} now.`);
    const answer = answerFor(request, command);
    wish.begin({ begun: true, requestId });
    await this.#controls.answer(task, requestId, answer, wish.by);
    return { done: true };
  }

  async #task(taskId: string | undefined): Promise<Task> {
    const task = taskId === undefined ? undefined : await this.#controls.find(taskId);
    if (task) return task;
    if (taskId !== undefined)
      throw new BridgeError('TASK_NOT_FOUND', `There is no task ${quote(taskId)} any more.`, {
        next: 'One that ended long ago is removed (TASK_RETENTION_DAYS).',
      });
    throw new BridgeError('INVALID_INPUT', 'It is not clear which task is meant.', {
      next: 'Say it in the thread of the task; `!status` lists those that run.',
    });
  }
}

const WHEN_READ: Partial<Record<Task['status'], string>> = {
  input_required: 'The agent reads it once what it asks is answered.',
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
  const note = `That is no answer to it, and was not told to the agent.\n${how}`;
  return { done: false, note, asks: request?.id };
}

/** The open request that an answer fits where nobody said which. */
function theOneOpen({ requests }: Task, command: Answer): InputRequest {
  const [what, type] = command.do === 'answer' ? ['question', 'question'] : kindOf(command.reply);
  const open = requests.filter((request) => type === undefined || request.type === type);
  const [first] = open;
  if (first && open.length === 1) return first;
  if (first) {
    const next = 'Reply to the one that you mean, or react to it.';
    throw new BridgeError('INVALID_INPUT', `The task waits for ${open.length} answers.`, { next });
  }
  throw new BridgeError('INVALID_STATE', `The task has no open ${what}.`, {
    next: '`!status` shows what it asks.',
  });
}

/** Anything can be denied. */
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
