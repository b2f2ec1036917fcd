import { api, EVERY_AGENT, Problem, urlWith } from '../api/client.ts';
import { unreachable } from '../api/problem.ts';
import { session } from '../api/session.ts';
import { type Frame, parseFrame } from './frames.ts';

/** Why a WebSocket is over; docs/websocket.md has the codes. */
export interface Closed {
  code: number;
  /** Whether it was open before. */
  opened: boolean;
}

type Answer = Record<string, unknown>;

/** One WebSocket of a task: frames come in, commands go out. */
export class TaskSocket {
  readonly closed: Promise<Closed>;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (problem: Problem) => void }
  >();
  #lastId = 0;

  private constructor(url: URL, onOpen: () => void, onFrame: (frame: Frame) => void) {
    this.#socket = new WebSocket(url);
    let opened = false;
    this.#socket.addEventListener('open', () => {
      opened = true;
      onOpen();
    });
    this.#socket.addEventListener('message', ({ data }) => {
      const frame = parseFrame(data);
      if (frame?.type === 'ack' || frame?.type === 'error') this.#settle(frame);
      else if (frame) onFrame(frame);
    });
    this.closed = new Promise((resolve) => {
      this.#socket.addEventListener('close', ({ code }) => {
        for (const { reject } of this.#waiting.values()) reject(unreachable(new Error(`closed: ${code}`)));
        this.#waiting.clear();
        resolve({ code, opened });
      });
    });
  }

  /** Opens one for the events after `seq`. Where tokens are needed, a ticket stands for the sign-in. */
  static async open(
    taskId: string,
    seq: number,
    onOpen: () => void,
    onFrame: (frame: Frame) => void,
  ): Promise<TaskSocket> {
    const ticket =
      session.value?.authentication === 'token'
        ? (await api.post<{ ticket: string }>('/tickets', { task_id: taskId })).ticket
        : undefined;
    const url = urlWith(`/tasks/${taskId}/stream`, {
      view: 'events',
      after_seq: seq,
      ...(ticket ? { ticket } : { agent_id: EVERY_AGENT }),
    });
    url.protocol = url.protocol.replace('http', 'ws');
    return new TaskSocket(url, onOpen, onFrame);
  }

  /** Sends a command; resolves with its `ack`. Throws a Problem if the bridge refuses it or the connection is lost. */
  command(frame: { type: string; [field: string]: unknown }): Promise<Answer> {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(unreachable(undefined));
    const id = ++this.#lastId;
    this.#socket.send(JSON.stringify({ ...frame, id }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  close(): void {
    this.#socket.close();
  }

  #settle(frame: Extract<Frame, { type: 'ack' | 'error' }>): void {
    const waiting = frame.id === undefined ? undefined : this.#waiting.get(frame.id);
    if (frame.id !== undefined) this.#waiting.delete(frame.id);
    if (frame.type === 'ack') waiting?.resolve(frame);
    else waiting?.reject(new Problem(409, frame.code, frame.detail, frame.next));
  }
}
