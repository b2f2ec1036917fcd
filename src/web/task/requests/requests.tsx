import { useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import { useKeptFocus } from '../../parts/kept-focus.ts';
import { visible } from '../../parts/plain-text.ts';
import type { TaskLog } from '../task-log.ts';
import { AnswerOnce } from './answer-state.ts';
import { type Answer, RequestCard } from './request-card.tsx';
import { closingInWords, ShownRequests } from './shown-requests.ts';
import './requests.css';

/** The open permissions and questions of a task, and how those were closed that were open here. */
export function Requests({ log }: { log: TaskLog }) {
  const shown = useMemo(() => new ShownRequests(log.task.peek()?.last_seq ?? 0), [log]);
  const sendings = useMemo(() => new Map<string, AnswerOnce>(), [log]);
  const [, redraw] = useState(0);
  const section = useRef<HTMLElement>(null);
  log.version.value;
  shown.update(log.task.value?.requests ?? [], log.since(shown.seq));
  const cards = shown.open;

  const focusEvents = useKeptFocus(section, cards.length);

  const answer = (requestId: string, once: AnswerOnce, body: Answer): void => {
    void once.send(async () => {
      await api.post(`/tasks/${log.taskId}/requests/${encodeURIComponent(requestId)}`, body);
      void log.refresh();
    });
  };
  if (cards.length === 0 && shown.closed.length === 0) return null;
  return (
    <section class="requests" aria-label="Requests" tabIndex={-1} ref={section} {...focusEvents}>
      {shown.closed.map(({ request, closing }) => (
        <p class="request-closed" key={request.id}>
          <span>
            {visible(closingInWords(closing, sendings.get(request.id)?.state.peek().phase === 'sent'))}{' '}
            <span class="muted">{visible(request.title)}</span>
          </span>
          <button
            type="button"
            class="quiet"
            onClick={() => {
              shown.dismiss(request.id);
              redraw((count) => count + 1);
            }}
          >
            Dismiss
          </button>
        </p>
      ))}
      {cards.map((request) => {
        const once = sendings.get(request.id) ?? new AnswerOnce();
        sendings.set(request.id, once);
        return (
          <RequestCard
            key={request.id}
            request={request}
            once={once}
            onAnswer={(body) => answer(request.id, once, body)}
          />
        );
      })}
    </section>
  );
}
