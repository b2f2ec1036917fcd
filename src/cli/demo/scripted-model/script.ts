import { z } from 'zod';

const ToolUseSchema = z.strictObject({ name: z.string(), args: z.record(z.string(), z.unknown()) });

const FailureSchema = z.strictObject({
  status: z.int().min(400).max(599),
  /** How often this step fails before it works; absent = for ever. */
  times: z.int().positive().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
});

const TokensSchema = z.int().nonnegative();

const UsageSchema = z.strictObject({
  /** Tokens of the prompt that were not read from a cache and not written to one. */
  input: TokensSchema,
  /** All tokens of the answer, those of the reasoning too. */
  output: TokensSchema,
  cacheRead: TokensSchema.optional(),
  cacheWrite: TokensSchema.optional(),
  reasoning: TokensSchema.optional(),
  /** US dollars, which only OpenRouter reports. */
  cost: z.number().nonnegative().optional(),
});

/** One answer of the model as data. */
const StepSchema = z.strictObject({
  text: z.string().optional(),
  reasoning: z.string().optional(),
  /** How many deltas the text is split into. */
  chunks: z.int().positive().optional(),
  /** Milliseconds between two deltas. */
  delayMs: z.number().nonnegative().optional(),
  /** Milliseconds before the response headers. */
  startDelayMs: z.number().nonnegative().optional(),
  tools: z.array(ToolUseSchema).optional(),
  usage: UsageSchema.optional(),
  finish: z.enum(['stop', 'length', 'tool_calls', 'content_filter']).optional(),
  /** Nothing more is sent: before the headers, or after about half of the deltas. */
  hang: z.enum(['headers', 'mid']).optional(),
  /** The socket is destroyed after about half of the deltas. */
  cut: z.literal(true).optional(),
  /** The answer ends in order after about half of it, without the events that close a stream. */
  truncate: z.literal(true).optional(),
  /** A stream ends with an error event of this message after about half of the deltas. */
  streamError: z.string().optional(),
  fail: FailureSchema.optional(),
});

/** The answers of the model to one user message, in order. */
const ScriptSchema = z.array(StepSchema);

/** A script for every user message that contains `when` (case-insensitive). */
const RuleSchema = z.strictObject({ when: z.string().min(1), steps: ScriptSchema });

export type Step = z.infer<typeof StepSchema>;
export type Script = z.infer<typeof ScriptSchema>;
export type Rule = z.infer<typeof RuleSchema>;

/** Whether the answer ends before its end. */
export function isInterrupted({ cut, hang, truncate, streamError }: Step): boolean {
  return cut === true || hang === 'mid' || truncate === true || streamError !== undefined;
}

/** A `<<[…]>>` in a message is not a script; the message says why. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
}

const OPEN = '<<[';

/** The script as it is written into a prompt: `<<[…]>>`. */
export function scriptText(steps: Script): string {
  return `<<${JSON.stringify(steps)}>>`;
}

/** The last script in the text; a script inside a string of another script does not count. */
export function findScript(text: string): Script | undefined {
  let found: Script | undefined;
  let at = text.indexOf(OPEN);
  while (at !== -1) {
    const start = at + 2;
    const end = endOfArray(text, start);
    if (end === undefined || !text.startsWith('>>', end)) {
      throw new ScriptError(`The script at character ${at} of the message does not end with "]>>".`);
    }
    found = parseScript(text.slice(start, end));
    at = text.indexOf(OPEN, end);
  }
  return found;
}

function parseScript(json: string): Script {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new ScriptError(`A script in the message is not JSON: ${json.slice(0, 200)}`, { cause });
  }
  const parsed = ScriptSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ScriptError(`A script in the message is invalid: ${z.prettifyError(parsed.error)}`);
}

/** The index after the JSON array that begins at `start`, brackets inside strings ignored. */
function endOfArray(text: string, start: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let i = start; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === '\\') i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '[') depth++;
    else if (character === ']' && --depth === 0) return i + 1;
  }
  return undefined;
}
