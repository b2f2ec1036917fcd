import type { ConnectionEnds } from '../../loopback.ts';
import { type Authenticate, bearerGuard } from './bearer.ts';
import type { AccessRules, Guard, Refusal } from './guard.ts';
import { hostGuard } from './host.ts';
import { originGuard, ownPageGuard } from './origin.ts';
import { type RateGuard, rateGuard } from './rate.ts';
import { type IsFromCommand, taskCommandGuard } from './task-commands.ts';
import { type BoundToken, type TokenCheck, tokenCheck } from './token-check.ts';

export interface GuardsOptions extends AccessRules {
  /** Empty: no authentication. */
  tokens: readonly BoundToken[];
  /** Requests a minute for each token, or for each address where there are none; 0 or absent: any number. */
  rateLimit?: number;
  /** Whether a caller on this machine may be a command of a task; used if there are no tokens. */
  isFromCommand?: IsFromCommand | undefined;
}

/** The guards of one server, in the order in which they decide. HTTP requests and WebSocket upgrades share them. */
export interface Guards {
  host: Guard;
  origin: Guard;
  /** Of what acts by the cookie of a browser: refuses all pages but those of this server and of allowed origins. */
  ownPage: Guard;
  taskCommands: (socket: ConnectionEnds) => Promise<Refusal | undefined>;
  bearer: Authenticate;
  /** The check behind `bearer`, for tokens that come otherwise: guesses count together. */
  token: TokenCheck;
  rate: RateGuard;
  /** Of requests that ask for a Task: a client that is refused a few times takes its task for lost. */
  polls: RateGuard;
}

export function createGuards({ tokens, rateLimit = 0, isFromCommand, ...rules }: GuardsOptions): Guards {
  const token = tokenCheck(tokens);
  return {
    host: hostGuard(rules),
    origin: originGuard(rules),
    ownPage: ownPageGuard(rules),
    taskCommands: taskCommandGuard(tokens.length > 0 ? undefined : isFromCommand),
    bearer: bearerGuard(tokens, token),
    token,
    rate: rateGuard(rateLimit),
    polls: rateGuard(rateLimit),
  };
}
