import { BridgeError } from '../../errors.ts';
import type { InputRequest } from '../../tasks/events.ts';

type Question = NonNullable<InputRequest['questions']>[number];

/**
 * The answers to each question of a request, from what somebody wrote: the number of an option or its label, any
 * other words as they are. Several questions are answered in order, with `;` between. Throws INVALID_INPUT.
 */
export function answersTo(request: InputRequest, text: string): string[][] {
  const questions = request.questions ?? [];
  const parts = questions.length === 1 ? [text.trim()] : text.split(';').map((part) => part.trim());
  if (parts.length !== questions.length || parts.includes('')) throw incomplete(questions, text);
  return questions.map((question, index) => answerTo(question, parts[index] ?? ''));
}

function answerTo(question: Question, text: string): string[] {
  const whole = chosen(question, text);
  if (whole !== undefined) return [whole];
  const several = text.split(',').map((part) => chosen(question, part.trim()));
  if (question.multiple && several.every((label) => label !== undefined)) return [...new Set(several)];
  if (/^\d+$/.test(text) && question.options.length > 0) throw noSuchOption(question, text);
  return [text];
}

/** The label that is meant by a label or by its number from 1. */
function chosen({ options }: Question, text: string): string | undefined {
  const labels = options.map(({ label }) => label);
  const named = labels.find((label) => label.toLowerCase() === text.toLowerCase());
  return named ?? (/^\d{1,3}$/.test(text) ? labels[Number(text) - 1] : undefined);
}

function incomplete(questions: readonly Question[], text: string): BridgeError {
  const count = questions.length;
  const example = questions.map((_, index) => index + 1).join('; ');
  return text.trim() === ''
    ? new BridgeError('INVALID_INPUT', 'The answer is empty.', { next: '`!answer 1`, or your own words.' })
    : new BridgeError('INVALID_INPUT', `There are ${count} questions to answer at once.`, {
        next: `Answer them in order with ; between, such as \`!answer ${example}\`.`,
      });
}

function noSuchOption({ options }: Question, text: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `There is no option ${text}, there are ${options.length}.`, {
    next: 'Give the number of one of them, or write your own answer in words.',
  });
}

/** What can be answered to an open request, in a few lines. */
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
