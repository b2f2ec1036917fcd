import { BridgeError } from '../../errors.ts';
import { abortable } from './abortable.ts';
import type { Endpoint } from './endpoint.ts';

const LIMIT_MS = 10_000;

/**
 * Resolves once the server listens: OpenCode accepts requests before, and never answers them. Throws ENGINE_UNAVAILABLE
 * where it does not within ten seconds: it starts within five, under load more.
 */
export async function untilListening({ url, listening }: Endpoint): Promise<void> {
  if (!listening) return;
  await abortable(listening(), AbortSignal.timeout(LIMIT_MS)).catch((cause: unknown) => {
    const next = 'Try again in a few seconds; GET /health shows its state.';
    throw new BridgeError('ENGINE_UNAVAILABLE', `OpenCode at ${url} is still being started.`, {
      next,
      cause,
    });
  });
}
