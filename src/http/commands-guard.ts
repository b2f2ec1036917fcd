import type { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import { BridgeError } from '../errors.ts';
import type { Connection } from '../runners/runner.ts';
import { sendError } from './errors.ts';
import { isFromHere } from './security.ts';

/** Whether a connection within this machine may come from a command of a task. */
export type IsFromCommand = (connection: Connection) => Promise<boolean>;

/**
 * Where no token is asked for, keeps out what tasks run: it could answer its own permission requests, and use the tasks
 * of others. Found out once for each connection.
 */
export function refuseCommands(isFromCommand: IsFromCommand | undefined): RequestHandler {
  if (!isFromCommand) return (_req, _res, next) => next();
  const found = new WeakMap<Socket, Promise<boolean>>();
  const look = async ({ remotePort = 0, localPort = 0 }: Socket): Promise<boolean> =>
    isFromCommand({ remotePort, localPort });
  return async (req, res, next) => {
    const { socket } = req;
    if (!isFromHere(socket)) return next();
    const known = found.get(socket) ?? look(socket);
    found.set(socket, known);
    if (!(await known)) return next();
    const message = 'This connection comes from a command of a task, or cannot be told from one.';
    const way = 'A client is told apart by a token: the operator can set MCP_AUTH_TOKENS.';
    sendError(req, res, new BridgeError('FORBIDDEN', message, { next: way }));
  };
}
