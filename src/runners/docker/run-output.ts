import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import type { TaskEvent, TaskEventBody, Usage } from '../../tasks/events.ts';
import { NO_USAGE, tokensOf } from '../../tasks/events.ts';
import { head } from '../../text.ts';
import { type Spending, sumUsage, toolEvents } from '../opencode-protocol/translate.ts';
import { type OpenCodeError, type partSchema, todosSchema } from '../opencode-protocol/wire.ts';
import { LineSplitter } from './line-splitter.ts';
import { loggedSize } from './logged-size.ts';
import { isJson, KNOWN_TYPES, type Line, lineSchema, parseJsonObject } from './run-line.ts';

/** Characters of a line that are told. */
const LINE_LIMIT = 500;
/** Lines that are none of ours are told up to this many, and so are rejected permissions. */
const NOISE_LIMIT = 20;
/** More than a result shows. */
const SUMMARY_ENOUGH = 10_000;
/** The longest line of OpenCode holds an image, which it scales down: 4.6 MB (measured with 1.18.33). */
const LONGEST_LINE = 16 * 2 ** 20;
const LIMITS: OutputLimits = { line: LONGEST_LINE, total: Number.POSITIVE_INFINITY };

const UNKNOWN_AGENT = /^! +agent "(.*)" not found/;
const AUTO_REJECTED = /^! +permission requested: (.*); auto-rejecting/;

/** What the output says so far about how the run goes. */
export interface RunReport {
  /** OpenCode's own session. */
  session?: string | undefined;
  /** The last words of the model. */
  summary: string;
  /** Why the last step ended; absent while one is under way, or before the first. */
  finish?: string | undefined;
  /** Unless OpenCode went on after it. */
  error?: OpenCodeError | undefined;
  unknownAgent?: string | undefined;
  /** Permissions that the CLI rejected by itself, the last ones. */
  rejectedPermissions: string[];
  /** Whether there is more output than a run may write; what came after is not read. */
  outputLimitReached?: boolean | undefined;
  /** The last line that was not JSON. */
  lastPlainLine?: string | undefined;
}

/** How much is read, in bytes. */
export interface OutputLimits {
  /** Of one line. */
  line: number;
  /** Of all, as it stands in the log of the container. */
  total: number;
}

/** Turns the output of `opencode run --format json` into task events, each finished part once, however often it is read. */
export class RunOutput {
  readonly #directory: string;
  readonly #told: Set<string>;
  /** What was used before this run. */
  readonly #before: Usage;
  readonly #limits: OutputLimits;
  /** Steps that are in `#usage`. */
  #counted = new Set<string>();
  #usage: Usage;
  #toldUsage: Usage;
  #streams: Record<'stdout' | 'stderr', LineSplitter>;
  #size = 0;
  #noise = 0;
  #rejections = 0;
  #findings: RunReport = { summary: '', rejectedPermissions: [] };
  #speaker = '';

  /** `before` and `past`: what the task had used before this run, and what its log holds already. */
  constructor(
    directory: string,
    past: readonly TaskEvent[],
    before: Usage,
    limits: Partial<OutputLimits> = {},
  ) {
    this.#directory = directory;
    this.#before = before;
    this.#usage = before;
    this.#limits = { ...LIMITS, ...limits };
    this.#streams = this.#fresh();
    this.#told = new Set(past.flatMap((event) => keyOf(event) ?? []));
    this.#toldUsage = past.findLast((event) => event.kind === 'usage')?.usage ?? NO_USAGE;
  }

  get report(): Readonly<RunReport> {
    return this.#findings;
  }

  get usage(): Usage {
    return this.#usage;
  }

  /** What follows is the same output from its beginning. */
  restart(): void {
    this.#streams = this.#fresh();
    this.#size = 0;
    this.#findings = { summary: '', rejectedPermissions: [] };
    this.#counted = new Set();
    this.#usage = this.#before;
    this.#speaker = '';
  }

