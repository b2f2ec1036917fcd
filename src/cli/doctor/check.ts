import type { Config } from '../../config/config.ts';
import { BridgeError, messageOf } from '../../errors.ts';

/** One row of the table: `fail` means that the chosen mode cannot work. */
export interface Finding {
  check: string;
  status: 'ok' | 'warn' | 'fail';
  detail: string;
  /** What to do about it, one sentence or two. */
  next?: string | undefined;
}

/** Checks one thing that the bridge needs. A failed check is a row, not a rejection. */
export type Check = (config: Config) => Promise<Finding[]>;

/** A row for an error of any kind. */
export function failed(check: string, thrown: unknown, next?: string): Finding {
  const own = thrown instanceof BridgeError ? thrown.next : undefined;
  return { check, status: 'fail', detail: messageOf(thrown).split('\n').join(' '), next: own ?? next };
}
