import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** Undoes something that was acquired. */
export type Release = () => unknown;

/** Runs every release, the last acquired first, whatever others throw. All errors are logged, the first is thrown. */
export async function releaseAll(releases: Release[], logger: Logger): Promise<void> {
  const errors: unknown[] = [];
  for (let release = releases.pop(); release; release = releases.pop()) {
    try {
      await release();
    } catch (thrown) {
      logger.error({ err: messageOf(thrown) }, 'something could not be closed; the rest is closed');
      errors.push(thrown);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** Does the work, then releases in any case. Where both fail, the work's error is thrown and the other logged. */
export async function thenRelease<T>(work: () => Promise<T>, release: Release, logger?: Logger): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (thrown) {
    try {
      await release();
    } catch (later) {
      logger?.error({ err: messageOf(later) }, 'something could not be closed after a failure');
    }
    throw thrown;
  }
  await release();
  return result;
}