  /** Some bytes of a stream, cut anywhere. */
  read(stream: 'stdout' | 'stderr', chunk: Buffer): TaskEventBody[] {
    this.#size += loggedSize(chunk);
    if (this.#size >= this.#limits.total) this.#findings.outputLimitReached = true;
    if (this.#findings.outputLimitReached) return [];
    const { lines, dropped } = this.#streams[stream].read(chunk);
    const events = lines.flatMap((line) => this.#line(line));
    return dropped === 0 ? events : [...events, ...this.#warn('ENGINE_OUTPUT', this.#tooLong)];
  }

  /** The output has ended; a line without its end counts if it is whole. */
  end(): TaskEventBody[] {
    if (this.#findings.outputLimitReached) return [];
    const { stdout, stderr } = this.#streams;
    const cut = stdout.flush();
    const whole = isJson(cut) || !cut.startsWith('{');
    return [...(whole ? [cut] : []), stderr.flush()].flatMap((line) => this.#line(line));
  }

  #line(raw: string): TaskEventBody[] {
    const text = stripVTControlCharacters(raw).trim();
    if (text === '') return [];
    const json = parseJsonObject(text);
    if (json === undefined) return this.#onNoise(text);
    const line = lineSchema.safeParse(json);
    if (line.success) return this.#onLine(line.data);
    const { type } = z.object({ type: z.unknown() }).catch({ type: undefined }).parse(json);
    return KNOWN_TYPES.has(type)
      ? this.#warn('ENGINE_OUTPUT', `OpenCode wrote a line "${type}" in an unknown shape.`)
      : [];
  }

  #onLine(line: Line): TaskEventBody[] {
    if (line.sessionID !== undefined) this.#findings.session = line.sessionID;
    switch (line.type) {
      case 'step_start':
        this.#findings.finish = undefined;
        this.#findings.error = undefined;
        return [];
      case 'text':
        return this.#onText(line.part);
      case 'tool_use':
        return this.#onTool(line.part);
      case 'step_finish':
        this.#findings.finish = line.part.reason;
        this.#count(line.part);
        return this.#tellUsage();
      case 'error':
        this.#findings.error = line.error;
        return [];
    }
  }

  #onText(part: z.infer<typeof partSchema>): TaskEventBody[] {
    if (part.type !== 'text' || part.synthetic || part.ignored) return [];
    const text = part.text.trim();
    if (text === '') return [];
    const goesOn = part.messageID === this.#speaker;
    const { summary } = this.#findings;
    if (!goesOn) this.#findings.summary = text;
    else if (summary.length < SUMMARY_ENOUGH) this.#findings.summary = `${summary}\n\n${text}`;
    this.#speaker = part.messageID;
    return this.#once({ kind: 'output', text: part.text, message_id: part.messageID, part_id: part.id });
  }

  #onTool(part: z.infer<typeof partSchema>): TaskEventBody[] {
    if (part.type !== 'tool') return [];
    const [finished, ...rest] = toolEvents(part, this.#directory);
    if (!finished || this.#once(finished).length === 0) return [];
    const todos = part.tool === 'todowrite' ? todosSchema.safeParse(part.state.input.todos).data : undefined;
    return [finished, ...rest, ...(todos ? [{ kind: 'todo' as const, items: todos }] : [])];
  }

  #onNoise(text: string): TaskEventBody[] {
    const line = head(text, LINE_LIMIT);
    this.#findings.lastPlainLine = line;
    this.#findings.unknownAgent ??= UNKNOWN_AGENT.exec(text)?.[1];
    const permission = AUTO_REJECTED.exec(text)?.[1];
    if (permission !== undefined) {
      return this.#onRejected(head(permission, LINE_LIMIT));
    }
    return this.#noise < NOISE_LIMIT ? this.#warn('ENGINE_OUTPUT', line) : [];
  }

  #onRejected(permission: string): TaskEventBody[] {
    this.#findings.rejectedPermissions = [...this.#findings.rejectedPermissions, permission].slice(
      -NOISE_LIMIT,
    );
    if (this.#rejections >= NOISE_LIMIT) return [];
    const message = `Rejected by policy: ${permission}`;
    const told = this.#once({ kind: 'warning', code: 'PERMISSION_REJECTED', message });
    this.#rejections += told.length;
    return told;
  }

  get #tooLong(): string {
    return `A line of the container's output was longer than ${this.#limits.line} bytes and is left out; what it told is not known.`;
  }

  #warn(code: string, message: string): TaskEventBody[] {
    const told = this.#once({ kind: 'warning', code, message });
    this.#noise += told.length;
    return told;
  }

  #once(event: TaskEventBody): TaskEventBody[] {
    const key = keyOf(event);
    if (key === undefined || this.#told.has(key)) return [];
    this.#told.add(key);
    return [event];
  }

  #count(step: Spending & { id: string }): void {
    if (this.#counted.has(step.id)) return;
    this.#counted.add(step.id);
    this.#usage = sumUsage([step], this.#usage);
  }

  #fresh(): Record<'stdout' | 'stderr', LineSplitter> {
    const { line } = this.#limits;
    return { stdout: new LineSplitter(line), stderr: new LineSplitter(line) };
  }

  #tellUsage(): TaskEventBody[] {
    const { usage } = this;
    if (tokensOf(usage) <= tokensOf(this.#toldUsage)) return [];
    this.#toldUsage = usage;
    return [{ kind: 'usage', usage }];
  }
}

/** What an event is known by, so that it is told once. */
function keyOf(event: TaskEventBody): string | undefined {
  if (event.kind === 'output') return `part ${event.part_id}`;
  if (event.kind === 'tool' && event.phase === 'finished') return `call ${event.call_id}`;
  return event.kind === 'warning' ? `${event.code} ${event.message}` : undefined;
}
