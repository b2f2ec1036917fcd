import { BridgeError } from '../../errors.ts';
import type { InputRequest } from '../../tasks/events.ts';

type Question = NonNullable<InputRequest['questions']>[number];

/**
 * Parses a text into the answers to each question of a request: the number or label of an option, or other words as
 * they are. `;` separates the answers to several questions. Throws INVALID_INPUT.
 */
export function answersTo(request: InputRequest, text: string): string[][] {
  const questions = request.questions ?? [];
  const parts = questions.length === 1 ? [text.trim()] : text.split(';').map((part) => part.trim());
  if (parts.length !== questions.length || parts.includes('')) throw incomplete(questions, text);
  return questions.map((question, index) => answerTo(question, parts[index] ?? ''));
}

function answerTo(question: Question, text: string): string[] {
  const whole = labelOf(question, text);
  if (whole !== undefined) return [whole];
  const several = text.split(',').map((part) => labelOf(question, part.trim()));
  if (question.multiple && several.every((label) => label !== undefined)) return [...new Set(several)];
  if (/^\d+$/.test(text) && question.options.length > 0) throw noSuchOption(question, text);
  return [text];
}

/** The label of an option that is given by its label or its number from 1. */
function labelOf({ options }: Question, text: string): string | undefined {
  const labels = options.map(({ label }) => label);
  const named = labels.find((label) => label.toLowerCase() === text.toLowerCase());
  return named ?? (/^\d{1,3}$/.test(text) ? labels[Number(text) - 1] : undefined);
}

function incomplete(questions: readonly Question[], text: string): BridgeError {
  const count = questions.length;
  const example = questions.map((_, index) => index + 1).join('; ');
  return text.trim() === ''
    ? new BridgeError('INVALID_INPUT', 'The answer is empty.', {
        next: 'Write `!answer 1`, or `!answer` and your own words.',
      })
    : new BridgeError('INVALID_INPUT', `There are ${count} questions to answer at once.`, {
        next: `Answer them in order with ; between, such as \`!answer ${example}\`.`,
      });
}

function noSuchOption({ options }: Question, text: string): BridgeError {
  return new BridgeError(
    'INVALID_INPUT',
    `There is no option ${text}: the options are 1 to ${options.length}.`,
    {
      next: 'Give the number of one of them, or write your own answer in words.',
    },
  );
}

/** An open request and how to answer it, in a few lines. */
export function howToAnswer({ type, title, questions = [] }: InputRequest): string {
  if (type === 'permission')
    return `${title}\nReply allow, always or no (with a reason if you like), or react with ✅, 🔁 or ❌.`;
  const asked = questions.map(({ question, options }, index) =>
    [
      questions.length > 1 ? `${index + 1}) ${question}` : question,
      ...options.map(({ label }, n) => `  ${n + 1}. ${label}`),
    ].join('\n'),
  );
  const how =
    questions.length > 1
      ? 'Reply with an answer for each, with ; between.'
      : 'Reply with a number or in your own words.';
  return [...asked, how].join('\n');
}
