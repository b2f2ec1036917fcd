import { randomUUID } from 'node:crypto';
import type { EventStore } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

/** Answers are kept whatever their number. Of the requests, forms for the client's user, one is open at a time. */
const MAX = { notification: 20, request: 2 };
/** Characters of the ids of a stream's requests in each of its event ids. */
const MAX_IDS = 400;
/** What an event costs besides its characters. */
const OVERHEAD = 500;
/** The number after every event. */
const END = 999_999_999;

/** Where a client stopped reading. */
export interface StreamPosition {
  key: string;
  after: number;
  /** Whose answers the stream carries; empty if their ids are too long, or if all was sent already. */
  requests: readonly RequestId[];
}

/** Gets the events of a stream in the place of a line that was cut. */
export interface StreamReader {
  send(event: { id: string; json: string }): unknown;
  end(): void;
}

interface StoredEvent {
  n: number;
  kind: 'answer' | 'request' | 'notification';
  message: JSONRPCMessage;
  size: number;
}

/** The events of one response, kept so that a client whose line was cut gets those that it missed. */
export class StreamEvents implements EventStore {
  readonly key = randomUUID();
  /** Called with each change of `size`. */
  onSize: (change: number) => void = () => undefined;
  readonly #requests: string;
  #events: StoredEvent[] = [];
  #count = 0;
  #answers = 0;
  #size = 0;
  #ended = false;
  #reader: StreamReader | undefined;

  constructor(requests: readonly RequestId[]) {
    this.#requests = encodeIds(requests);
  }

  /** Whether the client can have got an event, which it needs to ask for the others; the answers alone need none. */
  get isResumable(): boolean {
    return this.#count > (this.#ended ? this.#answers : 0);
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** About the bytes of what is kept. */
  get size(): number {
    return this.#size;
  }

  async storeEvent(_streamId: string, message: JSONRPCMessage | object): Promise<string> {
    this.#count += 1;
    const id = `${this.key}.${this.#count}.${this.#requests}`;
    // The first event has no message; it only gives the client an id.
    if (!('jsonrpc' in message)) return id;
    const json = JSON.stringify(message);
    const size = json.length + OVERHEAD;
    const kind = kindOf(message);
    this.#events.push({ n: this.#count, kind, message, size });
    this.#resize(size);
    if (kind === 'answer') this.#answers += 1;
    else this.#dropOldest(kind);
    this.#reader?.send({ id, json });
    return id;
  }

  /** The SDK does not ask: its transports serve one request, and to resume is another. */
  async replayEventsAfter(): Promise<string> {
    throw new Error('a stream is resumed by `read`');
  }

  hasAfter({ after }: StreamPosition): boolean {
    return this.#after(after).length > 0;
  }

  /** Gives the reader what came after that position, and what is still to come; it replaces another one. */
  read({ after }: StreamPosition, reader: StreamReader): void {
    this.#reader = reader;
    for (const { n, message } of this.#after(after)) {
      reader.send({ id: `${this.key}.${n}.${this.#requests}`, json: JSON.stringify(message) });
    }
    if (this.#ended) reader.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader?.end();
  }

  #after(position: number): StoredEvent[] {
    return this.#events.filter(({ n }) => n > position);
  }

  #dropOldest(kind: keyof typeof MAX): void {
    const events = this.#events.filter((event) => event.kind === kind);
    const [oldest] = events;
    if (!oldest || events.length <= MAX[kind]) return;
    this.#events = this.#events.filter((event) => event !== oldest);
    this.#resize(-oldest.size);
  }

  #resize(change: number): void {
    this.#size += change;
    this.onSize(change);
  }
}

/** The position that an event id names; undefined if this is no id of ours. */
export function positionOf(eventId: string): StreamPosition | undefined {
  const [, key, after, ids] = /^([\da-f-]{36})\.(\d{1,9})\.([\w-]*)$/.exec(eventId) ?? [];
  if (key === undefined || after === undefined || ids === undefined) return undefined;
  return { key, after: Number(after), requests: decodeIds(ids) };
}

/** An event after all others of a stream that is not kept any more; a client that sends it back gets nothing. */
export function lastEventIdOf({ key }: StreamPosition): string {
  return `${key}.${END}.`;
}

const requestIds = z.array(z.union([z.string(), z.int()]));

function encodeIds(ids: readonly RequestId[]): string {
  const text = Buffer.from(JSON.stringify(ids)).toString('base64url');
  return text.length > MAX_IDS ? '' : text;
}

/** A client may send back anything. */
function decodeIds(text: string): RequestId[] {
  if (text === '' || text.length > MAX_IDS) return [];
  try {
    return requestIds.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch {
    return [];
  }
}

function kindOf(message: JSONRPCMessage): StoredEvent['kind'] {
  if (!('method' in message)) return 'answer';
  return 'id' in message ? 'request' : 'notification';
}
