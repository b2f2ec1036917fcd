import type { TaskError } from '../../tasks/events.ts';

/** Finish reasons of a step after which OpenCode continues by itself. */
export const GOES_ON: ReadonlySet<string> = new Set(['tool-calls', 'unknown']);

export const TURN_STOPPED: TaskError = {
  code: 'TURN_STOPPED',
  message: 'OpenCode stopped the turn after a tool call, for example because a permission was rejected.',
};

export const OUTPUT_LIMIT: TaskError = {
  code: 'OUTPUT_LIMIT',
  message: "The model's answer was cut at its output limit.",
};
