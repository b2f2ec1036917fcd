import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import type { TaskEvent, TaskEventBody, Usage } from '../../tasks/events.ts';
import { toolEvents } from '../opencode-protocol/translate.ts';
import { type partSchema, todosSchema } from '../opencode-protocol/wire.ts';
import { CliWarnings } from './cli-warnings.ts';
import { EventDeduplicator } from './event-deduplicator.ts';
import { LineSplitter } from './line-splitter.ts';
import { loggedSize } from './logged-size.ts';
import { isJson, KNOWN_TYPES, type Line, lineSchema, parseJsonObject } from './run-line.ts';
import { emptyReport, type RunReport } from './run-report.ts';
import { UsageCounter } from './usage-counter.ts';

/** Characters after which the summary takes no further text; more than a result shows. */
const SUMMARY_LENGTH = 10_000;
/** OpenCode's longest line holds an image, which it scales down: 4.6 MB (measured with 1.18.33). */
const MAX_LINE_BYTES = 16 * 2 ** 20;
const DEFAULT_LIMITS: OutputLimits = { line: MAX_LINE_BYTES, total: Number.POSITIVE_INFINITY };

/** How much is read, in bytes. */
export interface OutputLimits {
  /** Of one line. */
  line: number;
  /** Of the whole output, measured in the log of the container. */
  total: number;
}

/**
 * Turns the output of `opencode run --format json` into task events. The output can be read from its beginning any
 * number of times (`restart`): each finished part is emitted once.
 */
export class RunOutput {
  readonly #directory: string;
  readonly #limits: OutputLimits;
  readonly #events: EventDeduplicator;
  readonly #warnings: CliWarnings;
  readonly #usage: UsageCounter;
  #streams: Record<'stdout' | 'stderr', LineSplitter>;
  #size = 0;
  #report = emptyReport();
  #lastMessageId = '';

  /** `past` is the task's log, `before` what the task had used before this run. */
  constructor(
    directory: string,
    past: readonly TaskEvent[],
    before: Usage,
    limits: Partial<OutputLimits> = {},
  ) {
    this.#directory = directory;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#events = new EventDeduplicator(past);
    this.#warnings = new CliWarnings(this.#events);
    this.#usage = new UsageCounter(before, past);
    this.#streams = this.#newStreams();
  }

  get report(): Readonly<RunReport> {
    return this.#report;
  }

  get usage(): Usage {
    return this.#usage.usage;
  }

  /** What follows is the same output from its beginning. */
  restart(): void {
    this.#streams = this.#newStreams();
    this.#size = 0;
    this.#report = emptyReport();
    this.#usage.restart();
    this.#lastMessageId = '';
  }

  /** The events of a chunk of any size. */
  read(stream: 'stdout' | 'stderr', chunk: Buffer): TaskEventBody[] {
    this.#size += loggedSize(chunk);
    if (this.#size >= this.#limits.total) this.#report.outputLimitReached = true;
    if (this.#report.outputLimitReached) return [];
    const { lines, dropped } = this.#streams[stream].read(chunk);
    const events = lines.flatMap((line) => this.#onLine(line));
    if (dropped === 0) return events;
    const warning = `A line of the container's output was longer than ${this.#limits.line} bytes. It was dropped, and its content is lost.`;
    return [...events, ...this.#warnings.warn(warning)];
  }

  /** The output has ended. Its last line counts without a newline too, unless it is incomplete JSON. */
  end(): TaskEventBody[] {
    if (this.#report.outputLimitReached) return [];
    const { stdout, stderr } = this.#streams;
    const last = stdout.flush();
    const complete = isJson(last) || !last.startsWith('{');
    return [...(complete ? [last] : []), stderr.flush()].flatMap((line) => this.#onLine(line));
  }

  #onLine(raw: string): TaskEventBody[] {
    const text = stripVTControlCharacters(raw).trim();
    if (text === '') return [];
    const json = parseJsonObject(text);
    if (json === undefined) return this.#warnings.read(text, this.#report);
    const line = lineSchema.safeParse(json);
    if (line.success) return this.#onJsonLine(line.data);
    const { type } = z.object({ type: z.unknown() }).catch({ type: undefined }).parse(json);
    if (!KNOWN_TYPES.has(type)) return [];
    return this.#warnings.warn(`OpenCode wrote a line "${type}" in an unknown format.`);
  }

  #onJsonLine(line: Line): TaskEventBody[] {
    if (line.sessionID !== undefined) this.#report.session = line.sessionID;
    switch (line.type) {
      case 'step_start':
        this.#report.finish = undefined;
        this.#report.error = undefined;
        return [];
      case 'text':
        return this.#onText(line.part);
      case 'tool_use':
        return this.#onTool(line.part);
      case 'step_finish':
        this.#report.finish = line.part.reason;
        return this.#usage.add(line.part);
      case 'error':
        this.#report.error = line.error;
        return [];
    }
  }

  #onText(part: z.infer<typeof partSchema>): TaskEventBody[] {
    if (part.type !== 'text' || part.synthetic || part.ignored) return [];
    const text = part.text.trim();
    if (text === '') return [];
    const { summary } = this.#report;
    if (part.messageID !== this.#lastMessageId) this.#report.summary = text;
    else if (summary.length < SUMMARY_LENGTH) this.#report.summary = `${summary}\n\n${text}`;
    this.#lastMessageId = part.messageID;
    return this.#events.once({
      kind: 'output',
      text: part.text,
      message_id: part.messageID,
      part_id: part.id,
    });
  }

  #onTool(part: z.infer<typeof partSchema>): TaskEventBody[] {
    if (part.type !== 'tool') return [];
    const [finished, ...rest] = toolEvents(part, this.#directory);
    if (!finished || this.#events.once(finished).length === 0) return [];
    const todos = part.tool === 'todowrite' ? todosSchema.safeParse(part.state.input.todos).data : undefined;
    return [finished, ...rest, ...(todos ? [{ kind: 'todo' as const, items: todos }] : [])];
  }

  #newStreams(): Record<'stdout' | 'stderr', LineSplitter> {
    const { line } = this.#limits;
    return { stdout: new LineSplitter(line), stderr: new LineSplitter(line) };
  }
}
