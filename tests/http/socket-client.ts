import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface SocketFrame {
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into what it expects
  [name: string]: any;
}

/** A client of the WebSocket of a task. */
export class SocketClient {
  readonly socket: WebSocket;
  readonly frames: SocketFrame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #wake = Promise.withResolvers<void>();
  #id = 0;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url.replace(/^http/, 'ws'), { headers });
    this.socket.on('message', (data) => {
      this.frames.push(JSON.parse(String(data)));
      this.#notify();
    });
    this.socket.on('error', () => undefined);
    // Not by `once`, which rejects on an error before it.
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.#notify();
        resolve({ code, reason: String(reason) });
      });
    });
  }

  /** The first frame for which `is` holds, of those that came and those to come. */
  async until(is: (frame: SocketFrame) => boolean): Promise<SocketFrame> {
    for (;;) {
      const found = this.frames.find(is);
      if (found) return found;
      if (this.socket.readyState === WebSocket.CLOSED)
        throw new Error(`closed before: ${JSON.stringify(this.frames)}`);
      await this.#wake.promise;
    }
  }

  /** Sends a command; resolves with its acknowledgement or error. */
  async command(type: string, args: object = {}): Promise<SocketFrame> {
    if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open');
    this.#id += 1;
    const id = this.#id;
    this.socket.send(JSON.stringify({ type, id, ...args }));
    return this.until((frame) => frame.id === id);
  }

  /** Everything of a type as one text. */
  text(type: string): string {
    return this.frames.flatMap((frame) => (frame.type === type ? [frame.data] : [])).join('');
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** The answer to an upgrade that is refused. */
export async function refusalOf(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers });
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, type: response.headers['content-type'], body: JSON.parse(text) };
}
