import { z } from 'zod';
import { departures, streamDepartures } from './contract.ts';
import { type ServerOptions, startServer } from './server.ts';

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into what it expects
  body: any;
}

/** A plain HTTP client of the task API; an answer that departs from the OpenAPI document is an error. */
export class RestClient {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', path, undefined, headers);
  }

  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, body, headers);
  }

  put(path: string, body?: unknown): Promise<Answer> {
    return this.send('PUT', path, body);
  }

  delete(path: string): Promise<Answer> {
    return this.send('DELETE', path);
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await this.fetch(method, path, body, headers);
    const text = await response.text();
    const { status, headers: received } = response;
    const json = /json/.test(received.get('content-type') ?? '');
    const answer = { status, headers: received, body: json && text !== '' ? JSON.parse(text) : text };
    conforms(departures({ method, path, ...answer }));
    return answer;
  }

  fetch(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return fetch(`${this.#url}${path}`, {
      method,
      headers: { ...type, ...this.#headers, ...headers },
      ...sent,
    });
  }

  /** Hands a task over; returns its id. */
  async start(input: object = {}): Promise<string> {
    const { status, body } = await this.post('/tasks/execute', { task_description: 'x', ...input });
    if (status !== 202) throw new Error(`${status}: ${JSON.stringify(body)}`);
    return z.string().parse(body.execution_id);
  }

  /** The events of a stream until it ends, or until `until` is true for one. */
  async stream(path: string, until?: (event: StreamEvent) => boolean, headers: Record<string, string> = {}) {
    const response = await this.fetch('GET', path, undefined, { accept: 'text/event-stream', ...headers });
    const events: StreamEvent[] = [];
    // To leave the loop cancels the body, which closes the connection.
    for await (const event of eventsOf(response)) {
      events.push(event);
      conforms(streamDepartures(path, event.data));
      if (until?.(event)) break;
    }
    return { status: response.status, headers: response.headers, events };
  }
}

function conforms(found: readonly string[]): void {
  if (found.length > 0) throw new Error(`The answer departs from openapi.json: ${found.join(' ')}`);
}

export interface StreamEvent {
  id: string | undefined;
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into what it expects
  data: any;
}

/** The server-sent events of a response. */
async function* eventsOf(response: Response): AsyncGenerator<StreamEvent> {
  if (response.status !== 200 || !response.body) return;
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => /^(\w*): ?(.*)$/s.exec(line)?.slice(1) ?? ['', '']),
      );
      if (fields.data !== undefined) {
        yield { id: fields.id, event: fields.event ?? 'message', data: JSON.parse(fields.data) };
      }
    }
  }
}

/** The bridge with a scripted runner, and a client of its task API; `await using` stops it. */
export async function startApi(options: ServerOptions = {}, headers: Record<string, string> = {}) {
  const server = await startServer(options);
  return {
    ...server,
    api: new RestClient(server.http.url, headers),
    runner: server.bridge.runner,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
