import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** Releases an acquired resource. */
export type Release = () => unknown;

/** Runs every release in reverse order of acquisition. Logs all errors and throws the first. */
export async function releaseAll(releases: Release[], logger: Logger): Promise<void> {
  const errors: unknown[] = [];
  for (let release = releases.pop(); release; release = releases.pop()) {
    try {
      await release();
    } catch (thrown) {
      logger.error({ err: messageOf(thrown) }, 'a resource could not be closed; the others are closed');
      errors.push(thrown);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** Runs the work, then the release in any case. Where both fail, throws the error of the work and logs the other. */
export async function thenRelease<T>(work: () => Promise<T>, release: Release, logger?: Logger): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (thrown) {
    try {
      await release();
    } catch (later) {
      logger?.error({ err: messageOf(later) }, 'a resource could not be closed after a failure');
    }
    throw thrown;
  }
  await release();
  return result;
}
