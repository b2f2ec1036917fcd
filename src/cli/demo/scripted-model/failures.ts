import type { Choice } from './choice.ts';
import type { Step } from './script.ts';

/** Tells whether this request to a step fails; counts per step of a conversation. */
export function failureCounter(): (choice: Choice, session?: string) => Step['fail'] {
  const counts = new Map<string, number>();
  return ({ step, key }, session = '') => {
    if (!step.fail) return undefined;
    const count = (counts.get(`${session}:${key}`) ?? 0) + 1;
    counts.set(`${session}:${key}`, count);
    return count <= (step.fail.times ?? Number.POSITIVE_INFINITY) ? step.fail : undefined;
  };
}
