import { createHash, randomBytes } from 'node:crypto';
import { BridgeError } from '../errors.ts';

const LIFETIME_MS = 30_000;
/** Open tickets of all agents; of one agent. */
const MAX_OPEN = 10_000;
const MAX_OPEN_OF_AGENT = 100;

interface Ticket {
  taskId: string;
  agentId: string;
  /** Epoch milliseconds. */
  expiresAt: number;
  /** Aborts when the session of the browser ends that asked for it. */
  ended: AbortSignal | undefined;
}

/**
 * Tickets with which a browser opens a WebSocket, because it can send no Authorization header there. A ticket is for one
 * task and its agent, is valid for 30 s, and can be used once. Only its hash is kept.
 */
export class Tickets {
  readonly #open = new Map<string, Ticket>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Throws RATE_LIMITED where too many tickets are open. */
  issue(taskId: string, agentId: string, ended?: AbortSignal): { ticket: string; expiresAt: number } {
    this.#dropExpired();
    const own = [...this.#open.values()].filter((open) => open.agentId === agentId).length;
    if (own >= MAX_OPEN_OF_AGENT || this.#open.size >= MAX_OPEN) throw tooMany();
    const ticket = randomBytes(32).toString('base64url');
    const expiresAt = this.#now() + LIFETIME_MS;
    this.#open.set(hashOf(ticket), { taskId, agentId, expiresAt, ended });
    return { ticket, expiresAt };
  }

  /** Whom a valid ticket for this task was issued to. Any ticket is used up by it. */
  redeem(ticket: string, taskId: string): Pick<Ticket, 'agentId' | 'ended'> | undefined {
    const hash = hashOf(ticket);
    const open = this.#open.get(hash);
    this.#open.delete(hash);
    if (open?.taskId !== taskId || open.expiresAt <= this.#now() || open.ended?.aborted) return undefined;
    return open;
  }

  /** The oldest come first, and all live equally long. */
  #dropExpired(): void {
    for (const [hash, { expiresAt }] of this.#open) {
      if (expiresAt > this.#now()) return;
      this.#open.delete(hash);
    }
  }
}

function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('hex');
}

function tooMany(): BridgeError {
  return new BridgeError('RATE_LIMITED', `More than ${MAX_OPEN_OF_AGENT} tickets are open.`, {
    next: 'Use a ticket before you ask for another one; each expires after 30 s.',
    retryAfterSeconds: LIFETIME_MS / 1000,
  });
}
