import type { InputRequest } from '../../api/task.ts';

export type Question = NonNullable<InputRequest['questions']>[number];

/** What is chosen and written for one question. */
export interface Choice {
  labels: readonly string[];
  /** An answer in other words. */
  text: string;
}

export const NO_CHOICE: Choice = { labels: [], text: '' };

/** One more label, or one less; a question with a single answer has the last one only, and no text. */
export function choose(question: Question, choice: Choice, label: string, on: boolean): Choice {
  if (!question.multiple) return { labels: on ? [label] : [], text: on ? '' : choice.text };
  const others = choice.labels.filter((it) => it !== label);
  return { ...choice, labels: on ? [...others, label] : others };
}

/** Writes an answer in other words; for a single answer it takes the place of the chosen one. */
export function write(question: Question, choice: Choice, text: string): Choice {
  return { labels: question.multiple || text === '' ? choice.labels : [], text };
}

/** One list of answers for each question, labels in the order of the options; or the questions without an answer. */
export function answersOf(
  questions: readonly Question[],
  choices: readonly Choice[],
): { answers: string[][] } | { missing: number[] } {
  const answers = questions.map(({ options }, index) => {
    const { labels, text } = choices[index] ?? NO_CHOICE;
    const chosen = options.map(({ label }) => label).filter((label) => labels.includes(label));
    return text.trim() === '' ? chosen : [...chosen, text.trim()];
  });
  const missing = answers.flatMap((list, index) => (list.length === 0 ? [index] : []));
  return missing.length > 0 ? { missing } : { answers };
}
