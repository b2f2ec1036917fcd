import { readdir } from 'node:fs/promises';
import { residentMb } from '../bench/sample.ts';
import { type Program, startProgram } from '../e2e/program.ts';

/** The bridge as users run it, which can be killed and started again on its DATA_DIR and port. */
export class BridgeProcess {
  readonly url: string;
  readonly #env: Record<string, string>;
  readonly #logs: Program[] = [];
  #gone = new AbortController();

  constructor(env: Record<string, string>, port: number) {
    this.#env = { ...env, MCP_PORT: String(port) };
    this.url = `http://127.0.0.1:${port}/mcp`;
  }

  /** Aborts when the process that runs now ends. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get pid(): number {
    return this.#program().child.pid ?? 0;
  }

  /** What it has logged in all its lives. */
  get log(): string {
    return this.#logs.map((program) => program.stderr()).join('--- started again ---\n');
  }

  async start(): Promise<void> {
    const program = startProgram('serve', this.#env);
    const gone = new AbortController();
    this.#logs.push(program);
    this.#gone = gone;
    program.exit.then(() => gone.abort());
    await program.says(/"url":"http/);
  }

  /** Ends it by a signal; resolves with its exit code. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const program = this.#program();
    program.child.kill(signal);
    return program.exit;
  }

  async size(): Promise<Size> {
    return { handles: (await readdir(`/proc/${this.pid}/fd`)).length, memoryMb: await residentMb(this.pid) };
  }

  #program(): Program {
    const program = this.#logs.at(-1);
    if (!program) throw new Error('the bridge was never started');
    return program;
  }
}

/** What a process holds at a moment. */
export interface Size {
  /** Open files and sockets. */
  handles: number;
  memoryMb: number;
}
