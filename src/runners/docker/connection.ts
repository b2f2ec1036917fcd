import { Agent } from 'node:http';
import Docker from 'dockerode';
import { isLoopback } from '../../loopback.ts';

/** Node can be configured to send the requests of its global agent through a proxy; this agent ignores that. */
const DIRECT = new Agent({ keepAlive: true, timeout: 5_000 });

/** A client for the Docker Engine at `unix:///path` or `tcp://host:port`. On this machine it uses no proxy. */
export function connectDocker(host: string): Docker {
  const { protocol, hostname, port, pathname } = new URL(host);
  // dockerode's types lack `agent`, but its transport accepts it.
  const direct = { agent: DIRECT };
  if (protocol === 'unix:') return new Docker({ socketPath: pathname, ...direct });
  const options = { protocol: 'http' as const, host: hostname, port: port || '2375' };
  return new Docker(isLoopback(hostname) ? { ...options, ...direct } : options);
}
