import { Agent } from 'node:http';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import { isLoopback } from '../../loopback.ts';

/** Node can be configured to send the requests of its global agent through a proxy; this agent ignores that. */
const DIRECT = Object.assign(new Agent({ keepAlive: true, timeout: 5_000 }), {
  // docker-modem 5 inspects the options of each request for a message that is hardly ever written, with all that they
  // hold: the sockets of the agent took nine tenths of the bridge's processor time in Docker mode.
  [inspect.custom]: () => 'Agent',
});

/** A client for the Docker Engine at `unix:///path` or `tcp://host:port`. On this machine it uses no proxy. */
export function connectDocker(host: string): Docker {
  const { protocol, hostname, port, pathname } = new URL(host);
  // dockerode's types lack `agent`, but its transport accepts it.
  const direct = { agent: DIRECT };
  if (protocol === 'unix:') return new Docker({ socketPath: pathname, ...direct });
  const options = { protocol: 'http' as const, host: hostname, port: port || '2375' };
  return new Docker(isLoopback(hostname) ? { ...options, ...direct } : options);
}
