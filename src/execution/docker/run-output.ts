import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import type { TaskEvent, TaskEventBody, Usage } from '../../tasks/events.ts';
import { NO_USAGE, tokensOf } from '../../tasks/events.ts';
import { head } from '../../text.ts';
import { type Spending, sumUsage, toolEvents } from '../opencode/translate.ts';
import { errorSchema, type OpenCodeError, partSchema, todosSchema, tokensSchema } from '../opencode/wire.ts';

const LINE_LIMIT = 500;
/** Lines that are none of ours are told up to this many. */
const NOISE_LIMIT = 20;

const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('step_start'), sessionID: z.string() }),
  z.object({ type: z.literal('text'), sessionID: z.string(), part: partSchema }),
  z.object({ type: z.literal('tool_use'), sessionID: z.string(), part: partSchema }),
  z.object({
    type: z.literal('step_finish'),
    sessionID: z.string(),
    part: z.object({ id: z.string(), reason: z.string(), cost: z.number(), tokens: tokensSchema }),
  }),
  z.object({ type: z.literal('error'), sessionID: z.string().optional(), error: errorSchema }),
]);
type Line = z.infer<typeof lineSchema>;

const KNOWN: ReadonlySet<unknown> = new Set(lineSchema.options.map((option) => option.shape.type.value));
const UNKNOWN_AGENT = /^! +agent "(.*)" not found/;
const AUTO_REJECTED = /^! +permission requested: (.*); auto-rejecting/;

/** What the output says so far about how the run goes. */
export interface Findings {
  /** OpenCode's own session. */
  session?: string | undefined;
  /** The last words of the model. */
  summary: string;
  /** Why the last step ended; absent while one is under way, or before the first. */
  finish?: string | undefined;
  /** Unless OpenCode went on after it. */
  error?: OpenCodeError | undefined;
  unknownAgent?: string | undefined;
  /** Permissions that the CLI rejected by itself. */
  rejected: string[];
  /** The last line that was not JSON. */
  lastNoise?: string | undefined;
}

/** Turns the output of `opencode run --format json` into task events, each finished part once, however often it is read. */
export class RunOutput {
  readonly #directory: string;
  readonly #told: Set<string>;
  /** What was used before this run. */
  readonly #before: Usage;
  #spent = new Map<string, Spending>();
  #toldUsage: Usage;
  #streams = { stdout: new Lines(), stderr: new Lines() };
  #noise = 0;
  #findings: Findings = { summary: '', rejected: [] };
  #speaker = '';

  /** `before` and `past`: what the task had used before this run, and what its log holds already. */
  constructor(directory: string, past: readonly TaskEvent[], before: Usage) {
    this.#directory = directory;
    this.#before = before;
    this.#told = new Set(past.flatMap((event) => keyOf(event) ?? []));
    this.#toldUsage = past.findLast((event) => event.kind === 'usage')?.usage ?? NO_USAGE;
  }

  get findings(): Readonly<Findings> {
    return this.#findings;
  }

  get usage(): Usage {
    return sumUsage(this.#spent.values(), this.#before);
  }

  /** What follows is the same output from its beginning. */
  restart(): void {
    this.#streams = { stdout: new Lines(), stderr: new Lines() };
    this.#findings = { summary: '', rejected: [] };
    this.#spent = new Map();
    this.#speaker = '';
  }

  /** Some bytes of a stream, cut anywhere. */
  read(stream: 'stdout' | 'stderr', chunk: Buffer): TaskEventBody[] {
    return this.#streams[stream].read(chunk).flatMap((line) => this.#line(line));
  }

  /** The output has ended; a line without its end counts if it is whole. */
  end(): TaskEventBody[] {
    const { stdout, stderr } = this.#streams;
    const cut = stdout.rest();
    const whole = isJson(cut) || !cut.startsWith('{');
    return [...(whole ? [cut] : []), stderr.rest()].flatMap((line) => this.#line(line));
  }

  #line(raw: string): TaskEventBody[] {
    const text = stripVTControlCharacters(raw).trim();
    if (text === '') return [];
    const json = parse(text);
    if (json === undefined) return this.#onNoise(text);
    const line = lineSchema.safeParse(json);
    if (line.success) return this.#onLine(line.data);
    const { type } = z.object({ type: z.unknown() }).catch({ type: undefined }).parse(json);
    return KNOWN.has(type)
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
        this.#spent.set(line.part.id, line.part);
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
    this.#findings.summary = goesOn ? `${this.#findings.summary}\n\n${text}` : text;
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
    this.#findings.lastNoise = line;
    this.#findings.unknownAgent ??= UNKNOWN_AGENT.exec(text)?.[1];
    const permission = AUTO_REJECTED.exec(text)?.[1];
    if (permission !== undefined) {
      this.#findings.rejected.push(permission);
      return this.#warn('PERMISSION_REJECTED', `Rejected by policy: ${head(permission, LINE_LIMIT)}`);
    }
    return this.#noise < NOISE_LIMIT ? this.#warn('ENGINE_OUTPUT', line) : [];
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

function parse(text: string): unknown {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  return parse(text) !== undefined;
}

/** Cuts bytes into lines, wherever they come apart. */
class Lines {
  readonly #decoder = new StringDecoder('utf8');
  #open = '';

  read(chunk: Buffer): string[] {
    const lines = (this.#open + this.#decoder.write(chunk)).split('\n');
    this.#open = lines.pop() ?? '';
    return lines;
  }

  rest(): string {
    const rest = this.#open + this.#decoder.end();
    this.#open = '';
    return rest;
  }
}
