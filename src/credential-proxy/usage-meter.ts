import { z } from 'zod';

/** Characters of one line, or of an answer that is no stream, that are read. */
const MAX_LINE = 4 * 2 ** 20;
const count = z.number().int().nonnegative().catch(0);
/** Tokens as the APIs name them. Anthropic counts what it reads from and writes to its cache apart. */
const usageSchema = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  prompt_tokens: count,
  completion_tokens: count,
});
type Usage = z.output<typeof usageSchema>;
/** Where it is: in chat completions and message_delta, in message_start, in response.completed. */
const holderSchema = z.object({
  usage: usageSchema.nullish(),
  message: z.object({ usage: usageSchema.nullish() }).nullish().catch(undefined),
  response: z.object({ usage: usageSchema.nullish() }).nullish().catch(undefined),
});

/**
 * Counts the tokens of one answer of a model as it passes, from the usage that the provider states. While a stream has
 * stated none for its output, each of its data lines counts as one token: a model sends at most a few in one.
 */
export class UsageMeter {
  readonly #isStream: boolean;
  readonly #decoder = new TextDecoder();
  #line = '';
  #dataLines = 0;
  #usage: Usage = usageSchema.parse({});

  constructor(contentType: string) {
    this.#isStream = contentType.includes('text/event-stream');
  }

  /** Tokens of all kinds so far. */
  get tokens(): number {
    const { output_tokens: output, completion_tokens: completion, ...input } = this.#usage;
    const read = Object.values(input).reduce((sum, tokens) => sum + tokens, 0);
    return read + Math.max(output + completion, this.#dataLines);
  }

  write(chunk: Uint8Array): void {
    this.#line += this.#decoder.decode(chunk, { stream: true });
    if (this.#isStream) this.#takeLines();
    if (this.#line.length > MAX_LINE) this.#line = '';
  }

  end(): void {
    if (this.#isStream) this.#take(this.#line);
    else this.#read(this.#line);
    this.#line = '';
  }

  #takeLines(): void {
    const end = this.#line.lastIndexOf('\n');
    if (end === -1) return;
    for (const line of this.#line.slice(0, end).split('\n')) this.#take(line);
    this.#line = this.#line.slice(end + 1);
  }

  #take(line: string): void {
    if (!line.startsWith('data:')) return;
    this.#dataLines += 1;
    if (line.includes('"usage"')) this.#read(line.slice('data:'.length));
  }

  #read(json: string): void {
    const { usage, message, response } = holderSchema.safeParse(jsonOf(json)).data ?? {};
    for (const found of [usage, message?.usage, response?.usage]) if (found) this.#keep(found);
    // What is stated while or after it writes is exact; message_start comes before.
    if (usage || response?.usage) this.#dataLines = 0;
  }

  /** A stream states its usage several times, and each figure grows. */
  #keep(found: Usage): void {
    for (const name of Object.keys(found) as (keyof Usage)[])
      this.#usage[name] = Math.max(this.#usage[name], found[name]);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
