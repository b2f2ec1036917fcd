import type { IncomingMessage } from 'node:http';
import { BridgeError } from '../../errors.ts';
import type { ConnectionEnds } from '../../loopback.ts';

/** What guards look at: express requests have it, and so have the requests of WebSocket upgrades. */
export interface GuardedRequest extends Pick<IncomingMessage, 'headers' | 'headersDistinct'> {
  socket: ConnectionEnds;
}

/** Why a request is refused; the HTTP status is `error.httpStatus`. */
export interface Refusal {
  error: BridgeError;
  /** To send besides, such as WWW-Authenticate. */
  headers?: Record<string, string>;
}

/** Decides from a request alone: a refusal, or undefined if the request is allowed. */
export type Guard = (request: GuardedRequest) => Refusal | undefined;

/** What the host guard and the origin guard compare with. */
export interface AccessRules {
  /** The address that the server listens on. */
  host: string;
  /** Host names by which the server may be called, besides loopback ones. */
  allowedHosts: readonly string[];
  /** Origins of web pages that may call, besides loopback ones. */
  allowedOrigins: readonly string[];
}

export function forbidden(message: string, variable: string): Refusal {
  return {
    error: new BridgeError('FORBIDDEN', message, { next: `The operator can allow it with ${variable}.` }),
  };
}
