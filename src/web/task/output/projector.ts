import type { EventOf, TaskEvent } from '../../api/task.ts';
import { answerNote, noteOf } from './notes.ts';
import type { CallState, LogRow, ToolRow } from './rows.ts';
import { terminalLines } from './terminal-lines.ts';

/** The tool that runs a subagent. */
const SUBAGENT = 'task';

/**
 * Rows from events. Each event costs the same, however many there were: it appends a row, or replaces one.
 */
export class Projector {
  /** By id, in the order of the ids. */
  readonly rows = new Map<number, LogRow>();
  /** Calls that have not finished: their rows. */
  readonly #open = new Map<string, number>();
  /** The calls that run a subagent now. */
  readonly #subagents = new Set<string>();
  readonly #requests = new Map<string, string>();
  #directory = '';
  #lastCall: number | undefined;

  get hasSubagents(): boolean {
    return this.#subagents.size > 0;
  }

  /** The ids of the rows that the event appended or replaced. */
  add(event: TaskEvent): number[] {
    switch (event.kind) {
      case 'tool':
        return event.phase === 'started' ? this.#start(event) : this.#finish(event);
      case 'file_changed':
        if (this.#isWrittenByLastCall(event)) return this.#retitle(event.path);
        break;
      case 'created':
        this.#directory = event.directory;
        break;
      case 'request_opened':
        this.#requests.set(event.request.id, event.request.title);
        break;
      case 'request_closed': {
        const title = this.#requests.get(event.request_id);
        this.#requests.delete(event.request_id);
        return this.#append({ id: event.seq, at: event.at, type: 'note', ...answerNote(event, title) });
      }
      case 'completed':
      case 'failed':
      case 'timeout':
      case 'cancelled':
        return [...this.#loseCalls(), ...this.#note(event)];
    }
    return this.#note(event);
  }

  /** Forgets the rows before an id. */
  dropBefore(id: number): void {
    for (const key of this.rows.keys()) {
      if (key >= id) break;
      this.rows.delete(key);
    }
  }

  #note(event: TaskEvent): number[] {
    const note = noteOf(event);
    if (!note) return [];
    return this.#append({
      id: event.seq,
      at: event.at,
      type: 'note',
      ...note,
      text: note.text.includes('\r') ? terminalLines(note.text) : note.text,
    });
  }

  #append(row: LogRow): number[] {
    this.rows.set(row.id, row);
    return [row.id];
  }

  #start(event: EventOf<'tool'>): number[] {
    const { seq: id, at, call_id: callId, tool, parent_call_id: parent } = event;
    this.#open.set(callId, id);
    if (tool === SUBAGENT) this.#subagents.add(callId);
    return this.#append({
      ...{ id, at, type: 'tool', kind: 'tool', severity: 'info', parent, callId, tool },
      title: this.#relative(event.title),
      state: 'running',
      text: '',
    });
  }

  /** In Docker mode, and where the oldest rows were dropped, a call has no start. */
  #finish(event: EventOf<'tool'>): number[] {
    const id = this.#open.get(event.call_id);
    const begun = id === undefined ? undefined : this.rows.get(id);
    const row = begun ?? this.rows.get(this.#start(event)[0] ?? event.seq);
    this.#open.delete(event.call_id);
    this.#subagents.delete(event.call_id);
    if (row?.type !== 'tool') return [];
    this.#lastCall = row.id;
    const failed = event.ok === false;
    return this.#replace(row, failed ? 'failed' : 'ok', {
      severity: failed ? 'warning' : 'info',
      title: this.#relative(event.title),
      text: terminalLines(event.output ?? ''),
      exitCode: event.exit_code,
      durationMs: event.duration_ms,
    });
  }

  /** What still ran when the task ended. */
  #loseCalls(): number[] {
    const ids = [...this.#open.values()].flatMap((id) => {
      const row = this.rows.get(id);
      return row?.type === 'tool' ? this.#replace(row, 'lost', {}) : [];
    });
    this.#open.clear();
    this.#subagents.clear();
    return ids;
  }

  #replace(row: ToolRow, state: CallState, change: Partial<ToolRow>): number[] {
    return this.#append({ ...row, ...change, state });
  }

  /** The event that a file changed comes right behind the call that wrote it, whose title is the same path. */
  #isWrittenByLastCall({ path, tool }: EventOf<'file_changed'>): boolean {
    const row = this.#lastCall === undefined ? undefined : this.rows.get(this.#lastCall);
    return (
      row?.type === 'tool' && row.tool === tool && (row.title === path || row.title.endsWith(`/${path}`))
    );
  }

  #retitle(path: string): number[] {
    const row = this.#lastCall === undefined ? undefined : this.rows.get(this.#lastCall);
    if (row?.type !== 'tool' || row.title === path) return [];
    return this.#append({ ...row, title: path });
  }

  #relative(title: string): string {
    const prefix = `${this.#directory}/`;
    return this.#directory && title.startsWith(prefix) ? title.slice(prefix.length) : title;
  }
}
