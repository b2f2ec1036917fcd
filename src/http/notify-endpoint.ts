import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { parseArguments } from '../api/arguments.ts';
import type { ApiServices } from '../api/services.ts';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { SessionNotice, SessionNoticeSink } from '../session-notice.ts';
import { identityOf } from './access.ts';
import { clientAddress, RateLimiter } from './guards/rate-limiter.ts';
import { noticeSchema } from './session-notice.ts';

/** Bytes of a notice at most. */
export const NOTICE_BYTES = 65_536;
const PER_MINUTE = 60;
const DELIVERY_TIMEOUT_MS = 15_000;
const RETRY_AFTER_SECONDS = 10;
/** How many delivered notices are remembered; a repeat comes within a minute. */
const MAX_REMEMBERED = 1_000;

export interface NotifyEndpointOptions {
  /** Absent where Matrix is off. */
  notices?: SessionNoticeSink | undefined;
  services: ApiServices;
  logger: Logger;
}

/** `POST /matrix/notify`: notices of the OpenCode plugin about sessions that do not belong to tasks. */
export class NotifyEndpoint {
  readonly #options: NotifyEndpointOptions;
  readonly #limit = new RateLimiter(PER_MINUTE);
  readonly #delivered = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: NotifyEndpointOptions) {
    this.#options = options;
  }

  /** Refuses a request before its body is read. */
  readonly admit: RequestHandler = (req, _res, next) => {
    if (!this.#options.notices) throw matrixIsOff();
    const caller = identityOf(req)?.credential ?? clientAddress(req.socket);
    const seconds = this.#limit.take(caller);
    if (seconds !== undefined) throw tooMany(seconds);
    next();
  };

  readonly handle: RequestHandler = async (req, res) => {
    const { notices, services } = this.#options;
    if (!notices) throw matrixIsOff();
    const { session_id, parent_id, more_files, ...rest } = parseNotice(req);
    const ids = [session_id, parent_id].filter((id) => id !== undefined);
    const own = await Promise.all(ids.map((id) => services.execution.hasSession(id)));
    if (own.includes(true)) return void res.json({ accepted: false, reason: 'own_task' });
    await this.#once(notices, { ...rest, sessionId: session_id, moreFiles: more_files });
    res.status(202).json({ accepted: true });
  };

  /** Aborts open deliveries. */
  close(): void {
    this.#closing.abort(new Error('the bridge is stopping'));
  }

  /** Delivers a notice, or joins the delivery of the same one; a failed one is forgotten, so that a repeat tries again. */
  #once(notices: SessionNoticeSink, notice: SessionNotice): Promise<void> {
    const { id } = notice;
    const delivery = this.#delivered.get(id) ?? this.#deliver(notices, notice);
    this.#delivered.delete(id);
    this.#delivered.set(id, delivery);
    delivery.catch(() => this.#delivered.get(id) === delivery && this.#delivered.delete(id));
    const [oldest] = this.#delivered.keys();
    if (this.#delivered.size > MAX_REMEMBERED && oldest !== undefined) this.#delivered.delete(oldest);
    return delivery;
  }

  async #deliver(notices: SessionNoticeSink, notice: SessionNotice): Promise<void> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(DELIVERY_TIMEOUT_MS)]);
    try {
      await Promise.race([notices.notify(notice, signal), aborted(signal)]);
    } catch (thrown) {
      if (thrown instanceof BridgeError) throw thrown;
      this.#options.logger.warn(
        { id: notice.id, err: messageOf(thrown) },
        'a session notice could not be delivered',
      );
      throw new BridgeError('MATRIX_UNAVAILABLE', 'The Matrix room cannot be reached now.', {
        next: `Post the same notice again in ${RETRY_AFTER_SECONDS} s; it is delivered once.`,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
        cause: thrown,
      });
    }
  }
}

function parseNotice({ body, headers }: Request): z.output<typeof noticeSchema> {
  const record = z.record(z.string(), z.unknown()).safeParse(body);
  if (record.success) return parseArguments('POST /matrix/notify', noticeSchema, record.data);
  const type = headers['content-type'];
  const message =
    body === undefined
      ? `There is no JSON in the body (Content-Type ${quote(type ?? 'none')}).`
      : `The body ${quote(body)} is not a JSON object.`;
  throw new BridgeError('INVALID_INPUT', message, {
    next: 'Send one notice as application/json: docs/plugin.md has its fields.',
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

function matrixIsOff(): BridgeError {
  return new BridgeError(
    'NOT_FOUND',
    'Notices are not delivered: this bridge has no Matrix room (MATRIX_ENABLED).',
    {
      next: 'Set MATRIX_ENABLED=true and the other MATRIX_ variables for the bridge, or unset MATRIX_API_URL for OpenCode.',
    },
  );
}

function tooMany(seconds: number): BridgeError {
  const message = `More than ${PER_MINUTE} notices a minute came from this caller.`;
  const next = `Try again in ${seconds} s.`;
  return new BridgeError('RATE_LIMITED', message, { next, retryAfterSeconds: seconds });
}
