import { BridgeError } from '../errors.ts';
import type { RunnerAnswer } from '../runners/runner.ts';
import type { InputRequest } from '../tasks/events.ts';

/** An answer as a caller gives it. */
export interface AnswerInput {
  reply?: 'once' | 'always' | 'reject' | undefined;
  answers?: string[][] | undefined;
  message?: string | undefined;
}

/** The answer for the runner; throws INVALID_INPUT if it does not fit the request. */
export function toRunnerAnswer(
  request: InputRequest,
  { reply, answers, message }: AnswerInput,
  by: string,
): RunnerAnswer {
  if (request.type === 'permission') {
    if (answers) throw mismatch(request, 'answers', 'takes `reply` (once, always or reject)');
    if (!reply) throw mismatch(request, 'reply', 'needs `reply` (once, always or reject)');
    if (reply !== 'reject') return { type: 'permission', reply };
    return { type: 'permission', reply, message: message ?? `Rejected by ${by}. Continue without it.` };
  }
  const questions = request.questions ?? [];
  if (answers && answers.length !== questions.length) {
    throw mismatch(
      request,
      'answers',
      `needs one list of labels for each of its ${questions.length} questions`,
    );
  }
  if (answers) return { type: 'question', answers };
  if (reply !== 'reject')
    throw mismatch(request, 'answers', 'is a question: give `answers`, or `reply` reject');
  // A plain rejection would end the agent's turn; a text as the answer lets it continue.
  const text = message ?? `Rejected by ${by}. Use your own judgement.`;
  return { type: 'question', answers: questions.map(() => [text]) };
}

/** An answer as text, for the log. */
export function describeAnswer(answer: RunnerAnswer): string {
  return 'answers' in answer ? answer.answers.map((labels) => labels.join(', ')).join('; ') : answer.reply;
}

function mismatch(request: InputRequest, name: string, why: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `\`${name}\`: request "${request.id}" ${why}.`);
}
