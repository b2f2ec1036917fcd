import type { RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Connection } from './connection.ts';

/** A request that has no answer yet. */
export interface Call {
  /** As the server knows it, of all requests of the session. */
  readonly own: number;
  /** As the client knows it, of those that are open on its connection. */
  readonly id: RequestId;
  readonly connection: Connection;
}

/** The open calls of a session, found by either id and by connection in the same time, however many there are. */
export class OpenCalls {
  readonly #byOwn = new Map<number, Call>();
  readonly #byId = new Map<RequestId, Set<Call>>();
  readonly #byConnection = new Map<Connection, Set<Call>>();
  #count = 0;

  get size(): number {
    return this.#byOwn.size;
  }

  add(id: RequestId, connection: Connection): Call {
    this.#count += 1;
    const call = { own: this.#count, id, connection };
    this.#byOwn.set(call.own, call);
    put(this.#byId, id, call);
    put(this.#byConnection, connection, call);
    return call;
  }

  get(own: RequestId): Call | undefined {
    return typeof own === 'number' ? this.#byOwn.get(own) : undefined;
  }

  /** The one that the client means by an id; undefined where there are several. */
  meantBy(id: RequestId): Call | undefined {
    const [call, another] = this.#byId.get(id) ?? [];
    return another ? undefined : call;
  }

  of(connection: Connection): Call[] {
    return [...(this.#byConnection.get(connection) ?? [])];
  }

  has(connection: Connection): boolean {
    return this.#byConnection.has(connection);
  }

  delete(call: Call): void {
    this.#byOwn.delete(call.own);
    take(this.#byId, call.id, call);
    take(this.#byConnection, call.connection, call);
  }

  /** Removes and returns all. */
  drain(): Call[] {
    const calls = [...this.#byOwn.values()];
    for (const call of calls) this.delete(call);
    return calls;
  }
}

function put<K>(index: Map<K, Set<Call>>, key: K, call: Call): void {
  const calls = index.get(key);
  if (calls) calls.add(call);
  else index.set(key, new Set([call]));
}

function take<K>(index: Map<K, Set<Call>>, key: K, call: Call): void {
  const calls = index.get(key);
  calls?.delete(call);
  if (calls?.size === 0) index.delete(key);
}
