import type { RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Connection } from './connection.ts';

/** A request that has no answer yet. */
export interface Call {
  /** The id that the server sees; unique in the session. */
  readonly serverId: number;
  /** The id that the client chose; unique among the open calls of its connection. */
  readonly id: RequestId;
  readonly connection: Connection;
}

/** The open calls of a session, indexed by both ids and by connection. */
export class OpenCalls {
  readonly #byServerId = new Map<number, Call>();
  readonly #byId = new Map<RequestId, Set<Call>>();
  readonly #byConnection = new Map<Connection, Set<Call>>();
  #count = 0;

  get size(): number {
    return this.#byServerId.size;
  }

  add(id: RequestId, connection: Connection): Call {
    this.#count += 1;
    const call = { serverId: this.#count, id, connection };
    this.#byServerId.set(call.serverId, call);
    put(this.#byId, id, call);
    put(this.#byConnection, connection, call);
    return call;
  }

  get(serverId: RequestId): Call | undefined {
    return typeof serverId === 'number' ? this.#byServerId.get(serverId) : undefined;
  }

  /** The only open call with that id of a client; undefined if there are several. */
  findByClientId(id: RequestId): Call | undefined {
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
    this.#byServerId.delete(call.serverId);
    take(this.#byId, call.id, call);
    take(this.#byConnection, call.connection, call);
  }

  /** Removes and returns all. */
  drain(): Call[] {
    const calls = [...this.#byServerId.values()];
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
