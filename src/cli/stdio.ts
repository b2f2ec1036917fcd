import { setTimeout as sleep } from 'node:timers/promises';
import { thenRelease } from '../app/release.ts';
import type { Config } from '../config/config.ts';
import { BridgeError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { Relay } from '../mcp/relay.ts';
import { stdioClient } from '../mcp/stdio.ts';
import { configured, EXIT, stopSignal } from './command.ts';
import { connectUpstream } from './stdio/connect-upstream.ts';
import type { UpstreamTarget } from './stdio/upstream-target.ts';

/** How long another process may take to start, to close or to answer. */
const PATIENCE_MS = 15_000;
/** A bridge that was there for so long has really been there. */
const STEADY_MS = 2_000;
/** Time for a `serve` that went away to be started again, before this process takes its place. */
const RESTART_MS = 5_000;
const RETRY_MS = 200;

/** Serves one client over stdin and stdout, from this process or through the one that has DATA_DIR. */
export async function stdio(): Promise<number> {
  const { config, logger } = configured();
  if (config.inEngine) throw nested();
  const client = stdioClient(logger);
  const over = new AbortController();
  const stopped = stopSignal(client.gone).then((signal) => {
    logger.info({ signal }, 'the bridge stops');
    over.abort();
    return signal;
  });
  const relay = new Relay(client.transport, logger);
  await client.transport.start();
  const work = async (): Promise<void> => {
    try {
      await serveClient(relay, config, logger, { stopped, signal: over.signal });
      // What the bridge has answered until now has been passed on.
      relay.rejectAll(
        'The bridge stopped before it had an answer. Tasks are kept: call get_task_status again.',
      );
    } catch (thrown) {
      relay.rejectAll(`The bridge cannot go on: ${messageOf(thrown)} Tasks are kept.`);
      throw thrown;
    }
  };
  await thenRelease(work, () => client.transport.close(), logger);
  return EXIT.ok;
}

interface Stop {
  stopped: Promise<string>;
  signal: AbortSignal;
}

/** Finds a bridge for the client, and another whenever that one goes away. */
async function serveClient(
  relay: Relay,
  config: Config,
  logger: Logger,
  { stopped, signal }: Stop,
): Promise<void> {
  let takeFrom = 0;
  let until = Date.now() + PATIENCE_MS;
  for (;;) {
    const place = await connectUpstream(config, logger, { takeFrom, until, signal });
    if (!place) return;
    const since = Date.now();
    const reason = await Promise.race([goOnWith(relay, place), stopped, place.failure]).catch(
      async (thrown) => {
        await place.close().catch(() => undefined);
        throw thrown;
      },
    );
    if (signal.aborted) return place.close();
    logger.warn({ reason }, 'the bridge that has DATA_DIR is lost; looking for another');
    relay.interrupt(
      `The bridge that served this call is gone (${reason}). Try again, with the same idempotency_key where there was one: tasks are kept.`,
    );
    await place.close();
    const now = Date.now();
    if (now - since > STEADY_MS) until = now + PATIENCE_MS;
    if (now > until) throw unreachable(config, reason);
    if (place.joined === 'serve') takeFrom = now + RESTART_MS;
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Passes messages on until the place is lost; resolves with the reason. */
async function goOnWith(relay: Relay, { transport }: UpstreamTarget): Promise<string> {
  try {
    const { lost } = await relay.connect(transport);
    return await lost;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Each folder of a task would get such a process, and perhaps an OpenCode server of its own behind it. */
function nested(): BridgeError {
  const text = 'This was started by the OpenCode server of a bridge, whose tasks cannot hand over tasks.';
  return new BridgeError('UNSUPPORTED', text, {
    next: 'Turn this MCP server off in the configuration of OpenCode ("enabled": false), at least for the bridge.',
  });
}

function unreachable({ dataDir }: Config, reason: string): BridgeError {
  return new BridgeError(
    'DATA_DIR_IN_USE',
    `DATA_DIR "${dataDir}" is in use by a bridge that cannot be reached: ${reason}`,
    { next: 'Stop that process, or set DATA_DIR to another folder.' },
  );
}
