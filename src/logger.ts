import { pino } from 'pino';
import { printable } from './errors.ts';

/** The logger interface of the bridge; never pass it prompts, file contents or secrets. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on stderr, each with the label if there is one: stdout belongs to the protocol in stdio mode. */
export function createLogger(level: LogLevel, projectId?: string): Logger {
  const hooks = { streamWrite: printable };
  const base = projectId === undefined ? null : { project_id: projectId };
  const options = { level, base, timestamp: pino.stdTimeFunctions.isoTime, hooks };
  return pino(options, pino.destination({ fd: 2, sync: true }));
}
