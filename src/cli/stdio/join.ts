import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { LockInfo } from '../../store/lock-info.ts';
import type { UpstreamTarget } from './upstream-target.ts';

const GOODBYE_MS = 1_000;
/** The stream of a session cannot be resumed: once it is cut, the session is looked for anew. */
const NEVER = {
  initialReconnectionDelay: 0,
  maxReconnectionDelay: 0,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 0,
};

/** The bridge of another process, as far as it can be reached. */
export function join({ url, token, kind }: LockInfo): UpstreamTarget | undefined {
  if (url === undefined || token === undefined) return undefined;
  const headers = { authorization: `Bearer ${token}` };
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers },
    reconnectionOptions: NEVER,
  });
  const close = async (): Promise<void> => {
    // An owner that is gone needs no goodbye, and one that hangs gets no time for it.
    const goodbye = transport.terminateSession().catch(() => undefined);
    await Promise.race([goodbye, new Promise((resolve) => setTimeout(resolve, GOODBYE_MS).unref())]);
    await transport.close();
  };
  return { transport, close, failure: new Promise(() => undefined), joined: kind };
}
