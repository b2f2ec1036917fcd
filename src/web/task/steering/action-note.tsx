import { visible } from '../../parts/plain-text.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import type { Action } from './action.ts';

/** What the bridge answered to an action. */
export function ActionNote({ action }: { action: Action }) {
  const problem = action.problem.value;
  return (
    <>
      <p class="action-effect muted" role="status">
        {visible(action.effect.value)}
      </p>
      {problem && <ProblemNote problem={problem} />}
    </>
  );
}
