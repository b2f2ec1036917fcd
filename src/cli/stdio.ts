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

/** How long another process may take to start, to stop or to answer. */
const CONNECT_LIMIT_MS = 15_000;
/** After this time with a bridge, a loss starts a new time limit. */
const STEADY_MS = 2_000;
/** Time for a `serve` that stopped to be started again, before this process locks DATA_DIR. */
const RESTART_MS = 5_000;
const RETRY_MS = 200;

/** Serves one client over stdin and stdout, from this process or through the one that has locked DATA_DIR. */
export async function stdio(): Promise<number> {
  const { config, logger } = configured();
  if (config.inEngine) throw nested();
  const client = stdioClient(logger);
  const stop = new AbortController();
  const stopped = stopSignal(client.gone).then((signal) => {
    logger.info({ signal }, 'the bridge stops');
    stop.abort();
    return signal;
  });
  const relay = new Relay(client.transport, logger);
  await client.transport.start();
  const work = async (): Promise<void> => {
    try {
      await serveClient(relay, config, logger, { stopped, signal: stop.signal });
      relay.rejectAll(
        'The bridge stopped before it had an answer. Tasks are kept: call get_task_status again.',
      );
    } catch (thrown) {
      relay.rejectAll(`The bridge cannot continue: ${messageOf(thrown)} Tasks are kept.`);
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

/** Connects the client to a bridge, and to another whenever that one is lost. */
async function serveClient(
  relay: Relay,
  config: Config,
  logger: Logger,
  { stopped, signal }: Stop,
): Promise<void> {
  let lockFrom = 0;
  let until = Date.now() + CONNECT_LIMIT_MS;
  for (;;) {
    const upstream = await connectUpstream(config, logger, { lockFrom, until, signal });
    if (!upstream) return relay.drain();
    const since = Date.now();
    const reason = await Promise.race([relayUntilLost(relay, upstream), stopped, upstream.failure]).catch(
      async (thrown) => {
        await upstream.close().catch(() => undefined);
        throw thrown;
      },
    );
    if (signal.aborted) return endSession(relay, upstream);
    logger.warn({ reason }, 'the connection to the bridge is lost; looking for another bridge');
    await relay.interrupt(
      `The bridge that served this call is gone (${reason}). Try again, with the same idempotency_key where there was one: tasks are kept.`,
    );
    await upstream.close();
    const now = Date.now();
    if (now - since > STEADY_MS) until = now + CONNECT_LIMIT_MS;
    if (now > until) throw unreachable(config, reason);
    if (upstream.remote === 'serve') lockFrom = now + RESTART_MS;
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The answers that the end of the session gives to open calls arrive after it, on connections of their own. */
async function endSession(relay: Relay, upstream: UpstreamTarget): Promise<void> {
  await thenRelease(
    async () => {
      await upstream.end();
      await relay.drain();
    },
    () => upstream.close(),
  );
}

/** Relays messages until the bridge is lost; resolves with the reason. */
async function relayUntilLost(relay: Relay, { transport, modern }: UpstreamTarget): Promise<string> {
  try {
    const { lost } = await relay.connect(transport, modern);
    return await lost;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Else each task folder would get such a process, and perhaps an OpenCode server behind it. */
function nested(): BridgeError {
  const text = 'This process was started by the OpenCode server of a bridge, whose tasks cannot start tasks.';
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
