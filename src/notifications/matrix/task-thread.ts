import { createHash } from 'node:crypto';
import { edit, inThread, message } from '../../matrix/content.ts';
import type { TaskMark } from '../../matrix/events.ts';
import type { Outgoing, RateLimitedSender } from '../../matrix/rate-limited-sender.ts';
import type { Rich } from '../../matrix/rich.ts';
import { describeEvent } from '../../tasks/describe-event.ts';
import type { EventOf, TaskEvent } from '../../tasks/events.ts';
import { END_STATUSES, isEnd, type Task } from '../../tasks/task.ts';
import * as messages from './messages.ts';
import type { Notes } from './notes.ts';

const STEPS = 5;

export interface TaskThreadOptions {
  sender: RateLimitedSender;
  task: Task;
  notes: Notes;
  roomId: string;
  /** Whether the room is for other tasks too. */
  threaded: boolean;
  /** The users to notify of requests and of the end. */
  observers: readonly string[];
  signal: AbortSignal;
}

/** The messages of one task: a card that is updated, and a message below it for each request, warning and end. */
export class TaskThread {
  readonly #options: TaskThreadOptions;

  constructor(options: TaskThreadOptions) {
    this.#options = options;
  }

  /** Sends the card, the first message of the thread. */
  async begin(): Promise<void> {
    const { task, notes } = this.#options;
    const { html, content } = this.#card();
    const root = await this.#send(`${task.id}-card-${task.createdAt}`, content);
    notes.change({ root, shown: digestOf(html), shownStatus: task.status });
  }

  /** Posts events in order, each once, and saves its position. */
  async post(events: readonly TaskEvent[]): Promise<void> {
    const { notes } = this.#options;
    const steps = [...notes.now.steps];
    for (const event of events) {
      if (event.seq <= notes.now.toldSeq) continue;
      const step = await this.#postEvent(event);
      if (step !== undefined) steps.push(step);
      if (MESSAGES.has(event.kind)) notes.change({ toldSeq: event.seq, steps: steps.slice(-STEPS) });
    }
    const toldSeq = Math.max(notes.now.toldSeq, events.at(-1)?.seq ?? 0);
    notes.change({ toldSeq, steps: steps.slice(-STEPS) });
  }

  /**
   * Updates the card: at once where the status has changed, else when the rate limit allows it. Returns the time of
   * the next attempt where it had to be deferred.
   */
  async refresh(): Promise<number | undefined> {
    const { task, notes, sender, signal } = this.#options;
    const { html, content } = this.#card();
    const shown = digestOf(html);
    if (shown === notes.now.shown) return undefined;
    const txnId = `${task.id}-card-${notes.now.toldSeq}-${task.lastSeq}-${task.updatedAt}`;
    const outgoing = this.#outgoing(txnId, edit(content, notes.now.root ?? ''));
    if (task.status !== notes.now.shownStatus) await sender.send(outgoing, signal);
    else if (!sender.hasRoom) return sender.progressFrom;
    else await sender.sendProgress(outgoing, signal);
    notes.change({ shown, shownStatus: task.status });
    return undefined;
  }

  #card(): { html: string; content: object } {
    const { task, notes } = this.#options;
    const { steps, remarks } = notes.now;
    const words = messages.card(task, isEnd(task.status) ? [] : steps, remarks);
    const mark = { task_id: task.id, event_type: 'created', status: task.status };
    return { html: words.html, content: message({ msgtype: 'm.notice', words, mark }) };
  }

  /** Sends a message for an important event; returns the step of the card for another. */
  async #postEvent(event: TaskEvent): Promise<string | undefined> {
    switch (event.kind) {
      case 'request_opened':
        return this.#ask(event);
      case 'request_closed':
        return this.#closeRequest(event);
      case 'warning':
        await this.#sendFor(event, messages.warning(event), 'm.notice');
        return undefined;
      case 'completed':
      case 'failed':
      case 'timeout':
      case 'cancelled':
        await this.#sendFor(event, messages.outcome(this.#options.task), 'm.text');
        return undefined;
      default:
        return messages.stepOf(event);
    }
  }

  async #ask(event: TaskEvent & EventOf<'request_opened'>): Promise<undefined> {
    const { request, at } = event;
    // The policy answers it at once: nobody needs to.
    if (request.expires_at !== undefined && request.expires_at <= at) return;
    const eventId = await this.#sendFor(event, messages.request(request), 'm.text', request.id);
    const { notes } = this.#options;
    notes.change({ requests: { ...notes.now.requests, [request.id]: { eventId, title: request.title } } });
  }

  async #closeRequest(event: TaskEvent & EventOf<'request_closed'>): Promise<string | undefined> {
    const { notes, task } = this.#options;
    const { [event.request_id]: asked, ...requests } = notes.now.requests;
    if (!asked) return describeEvent(event);
    const mark = { task_id: task.id, event_type: event.kind, seq: event.seq };
    const words = messages.closedRequest(asked.title, event);
    await this.#send(txnOf(event), edit(message({ msgtype: 'm.text', words, mark }), asked.eventId));
    notes.change({ requests });
    return undefined;
  }

  async #sendFor(
    event: TaskEvent,
    words: Rich,
    msgtype: 'm.text' | 'm.notice',
    requestId?: string,
  ): Promise<string> {
    const { notes, threaded, observers } = this.#options;
    const mark: TaskMark = {
      task_id: event.taskId,
      event_type: event.kind,
      seq: event.seq,
      ...(requestId !== undefined && { request_id: requestId }),
    };
    const content = message({ msgtype, words, mark, mentions: msgtype === 'm.text' ? observers : [] });
    return this.#send(txnOf(event), inThread(content, threaded ? notes.now.root : undefined));
  }

  #send(txnId: string, content: object): Promise<string> {
    const { sender, signal } = this.#options;
    return sender.send(this.#outgoing(txnId, content), signal);
  }

  #outgoing(txnId: string, content: object): Outgoing {
    return { roomId: this.#options.roomId, type: 'm.room.message', txnId, content };
  }
}

/** Kinds with a message of their own: the position is saved after each. */
const MESSAGES: ReadonlySet<TaskEvent['kind']> = new Set<TaskEvent['kind']>([
  'request_opened',
  'request_closed',
  'warning',
  ...END_STATUSES,
]);

/** With the time: after a power loss that cut the log, another event can get the same number. */
function txnOf({ taskId, seq, at }: TaskEvent): string {
  return `${taskId}-${seq}-${at}`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}
