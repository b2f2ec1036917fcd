import { setTimeout as sleep } from 'node:timers/promises';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { RESUME_HEADER, RESUME_NEVER } from '../../mcp/connection.ts';
import type { LockInfo } from '../../store/lock-info.ts';
import type { UpstreamTarget } from './upstream-target.ts';

const TERMINATE_LIMIT_MS = 1_000;
/** After a cut, the relay opens a new session. A stream that ends is a lost bridge, so none may be resumable. */
const NO_RECONNECT = {
  initialReconnectionDelay: 0,
  maxReconnectionDelay: 0,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 0,
};

/** The bridge of the process that holds the lock; undefined while it does not listen. */
export function remoteUpstream({ url, token, kind }: LockInfo): UpstreamTarget | undefined {
  if (url === undefined || token === undefined) return undefined;
  const headers = { authorization: `Bearer ${token}`, [RESUME_HEADER]: RESUME_NEVER };
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers },
    reconnectionOptions: NO_RECONNECT,
  });
  let ending: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    ending ??= transport.terminateSession().catch(() => undefined);
    // The other process may be gone or hang: neither may delay this one.
    await Promise.race([ending, sleep(TERMINATE_LIMIT_MS, undefined, { ref: false })]);
  };
  const close = async (): Promise<void> => {
    if (!ending) await end();
    await transport.close();
  };
  return {
    transport,
    modern: { url, token },
    end,
    close,
    failure: new Promise(() => undefined),
    remote: kind,
  };
}
