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

/** What was asked for so long ago is no longer done. */
const TOO_OLD_MS = 24 * 60 * 60 * 1_000;
const TOO_LATE = 'That was said more than a day ago, before it could be read: nothing was done.';
/** How often what may succeed later is tried before that is told instead. */
const TRIES = 5;
const FORBIDDEN =
  'Only people with power level 50 and up in this room, and those in MATRIX_ALLOWED_SENDERS, may steer tasks.';
const REMEMBERED = 1_000;
/** Questions and errors may be of any length. */
const NOTE_LIMIT = 8_000;

export interface CommandHandlerOptions {
  authority: Pick<Authority, 'allows'>;
  controls: TaskControls;
  store: Pick<InboxStore, 'begin'>;
  logger: Logger;
  clock: Clock;
}

/** Decides about what was said: who may, what is done, and what is told of it. */
export class CommandHandler {
  readonly #options: CommandHandlerOptions;
  readonly #deeds: CommandExecutor;
  /** Who was told, in which room, that they may not. */
  readonly #turnedAway = new Set<string>();

  constructor(options: CommandHandlerOptions) {
    this.#options = options;
    this.#deeds = new CommandExecutor(options.controls);
  }

  /** What to tell of it; undefined for talk. Rejects where it cannot be done or decided now. */
  async carryOut(saying: RoutedMessage, signal: AbortSignal): Promise<Reply | undefined> {
    const { said, roomId, event, route } = saying;
    const request = await this.#request(saying);
    const command = said.command({ task: route.taskId !== undefined, request });
    if (!command) return undefined;
    const { sender } = event;
    if (!(await this.#options.authority.allows(sender, roomId, signal)))
      return isTalk(said, command, request) ? undefined : this.#turnAway(saying);
    const wish = this.#wish(saying, command);
    const isLate = this.#options.clock.now() - event.origin_server_ts > TOO_OLD_MS;
    if (isLate && !(await this.#deeds.isBegun(wish))) return reply(saying, '❌', TOO_LATE);
    const { done, note, asks } = await this.#done(wish, signal);
    return reply(saying, done ? (said.key ?? '✅') : '❌', note, asks);
  }

  #wish({ event, route, begun }: RoutedMessage, command: Command): CommandRequest {
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

  async #request({ route: { taskId, requestId } }: RoutedMessage) {
    if (taskId === undefined || requestId === undefined) return undefined;
    const task = await this.#options.controls.find(taskId);
    return task?.requests.find(({ id }) => id === requestId) ?? 'closed';
  }

  async #done(wish: CommandRequest, signal: AbortSignal): Promise<Outcome> {
    const backoff = new Backoff(this.#options.clock);
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#deeds.do(wish);
      } catch (thrown) {
        // A bridge that stops refuses what the next process can do.
        if (signal.aborted) throw thrown;
        const error = toBridgeError(thrown);
        if (!(thrown instanceof BridgeError))
          this.#options.logger.error(
            { ref: wish.ref, err: messageOf(thrown) },
            'a command from Matrix failed',
          );
        if (!error.retryable || tries === TRIES) return { done: false, note: describeError(error) };
        await backoff.wait(error, signal);
      }
    }
  }

  #turnAway(saying: RoutedMessage): Reply {
    const who = JSON.stringify([saying.event.sender, saying.roomId]);
    const isTold = this.#turnedAway.has(who);
    if (this.#turnedAway.size >= REMEMBERED) this.#turnedAway.clear();
    this.#turnedAway.add(who);
    return reply(saying, '⛔', isTold ? undefined : FORBIDDEN);
  }
}

/** What those who may not steer may say without being told so. */
function isTalk(said: IncomingMessage, command: Command, request: Context['request']): boolean {
  return said.key === undefined ? said.plain && command.do !== 'permit' : request === 'closed';
}

/** A reaction is seen on messages only: one to a reaction goes to what that was put on. */
function reply({ said, event, route }: RoutedMessage, key: string, note?: string, asks?: string): Reply {
  const target = said.key !== undefined && said.to !== undefined ? said.to : event.event_id;
  const reaction = { event_id: target, key };
  if (note === undefined) return { reaction };
  const { taskId: task_id, thread } = route;
  const mark = task_id === undefined ? undefined : { task_id, event_type: 'answer', request_id: asks };
  const answered = { 'm.in_reply_to': { event_id: target } };
  return {
    reaction,
    notice: {
      ...message({ msgtype: 'm.notice', words: words(cut(note, NOTE_LIMIT)), mark }),
      'm.relates_to':
        thread === undefined
          ? answered
          : { rel_type: 'm.thread', event_id: thread, is_falling_back: false, ...answered },
    },
  };
}
