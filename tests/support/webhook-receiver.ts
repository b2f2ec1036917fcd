import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';

/** The fate of a request: no answer, before or after the message is accepted, or another answer. */
type ReceiverFault =
  | 'refuse'
  | 'lose answer'
  | 'hang'
  | 'slow body'
  | 'huge body'
  | 'half an answer'
  | { status: number; headers?: Record<string, string> };

const messageSchema = z.object({
  type: z.string(),
  timestamp: z.iso.datetime(),
  data: z.object({
    task_id: z.string(),
    agent_id: z.string(),
    seq: z.number(),
    event: z.looseObject({ seq: z.number(), at: z.iso.datetime(), kind: z.string() }),
    task: z.looseObject({ status: z.string(), last_seq: z.number() }),
  }),
});
type WebhookMessage = z.infer<typeof messageSchema> & { id: string };

export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

/** A receiver of webhooks on loopback. It accepts only messages whose signature another implementation verifies. */
class WebhookReceiver {
  /** Every verified message, repeats included, in order. */
  readonly arrived: WebhookMessage[] = [];
  /** What was wrong with messages that were not verified. */
  readonly wrong: string[] = [];
  /** `METHOD /path` of every request. */
  readonly requests: string[] = [];
  headers: IncomingMessage['headers'] = {};
  /** Connections that are open now. */
  connections = 0;
  secret = SECRET;
  fault: (message: WebhookMessage) => ReceiverFault | undefined = () => undefined;
  #server: Server | undefined;
  #port = 0;

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get url(): string {
    return `http://${this.host}/hook?key=s3cret-path`;
  }

  /** Listens; after a stop, on the same port. */
  async start(): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('connection', (socket) => {
      this.connections += 1;
      socket.once('close', () => {
        this.connections -= 1;
      });
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = z.object({ port: z.number() }).parse(this.#server.address()).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** The messages of a task, each once, in the order in which they arrived first. */
  messagesOf(taskId: string): WebhookMessage[] {
    const byId = new Map<string, WebhookMessage>();
    for (const message of this.arrived)
      if (message.data.task_id === taskId && !byId.has(message.id)) byId.set(message.id, message);
    return [...byId.values()];
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`);
    this.headers = request.headers;
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    const message = this.#verify(request, body);
    if (!message) return void response.writeHead(400).end();
    const fault = this.fault(message);
    if (fault === 'hang') return;
    if (fault === 'refuse') return void request.socket.destroy();
    if (typeof fault === 'object') return void response.writeHead(fault.status, fault.headers).end();
    this.arrived.push(message);
    if (fault === 'lose answer') return void request.socket.destroy();
    answer(response, fault);
  }

  #verify({ headers }: IncomingMessage, body: string): WebhookMessage | undefined {
    try {
      const signed = z.record(z.string(), z.string()).parse(headers);
      const message = messageSchema.parse(new Webhook(this.secret).verify(body, signed));
      return { ...message, id: signed['webhook-id'] ?? '' };
    } catch (thrown) {
      this.wrong.push(String(thrown));
      return undefined;
    }
  }
}

function answer(
  response: ServerResponse,
  fault: 'slow body' | 'huge body' | 'half an answer' | undefined,
): void {
  if (fault === undefined) return void response.end('{"ok":true}');
  if (fault === 'half an answer') {
    response.socket?.end('HTTP/1.1 200 OK\r\nContent-Len');
    return;
  }
  const write = () => response.write('x'.repeat(fault === 'huge body' ? 65_536 : 1));
  write();
  if (fault === 'slow body') return;
  response.on('drain', write);
}

/** A receiver that listens; `await using` stops it. */
export async function startReceiver() {
  const receiver = new WebhookReceiver();
  await receiver.start();
  return Object.assign(receiver, { [Symbol.asyncDispose]: () => receiver.stop() });
}
