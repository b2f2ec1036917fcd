import type { RawData, WebSocket } from 'ws';
import { viewError } from '../../api/error-view.ts';
import type { ApiServices } from '../../api/services.ts';
import { BridgeError, messageOf, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { SerialQueue } from '../../serial-queue.ts';
import { isLive } from '../../tasks/live-frame.ts';
import { logFields } from '../../tasks/log-fields.ts';
import type { Task } from '../../tasks/task.ts';
import { wellFormed } from '../../text.ts';
import { ROUTE_NAMES } from '../route-names.ts';
import type { WritePacer } from '../write-pacer.ts';
import { CLOSE_CODES, type CloseReason } from './close-codes.ts';
import { parseFrame, runFrame } from './commands.ts';
import type { View } from './events-view.ts';

export interface SocketLimits {
  /** Time between two pings; a client that has not answered by then is gone. */
  pingMs: number;
  /** How long a client may take nothing. */
  stallMs: number;
}

export const SOCKET_LIMITS: SocketLimits = { pingMs: 20_000, stallMs: 15_000 };
/** Bytes that wait for a client, above which it gets nothing more until they have left. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Commands of a client that wait, above which nothing more is read from it. */
const MAX_COMMANDS = 32;

export interface TaskSocketOptions {
  socket: WebSocket;
  pacer: WritePacer;
  services: ApiServices;
  task: Task;
  view: View;
  afterSeq: number;
  /** Aborts when the bridge stops, or the session of the browser ends. */
  ending: AbortSignal;
  /** Charges a frame of the client; throws RATE_LIMITED. */
  charge(): void;
  limits: SocketLimits;
  logger: Logger;
}

/**
 * A WebSocket that follows a task and takes commands for it.
 *
 *     open → closing    the task has ended, the bridge stops, the task is gone, the client is slow
 *     open → closed     the client goes
 *
 * Frames are pulled from the log, so a slow client costs a bounded buffer and no more: live text is dropped, and events
 * wait in the log. Commands run one at a time, in the order in which they came.
 */
export class TaskSocket {
  readonly #options: TaskSocketOptions;
  readonly #closed = new AbortController();
  readonly #commands = new SerialQueue();
  #waiting = 0;
  #reached: number;
  #isAlive = true;
  /** Called when bytes have left, and when the connection closes. */
  #wakes: (() => void)[] = [];

  constructor(options: TaskSocketOptions) {
    this.#options = options;
    this.#reached = options.afterSeq;
  }

  /** Resolves when the connection is closed or about to be. */
  async run(): Promise<void> {
    const { socket, limits, ending } = this.#options;
    const ping = setInterval(() => this.#ping(), limits.pingMs);
    this.#closed.signal.addEventListener('abort', this.#onSent);
    socket.on('close', () => this.#closed.abort());
    socket.on('error', () => this.#closed.abort());
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    ending.addEventListener('abort', this.#onEnding);
    if (ending.aborted) this.#onEnding();
    try {
      await this.#follow();
    } catch (thrown) {
      if (this.#closed.signal.aborted) return;
      this.#options.logger.error({ err: messageOf(thrown) }, 'a WebSocket failed');
      this.#close('failed');
    } finally {
      clearInterval(ping);
      ending.removeEventListener('abort', this.#onEnding);
    }
  }

  async #follow(): Promise<void> {
    const { services, task, view, afterSeq } = this.#options;
    const { signal } = this.#closed;
    for await (const item of services.execution.followLive(task, afterSeq, signal)) {
      for (const frame of view(item)) {
        if (!this.#send(frame)) await this.#drained();
      }
      if (!isLive(item)) this.#reached = item.seq;
    }
    // The command that ended the task is acknowledged first.
    await this.#commands.idle();
    if (signal.aborted) return;
    this.#close((await services.execution.get(task.id)) ? 'ended' : 'gone');
  }

  /** Whether the client takes more now. */
  #send(frame: string): boolean {
    const { socket, pacer } = this.#options;
    if (this.#closed.signal.aborted) return true;
    pacer.beforeWrite();
    socket.send(frame, this.#onSent);
    return socket.bufferedAmount < HIGH_WATER_BYTES;
  }

  /** Resolves when the client takes more, or is gone. */
  async #drained(): Promise<void> {
    const { socket, limits } = this.#options;
    const stalled = setTimeout(() => this.#close('slow'), limits.stallMs);
    while (socket.bufferedAmount >= HIGH_WATER_BYTES && !this.#closed.signal.aborted) {
      await new Promise<void>((resolve) => this.#wakes.push(resolve));
    }
    clearTimeout(stalled);
  }

  readonly #onSent = (): void => {
    for (const wake of this.#wakes.splice(0)) wake();
  };

  #onMessage(data: RawData, isBinary: boolean): void {
    const { socket } = this.#options;
    if (this.#closed.signal.aborted) return;
    this.#isAlive = true;
    this.#waiting += 1;
    if (this.#waiting >= MAX_COMMANDS) socket.pause();
    void this.#commands.run(async () => {
      const answer = await this.#answer(data, isBinary);
      if (!this.#send(JSON.stringify(wellFormed(answer)))) await this.#drained();
      this.#waiting -= 1;
      if (socket.isPaused) socket.resume();
    });
  }

  /** The acknowledgement of a frame, or why it is refused. */
  async #answer(data: RawData, isBinary: boolean): Promise<object> {
    const { services, task, charge } = this.#options;
    let id: string | number | undefined;
    try {
      charge();
      if (isBinary) throw new BridgeError('INVALID_INPUT', 'A binary frame cannot be read; send text.');
      const frame = parseFrame(String(data));
      id = frame.id;
      const now = await services.execution.find(task.agentId, task.id);
      return { type: 'ack', id, ...(await runFrame(frame, services, now)) };
    } catch (thrown) {
      const error = toBridgeError(thrown);
      if (error.code === 'INTERNAL') {
        this.#options.logger.error(
          { ...logFields(task), err: messageOf(thrown) },
          'a WebSocket command failed',
        );
      }
      const { message: detail, ...view } = viewError(error, ROUTE_NAMES);
      return { type: 'error', id, detail, ...view };
    }
  }

  /** A client that has not answered the last ping is gone. */
  #ping(): void {
    const { socket } = this.#options;
    if (this.#isAlive) socket.ping();
    else socket.terminate();
    this.#isAlive = false;
  }

  readonly #onEnding = (): void => this.#close('stopping');

  #close(reason: CloseReason): void {
    const { socket, limits } = this.#options;
    if (this.#closed.signal.aborted) return;
    const resume = reason === 'ended' || reason === 'gone' ? '' : `: resume with after_seq=${this.#reached}`;
    socket.close(CLOSE_CODES[reason].code, `${reason}${resume}`);
    this.#closed.abort();
    // A client that does not read does not answer the close frame either.
    const timer = setTimeout(() => socket.terminate(), limits.stallMs).unref();
    socket.once('close', () => clearTimeout(timer));
  }
}
