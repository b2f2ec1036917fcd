import { Agent } from 'node:http';
import Docker from 'dockerode';
import { isLoopback } from '../../loopback.ts';

/** Node's own agent may have been told to use a proxy. */
const DIRECT = new Agent({ keepAlive: true, timeout: 5_000 });

/** The client of an engine at `unix:///path` or `tcp://host:port`; on this machine never through a proxy. */
export function connectDocker(host: string): Docker {
  const { protocol, hostname, port, pathname } = new URL(host);
  // Its types lack `agent`, which its transport takes.
  const direct = { agent: DIRECT };
  if (protocol === 'unix:') return new Docker({ socketPath: pathname, ...direct });
  const options = { protocol: 'http' as const, host: hostname, port: port || '2375' };
  return new Docker(isLoopback(hostname) ? { ...options, ...direct } : options);
}
