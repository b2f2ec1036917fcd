import type { DependencyHealth } from '../../src/health.ts';
import type { LiveSink } from '../../src/runners/live-sink.ts';
import type { Prompt, Run, RunContext, Runner, RunnerAnswer, TurnOutcome } from '../../src/runners/runner.ts';
import type { InputRequest, TaskEventBody } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';

/** A runner whose agent does what the test says, when it says so. */
export class ScriptedRunner implements Runner {
  readonly name = 'opencode-server';
  dependencies: DependencyHealth[] = [{ name: 'opencode', status: 'ok', detail: 'scripted' }];
  choices: NonNullable<Runner['choices']> = async () => ({ models: [], agents: [] });
  requireModelConfig?: NonNullable<Runner['requireModelConfig']>;
  readonly #runs = new Map<string, PromiseWithResolvers<ScriptedRun>>();

  async open(task: Task, context: RunContext): Promise<Run> {
    const run = new ScriptedRun(task.sessionId ?? `ses_${task.id}`, context);
    run.begun.then(() => this.#entry(task.id).resolve(run));
    return run;
  }

  /** The run of a task, as soon as its first turn has begun. */
  turnOf(taskId: string): Promise<ScriptedRun> {
    return this.#entry(taskId).promise;
  }

  health(): DependencyHealth[] {
    return this.dependencies;
  }

  async close(): Promise<void> {}

  #entry(taskId: string): PromiseWithResolvers<ScriptedRun> {
    const entry = this.#runs.get(taskId) ?? Promise.withResolvers<ScriptedRun>();
    this.#runs.set(taskId, entry);
    return entry;
  }
}

/** One task's scripted agent. */
export class ScriptedRun implements Run {
  readonly sessionId: string;
  readonly prompts: string[] = [];
  readonly answers: { requestId: string; answer: RunnerAnswer }[] = [];
  readonly begun: Promise<void>;
  readonly #begin: () => void;
  readonly #context: RunContext;
  #outcome = Promise.withResolvers<TurnOutcome>();

  constructor(sessionId: string, context: RunContext) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.sessionId = sessionId;
    this.begun = promise;
    this.#begin = resolve;
    this.#context = context;
  }

  turn(prompt: Prompt): Promise<TurnOutcome> {
    prompt.record(`msg_${this.prompts.length + 1}`);
    this.prompts.push(prompt.text);
    this.#outcome = Promise.withResolvers();
    this.#begin();
    return this.#outcome.promise;
  }

  /** Takes the text of parts that are not finished. */
  get live(): LiveSink {
    if (!this.#context.live) throw new Error('nothing takes live text');
    return this.#context.live;
  }

  emit(...events: TaskEventBody[]): void {
    this.#context.emit(...events);
  }

  /** The agent uses a tool. */
  tool(tool: string, title: string, output = ''): void {
    const call = { kind: 'tool' as const, call_id: `call_${title}`, tool, title };
    this.emit({ ...call, phase: 'started' }, { ...call, phase: 'finished', ok: true, output, exit_code: 0 });
  }

  ask(request: Partial<InputRequest> & Pick<InputRequest, 'id' | 'type'>): void {
    this.emit({
      kind: 'request_opened',
      request: { title: `asks ${request.id}`, session_id: this.sessionId, ...request },
    });
  }

  complete(summary: string): void {
    this.#outcome.resolve({ kind: 'completed', summary, finish: 'stop' });
  }

  fail(code: string, message: string): void {
    this.#outcome.resolve({ kind: 'failed', summary: '', finish: 'error', error: { code, message } });
  }

  async interrupt(): Promise<void> {
    this.#outcome.resolve({ kind: 'interrupted', summary: '' });
  }

  async answer(requestId: string, answer: RunnerAnswer): Promise<void> {
    this.answers.push({ requestId, answer });
    // As OpenCode does, it reports that the request is closed, whoever closed it.
    this.emit({ kind: 'request_closed', request_id: requestId, by: 'opencode', reply: 'unknown' });
  }

  async stop(): Promise<void> {
    await this.interrupt();
  }

  close(): void {}
}
