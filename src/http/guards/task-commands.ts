import { BridgeError } from '../../errors.ts';
import { isLocalConnection } from '../../loopback.ts';
import type { Refusal } from './guard.ts';

/** Whether a connection within this machine may come from a command of a task, or from the OpenCode that runs tasks. */
export type IsFromCommand = (connection: { remotePort: number; localPort: number }) => Promise<boolean>;

interface TcpConnection {
  remoteAddress?: string | undefined;
  localAddress?: string | undefined;
  remotePort?: number | undefined;
  localPort?: number | undefined;
}

/**
 * Where no token is required, refuses what tasks run: it could answer its own permission requests, and use the tasks
 * of others. Decided once for each connection.
 */
export function taskCommandGuard(
  isFromCommand: IsFromCommand | undefined,
): (socket: TcpConnection) => Promise<Refusal | undefined> {
  if (!isFromCommand) return async () => undefined;
  const decided = new WeakMap<TcpConnection, Promise<boolean>>();
  const decide = async ({ remotePort = 0, localPort = 0 }: TcpConnection): Promise<boolean> =>
    isFromCommand({ remotePort, localPort });
  return async (socket) => {
    if (!isLocalConnection(socket)) return undefined;
    const decision = decided.get(socket) ?? decide(socket);
    decided.set(socket, decision);
    if (!(await decision)) return undefined;
    const message =
      'This connection comes from a command of a task or from OpenCode, or cannot be distinguished from one.';
    const next = 'A token identifies a client: the operator can set MCP_AUTH_TOKENS.';
    return { error: new BridgeError('FORBIDDEN', message, { next }) };
  };
}
