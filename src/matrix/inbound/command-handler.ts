import type { Clock } from '../../clock.ts';
import { BridgeError, messageOf, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Reply } from '../../store/inbox-store.ts';
import { cut } from '../../text.ts';
import { message } from '../content.ts';
import { words } from '../rich.ts';
import type { Authority } from './authority.ts';
import { Backoff } from './backoff.ts';
import type { Command, Context } from './command.ts';
import { CommandExecutor, type CommandRequest, type Outcome } from './command-executor.ts';
import type { RoutedMessage } from './inbox.ts';
import type { InboxStore } from './inbox-entry.ts';
import type { IncomingMessage } from './incoming-message.ts';
import { describeError } from './replies.ts';
import type { TaskControls } from './task-controls.ts';

/** Older commands are not executed. */
const MAX_AGE_MS = 24 * 60 * 60 * 1_000;
const TOO_LATE = 'This command is more than a day old. It could not be read before, and was not executed.';
/** Attempts for a retryable error, before the reply reports it. */
const MAX_ATTEMPTS = 5;
const FORBIDDEN =
  'Only people with power level 50 and up in this room, and those in MATRIX_ALLOWED_SENDERS, may steer tasks.';
const MAX_REMEMBERED = 1_000;
/** Questions and errors can have any length. */
const NOTE_LIMIT = 8_000;

export interface CommandHandlerOptions {
  authority: Pick<Authority, 'allows'>;
  controls: TaskControls;
  store: Pick<InboxStore, 'begin'>;
  logger: Logger;
  clock: Clock;
}

/** Executes messages that are commands: checks the sender's rights, the age, and builds the reply. */
export class CommandHandler {
  readonly #options: CommandHandlerOptions;
  readonly #executor: CommandExecutor;
  /** Senders, with the room, that have had the reply FORBIDDEN. */
  readonly #refused = new Set<string>();

  constructor(options: CommandHandlerOptions) {
    this.#options = options;
    this.#executor = new CommandExecutor(options.controls);
  }

  /** The reply; undefined for a message that is no command. Rejects where it cannot decide yet. */
  async execute(routed: RoutedMessage, signal: AbortSignal): Promise<Reply | undefined> {
    const { message: incoming, roomId, event, route } = routed;
    const inputRequest = await this.#inputRequest(routed);
    const command = incoming.command({ task: route.taskId !== undefined, request: inputRequest });
    if (!command) return undefined;
    const { sender } = event;
    if (!(await this.#options.authority.allows(sender, roomId, signal)))
      return isConversation(incoming, command, inputRequest) ? undefined : this.#refuse(routed);
    const request = this.#commandRequest(routed, command);
    const isLate = this.#options.clock.now() - event.origin_server_ts > MAX_AGE_MS;
    if (isLate && !(await this.#executor.hasBegun(request))) return reply(routed, '❌', TOO_LATE);
    const { done, note, asks } = await this.#execute(request, signal);
    return reply(routed, done ? (incoming.key ?? '✅') : '❌', note, asks);
  }

  #commandRequest({ event, route, begun }: RoutedMessage, command: Command): CommandRequest {
    return {
      command,
      taskId: route.taskId,
      requestId: route.requestId,
      by: event.sender,
      ref: event.event_id,
      begun,
      begin: (now) => this.#options.store.begin(event.event_id, now),
    };
  }

  async #inputRequest({ route: { taskId, requestId } }: RoutedMessage) {
    if (taskId === undefined || requestId === undefined) return undefined;
    const task = await this.#options.controls.find(taskId);
    return task?.requests.find(({ id }) => id === requestId) ?? 'closed';
  }

  async #execute(request: CommandRequest, signal: AbortSignal): Promise<Outcome> {
    const backoff = new Backoff(this.#options.clock);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#executor.execute(request);
      } catch (thrown) {
        // A bridge that stops refuses commands; the next process executes them.
        if (signal.aborted) throw thrown;
        const error = toBridgeError(thrown);
        if (!(thrown instanceof BridgeError))
          this.#options.logger.error(
            { ref: request.ref, err: messageOf(thrown) },
            'a command from Matrix failed',
          );
        if (!error.retryable || attempt === MAX_ATTEMPTS) return { done: false, note: describeError(error) };
        await backoff.wait(error, signal);
      }
    }
  }

  /** Explains the refusal once to each sender in each room. */
  #refuse(routed: RoutedMessage): Reply {
    const key = JSON.stringify([routed.event.sender, routed.roomId]);
    const isKnown = this.#refused.has(key);
    if (this.#refused.size >= MAX_REMEMBERED) this.#refused.clear();
    this.#refused.add(key);
    return reply(routed, '⛔', isKnown ? undefined : FORBIDDEN);
  }
}

/** Whether a message of somebody without the right to steer is conversation, which gets no refusal. */
function isConversation(incoming: IncomingMessage, command: Command, request: Context['request']): boolean {
  return incoming.key === undefined ? incoming.plain && command.do !== 'permit' : request === 'closed';
}

/** Clients show reactions on messages only: the reply to a reaction goes to the message that has it. */
function reply(
  { message: incoming, event, route }: RoutedMessage,
  key: string,
  note?: string,
  asks?: string,
): Reply {
  const target = incoming.key !== undefined && incoming.to !== undefined ? incoming.to : event.event_id;
  const reaction = { event_id: target, key };
  if (note === undefined) return { reaction };
  const { taskId: task_id, thread } = route;
  const mark = task_id === undefined ? undefined : { task_id, event_type: 'answer', request_id: asks };
  const inReplyTo = { 'm.in_reply_to': { event_id: target } };
  return {
    reaction,
    notice: {
      ...message({ msgtype: 'm.notice', words: words(cut(note, NOTE_LIMIT)), mark }),
      'm.relates_to':
        thread === undefined
          ? inReplyTo
          : { rel_type: 'm.thread', event_id: thread, is_falling_back: false, ...inReplyTo },
    },
  };
}
