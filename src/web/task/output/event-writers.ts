import type { TaskEvent } from '../../api/task.ts';
import { Projector } from './projector.ts';
import { textOfRow } from './row-text.ts';

/** Writes the events of a task, which come by pages. */
interface EventWriter {
  write(events: readonly TaskEvent[]): string;
  end(): string;
}

/** One event a line, as the API gives it. */
export class JsonLines implements EventWriter {
  write(events: readonly TaskEvent[]): string {
    return events.map((event) => `${JSON.stringify(event)}\n`).join('');
  }

  end(): string {
    return '';
  }
}

/** The rows as text. A row is written when no later event can change it any more. */
export class TextLines implements EventWriter {
  readonly #projector = new Projector();

  write(events: readonly TaskEvent[]): string {
    for (const event of events) this.#projector.add(event);
    let text = '';
    let last = 0;
    for (const row of this.#projector.rows.values()) {
      if (row.type === 'tool' && row.state === 'running') break;
      text += `${textOfRow(row)}\n`;
      last = row.id;
    }
    this.#projector.dropBefore(last + 1);
    return text;
  }

  end(): string {
    let text = '';
    for (const row of this.#projector.rows.values()) text += `${textOfRow(row)}\n`;
    return text;
  }
}
