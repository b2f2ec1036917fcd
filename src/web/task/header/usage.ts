import type { TaskDetail } from '../../api/task.ts';

type Usage = TaskDetail['usage'];

const KINDS = [
  ['input_tokens', 'input'],
  ['output_tokens', 'output'],
  ['reasoning_tokens', 'reasoning'],
  ['cache_read_tokens', 'read from the cache'],
  ['cache_write_tokens', 'written to the cache'],
] as const satisfies readonly (readonly [keyof Usage, string])[];

/** Tokens of all kinds, as the limit counts them. */
export function tokensOf(usage: Usage): number {
  return KINDS.reduce((sum, [kind]) => sum + usage[kind], 0);
}

/** `1,200 input, 80 output`; subagents are included. */
export function usageInWords(usage: Usage): string {
  const used = KINDS.filter(([kind]) => usage[kind] > 0);
  return used.map(([kind, word]) => `${usage[kind].toLocaleString()} ${word}`).join(', ') || 'None yet';
}
