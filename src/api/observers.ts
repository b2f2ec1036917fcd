import { BridgeError, quote } from '../errors.ts';
import { matrixUserFault } from '../matrix/user-id.ts';

const MAX_OBSERVERS = 50;

/** Throws INVALID_INPUT, with position and value, where an observer is no Matrix user id, or where there are too many. */
export function requireObservers(observers: readonly string[] = []): void {
  const users = [...new Set(observers)];
  if (users.length > MAX_OBSERVERS) {
    throw new BridgeError(
      'INVALID_INPUT',
      `\`observers\` names ${users.length} users, at most ${MAX_OBSERVERS} are allowed.`,
    );
  }
  const faults = users.flatMap((user) => {
    const fault = matrixUserFault(user);
    return fault === undefined ? [] : [`\`observers.${observers.indexOf(user)}\` ${quote(user)} ${fault}.`];
  });
  if (faults.length > 0) throw new BridgeError('INVALID_INPUT', faults.join(' '));
}
