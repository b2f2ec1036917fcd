import type { TaskEvent } from '../../api/task.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { visible } from '../../parts/plain-text.ts';
import { summaryOf } from './event-filter.ts';

const SUMMARY = 300;
/** Characters of an event that are shown; a text of megabytes would stop the browser. */
const MAX_JSON = 100_000;
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});

interface EventRowProps {
  event: TaskEvent;
  isOpen: boolean;
  onToggle: (seq: number) => void;
}

/** An event in one line, and as JSON below it. */
export function EventRow({ event, isOpen, onToggle }: EventRowProps) {
  return (
    <div class="event">
      <button type="button" class="line" aria-expanded={isOpen} onClick={() => onToggle(event.seq)}>
        <span class="seq">{event.seq}</span>
        <time class="at" dateTime={event.at} title={event.at}>
          {CLOCK.format(new Date(event.at))}
        </time>
        <span class="event-kind">{event.kind}</span>
        <span class="summary">{visible(summaryOf(event, SUMMARY))}</span>
      </button>
      {isOpen && <Json event={event} />}
    </div>
  );
}

function Json({ event }: { event: TaskEvent }) {
  const json = JSON.stringify(event, undefined, 2);
  return (
    <div class="json">
      <CopyButton label={`event ${event.seq} as JSON`} text={json} />
      <pre>{visible(json.slice(0, MAX_JSON))}</pre>
      {json.length > MAX_JSON && (
        <p class="muted">
          {(json.length - MAX_JSON).toLocaleString()} more characters; copy the event to have all.
        </p>
      )}
    </div>
  );
}
