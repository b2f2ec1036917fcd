import { useId } from 'preact/hooks';
import { visible } from '../../parts/plain-text.ts';
import { type Choice, choose, NO_CHOICE, type Question, write } from './question-answers.ts';

/** The questions of a request: options, and a field for other words. */
export function Questions(props: {
  questions: readonly Question[];
  choices: readonly Choice[];
  missing: readonly number[];
  onChange: (choices: Choice[]) => void;
}) {
  const { questions, choices, missing, onChange } = props;
  return (
    <>
      {questions.map((question, index) => (
        <OneQuestion
          key={index}
          question={question}
          choice={choices[index] ?? NO_CHOICE}
          isMissing={missing.includes(index)}
          onChange={(choice) =>
            onChange(questions.map((_, at) => (at === index ? choice : (choices[at] ?? NO_CHOICE))))
          }
        />
      ))}
    </>
  );
}

function OneQuestion(props: {
  question: Question;
  choice: Choice;
  isMissing: boolean;
  onChange: (choice: Choice) => void;
}) {
  const { question, choice, isMissing, onChange } = props;
  const id = useId();
  return (
    <fieldset class="question" aria-describedby={isMissing ? `${id}-error` : undefined}>
      <legend>
        <span class="muted">{visible(question.header)}</span> {visible(question.question)}
      </legend>
      {question.options.map(({ label, description }) => (
        <label key={label}>
          <input
            type={question.multiple ? 'checkbox' : 'radio'}
            name={id}
            checked={choice.labels.includes(label)}
            onChange={({ currentTarget }) => onChange(choose(question, choice, label, currentTarget.checked))}
          />
          <span>
            {visible(label)}
            {description && description !== label && <span class="muted"> {visible(description)}</span>}
          </span>
        </label>
      ))}
      <input
        class="question-text"
        aria-label={question.options.length > 0 ? 'Another answer' : 'Answer'}
        placeholder={question.options.length > 0 ? 'Another answer' : 'Answer'}
        value={choice.text}
        onInput={({ currentTarget }) => onChange(write(question, choice, currentTarget.value))}
      />
      {isMissing && (
        <p class="field-error" role="alert" id={`${id}-error`}>
          {question.options.length > 0 ? 'Choose an answer or write one.' : 'Write an answer.'}
        </p>
      )}
    </fieldset>
  );
}
