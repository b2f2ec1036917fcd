import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import {
  type InitializeRequestParams,
  InitializeRequestParamsSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { UsedAgents } from '../api/caller.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { McpSessionRecord, McpSessionStore } from '../store/mcp-session-store.ts';

/** How long a session is kept that nobody uses. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1_000;
/** Sessions of all credentials; of one credential, so that it cannot push out those of others. */
const MAX_SESSIONS = 10_000;
const MAX_OF_CREDENTIAL = 1_000;
/** Characters of a handshake; a client that says more has a session that does not outlive the process. */
const MAX_HANDSHAKE = 8_192;

/** A session as it was stored. */
export interface StoredSession {
  handshake: InitializeRequestParams;
  agents: UsedAgents | undefined;
}

/**
 * Sessions as they are stored, so that a restart is invisible to clients. A session belongs to whoever holds the
 * credential that began it. A store that fails costs sessions their survival, and nothing else.
 */
export class SessionRecords {
  readonly #store: McpSessionStore;
  readonly #logger: Logger;
  readonly #now: () => number;
  /** By credential: the hashes of ids that this process knows and that are stored, by their last use. */
  readonly #known = new Map<string | undefined, Set<string>>();

  constructor(store: McpSessionStore, logger: Logger, now: () => number = Date.now) {
    this.#store = store;
    this.#logger = logger;
    this.#now = now;
  }

  add(id: string, credential: string | undefined, handshake: InitializeRequestParams): void {
    const { protocolVersion, capabilities, clientInfo } = handshake;
    const { name, version } = clientInfo;
    const text = JSON.stringify({ protocolVersion, capabilities, clientInfo: { name, version } });
    if (text.length > MAX_HANDSHAKE) return;
    const now = this.#now();
    const record = { idHash: sha256(id), proof: proofOf(id, credential), handshake: text, usedAt: now };
    this.#attempt(() => this.#store.add(record, now - KEPT_MS, MAX_SESSIONS));
    this.#makeRoom(credential, record.idHash);
  }

  /** The session with that id, if the same credential began it. */
  find(id: string, credential: string | undefined): StoredSession | undefined {
    const record = this.#attempt(() => this.#store.find(sha256(id)));
    if (!record || record.usedAt <= this.#now() - KEPT_MS) return undefined;
    if (!timingSafeEqual(Buffer.from(record.proof), Buffer.from(proofOf(id, credential)))) return undefined;
    const handshake = handshakeOf(record);
    if (!handshake) return undefined;
    this.used(id, credential, record.agents);
    return { handshake, agents: record.agents };
  }

  used(id: string, credential: string | undefined, agents: UsedAgents | undefined): void {
    this.#attempt(() => this.#store.update(sha256(id), { agents, usedAt: this.#now() }));
    this.#makeRoom(credential, sha256(id));
  }

  remove(id: string, credential: string | undefined): void {
    this.#attempt(() => this.#store.remove(sha256(id)));
    this.#known.get(credential)?.delete(sha256(id));
  }

  #makeRoom(credential: string | undefined, idHash: string): void {
    const known = this.#known.get(credential) ?? new Set();
    this.#known.set(credential, known);
    known.delete(idHash);
    known.add(idHash);
    const [oldest] = known;
    if (known.size <= MAX_OF_CREDENTIAL || oldest === undefined) return;
    known.delete(oldest);
    this.#attempt(() => this.#store.remove(oldest));
  }

  #attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (thrown) {
      this.#logger.warn({ err: messageOf(thrown) }, 'sessions of MCP cannot be stored');
      return undefined;
    }
  }
}

/** Undefined if another version of the bridge stored what this one does not understand. */
function handshakeOf({ handshake }: McpSessionRecord): InitializeRequestParams | undefined {
  try {
    return InitializeRequestParamsSchema.parse(JSON.parse(handshake));
  } catch {
    return undefined;
  }
}

function proofOf(id: string, credential = ''): string {
  return createHmac('sha256', credential).update(id).digest('hex');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
