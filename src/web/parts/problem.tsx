import type { Problem } from '../api/problem.ts';
import { visible } from './plain-text.ts';

/** What went wrong and what to do now, in the words of the bridge. */
export function ProblemNote({ problem }: { problem: Problem }) {
  return (
    <div class="problem" role="alert">
      <p>{visible(problem.message)}</p>
      {problem.next && <p class="muted">{visible(problem.next)}</p>}
    </div>
  );
}
