import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, messageOf } from '../../errors.ts';

/** How long Docker may take to answer. Waiting for a container to end is not such a request. */
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * The answer to a request. Throws ENGINE_ERROR where Docker refuses it, and ENGINE_UNAVAILABLE where Docker does not
 * answer in time.
 */
export async function requestDocker<T>(host: string, request: () => Promise<T>): Promise<T> {
  const timer = new AbortController();
  const timeout = sleep(REQUEST_TIMEOUT_MS, undefined, { ref: false, signal: timer.signal }).then(() => {
    throw new Error(`no answer within ${REQUEST_TIMEOUT_MS / 1000} s`);
  });
  try {
    return await Promise.race([request(), timeout]);
  } catch (thrown) {
    throw toDockerError(host, thrown);
  } finally {
    timeout.catch(() => undefined);
    timer.abort();
  }
}

/** The answer; undefined where Docker answers with one of these HTTP statuses instead. */
export async function ignoreStatus<T>(
  statuses: number | readonly number[],
  answer: Promise<T>,
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    const status = statusOf(thrown);
    if (status !== undefined && [statuses].flat().includes(status)) return undefined;
    throw thrown;
  }
}

/** Docker's own error message, without the prefix that dockerode adds. */
export function dockerMessage(thrown: unknown): string {
  return messageOf(thrown)
    .replace(/^\(HTTP code \d+\) [^-]*- /, '')
    .trim();
}

function toDockerError(host: string, thrown: unknown): BridgeError {
  if (thrown instanceof BridgeError) return thrown;
  if (statusOf(thrown) !== undefined) {
    return new BridgeError('ENGINE_ERROR', `Docker refused: ${dockerMessage(thrown)}`, { cause: thrown });
  }
  return new BridgeError('ENGINE_UNAVAILABLE', `Docker at ${host} does not answer: ${messageOf(thrown)}`, {
    next: 'Start Docker, set DOCKER_HOST to its address, or set OPENCODE_SERVER_ENABLED=true to run tasks without it.',
    cause: thrown,
  });
}

/** The HTTP status of Docker's refusal; undefined for any other error. */
export function statusOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('statusCode' in thrown)) return undefined;
  return typeof thrown.statusCode === 'number' ? thrown.statusCode : undefined;
}
