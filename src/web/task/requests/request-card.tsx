import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { InputRequest } from '../../api/task.ts';
import { Key } from '../../parts/key.tsx';
import { visible } from '../../parts/plain-text.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import type { AnswerOnce } from './answer-state.ts';
import { Deadline } from './deadline.tsx';
import { Permission } from './permission.tsx';
import { answersOf, type Choice } from './question-answers.ts';
import { Questions } from './questions.tsx';
import { Rejection } from './rejection.tsx';

const UNARMED_MS = 500;

/** The body of POST /tasks/{task_id}/requests/{request_id}. */
export interface Answer {
  reply?: 'once' | 'always' | 'reject';
  answers?: string[][];
  message?: string;
}

/** An open permission or question, and what one can answer. Its keys work while the focus is in it. */
export function RequestCard(props: {
  request: InputRequest;
  once: AnswerOnce;
  onAnswer: (answer: Answer) => void;
}) {
  const { request, once, onAnswer } = props;
  const [rejecting, setRejecting] = useState(false);
  const [choices, setChoices] = useState<Choice[]>([]);
  const [missing, setMissing] = useState<readonly number[]>([]);
  const card = useRef<HTMLFormElement>(null);
  const titleId = useId();
  const { phase, problem } = once.state.value;
  const armed = useArmed();
  const busy = phase !== 'open' || !armed;
  const isQuestion = request.type === 'question';
  const questions = request.questions ?? [];

  const answer = (given: Answer): void => {
    if (armed) onAnswer(given);
  };
  const send = (): void => {
    if (!isQuestion) return;
    const result = answersOf(questions, choices);
    setMissing('missing' in result ? result.missing : []);
    if ('answers' in result) answer({ answers: result.answers });
  };
  const reject = (message: string): void => {
    answer({ reply: 'reject', ...(message.trim() && { message: message.trim() }) });
  };
  const back = (): void => {
    setRejecting(false);
    card.current?.focus();
  };
  const startRejecting = (): void => setRejecting(true);
  const allow = (reply: 'once' | 'always') => (): void => answer({ reply });
  const keys: Record<string, () => void> = isQuestion
    ? { r: startRejecting }
    : { o: allow('once'), a: allow('always'), r: startRejecting };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.metaKey || event.isComposing || rejecting) return;
    const action = event.ctrlKey
      ? isQuestion && event.key === 'Enter' && send
      : !isTextField(event.target) && keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  return (
    <form
      ref={card}
      class="request"
      aria-labelledby={titleId}
      tabIndex={-1}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onKeyDown={onKeyDown}
    >
      <h3 id={titleId}>{isQuestion ? questionsInWords(questions.length) : visible(request.title)}</h3>
      {isQuestion ? (
        <Questions questions={questions} choices={choices} missing={missing} onChange={setChoices} />
      ) : (
        <Permission request={request} />
      )}
      {request.expires_at && <Deadline at={request.expires_at} />}
      {rejecting ? (
        <Rejection disabled={busy} onReject={reject} onBack={back} />
      ) : (
        <div class="request-buttons">
          {isQuestion ? (
            <button type="submit" class="primary" aria-keyshortcuts="Control+Enter" aria-disabled={busy}>
              Answer <Key name="Ctrl Enter" />
            </button>
          ) : (
            <>
              <button
                type="button"
                class="primary"
                aria-disabled={busy}
                aria-keyshortcuts="o"
                onClick={allow('once')}
              >
                Once <Key name="O" />
              </button>
              <button type="button" aria-disabled={busy} aria-keyshortcuts="a" onClick={allow('always')}>
                Always <Key name="A" />
              </button>
            </>
          )}
          <button
            type="button"
            class="danger"
            aria-disabled={busy}
            aria-keyshortcuts="r"
            onClick={startRejecting}
          >
            Reject… <Key name="R" />
          </button>
        </div>
      )}
      {phase === 'sending' && <p class="muted">Sending…</p>}
      {phase === 'sent' && <p class="muted">Sent.</p>}
      {problem && <ProblemNote problem={problem} />}
    </form>
  );
}

/** Whether the card is there for long enough to be seen: a click or key in flight was meant for what was there before. */
function useArmed(): boolean {
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setArmed(true), UNARMED_MS);
    return () => clearTimeout(timer);
  }, []);
  return armed;
}

function questionsInWords(count: number): string {
  return count === 1 ? 'A question' : `${count} questions`;
}

/** Whether a key is meant for what has the focus. */
function isTextField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLTextAreaElement ||
    (target instanceof HTMLInputElement && !['radio', 'checkbox'].includes(target.type))
  );
}
