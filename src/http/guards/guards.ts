import type { ConnectionEnds } from '../../loopback.ts';
import { type Authentication, type BoundToken, bearerGuard } from './bearer.ts';
import type { AccessRules, Guard, GuardedRequest, Refusal } from './guard.ts';
import { hostGuard } from './host.ts';
import { originGuard } from './origin.ts';
import { type RateGuard, rateGuard } from './rate.ts';
import { type IsFromCommand, taskCommandGuard } from './task-commands.ts';

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
  taskCommands: (socket: ConnectionEnds) => Promise<Refusal | undefined>;
  bearer: (request: GuardedRequest) => Authentication;
  rate: RateGuard;
}

export function createGuards({ tokens, rateLimit = 0, isFromCommand, ...rules }: GuardsOptions): Guards {
  return {
    host: hostGuard(rules),
    origin: originGuard(rules),
    taskCommands: taskCommandGuard(tokens.length > 0 ? undefined : isFromCommand),
    bearer: bearerGuard(tokens),
    rate: rateGuard(rateLimit),
  };
}
