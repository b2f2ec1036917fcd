import { z } from 'zod';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { isEnd, TASK_STATUSES } from '../../src/tasks/task.ts';
import { bash, slowly, write } from '../support/steps.ts';
import type { BridgeProcess } from './bridge-process.ts';
import { Caller } from './caller.ts';
import type { Random } from './random.ts';

const AGENTS = 5;
const TASKS_PER_AGENT = 4;
/** So that a task that hangs ends before the audit. */
const TASK_LIMIT_MS = 300_000;
const WAIT_MS = 5_000;

/** A task as its agent knows it. */
export interface Handed {
  agent: string;
  key: string;
  /** Once the bridge has answered. */
  id?: string;
  ended: boolean;
  /** Whether somebody cancelled, paused or interrupted it, so that not all of its work need be there. */
  disturbed: boolean;
}

const taskSchema = z.object({ task_id: z.string(), status: z.enum(TASK_STATUSES) });

/** Agents that keep tasks in flight, each over a client of its own. */
export class Traffic {
  readonly tasks: Handed[] = [];
  readonly #callers = new Map<string, Caller>();
  readonly #random: Random;
  readonly #folders: readonly string[];
  #open = true;

  /** `folders`: where tasks work besides folders of their own. */
  constructor(bridge: BridgeProcess, random: Random, folders: readonly string[]) {
    this.#random = random;
    this.#folders = folders;
    for (let n = 1; n <= AGENTS; n += 1) this.#callers.set(`agent-${n}`, new Caller(bridge));
  }

  get repeated(): number {
    return [...this.#callers.values()].reduce((sum, { repeated }) => sum + repeated, 0);
  }

  get agents(): string[] {
    return [...this.#callers.keys()];
  }

  /** A task that has not ended, as far as its agent knows. */
  anyRunning(): (Handed & { id: string }) | undefined {
    const running = this.tasks.filter((task): task is Handed & { id: string } => !!task.id && !task.ended);
    return this.#random.pick(running);
  }

  callerOf({ agent }: Handed): Caller {
    const caller = this.#callers.get(agent);
    if (!caller) throw new Error(`there is no ${agent}`);
    return caller;
  }

  /** Hands over one task after another in each place; resolves after `finish`, when all have ended. */
  async flow(): Promise<void> {
    const place = async (agent: string): Promise<void> => {
      while (this.#open) await this.#see(this.#next(agent));
    };
    const places = this.agents.flatMap((agent) =>
      Array.from({ length: TASKS_PER_AGENT }, () => place(agent)),
    );
    await Promise.all(places);
  }

  finish(): void {
    this.#open = false;
  }

  async close(): Promise<void> {
    this.#open = false;
    await Promise.all([...this.#callers.values()].map((caller) => caller.close()));
  }

  #next(agent: string): Handed {
    const task = { agent, key: `key-${this.tasks.length + 1}`, ended: false, disturbed: false };
    this.tasks.push(task);
    return task;
  }

  /** Sees a task through to its end. */
  async #see(task: Handed): Promise<void> {
    const { agent, key } = task;
    const caller = this.callerOf(task);
    const own = this.#random.chance(0.3);
    const order = {
      task_description: `This is [${key}]. ${scriptText(this.#script(key))}`,
      agent_id: agent,
      idempotency_key: key,
      timeout_ms: TASK_LIMIT_MS,
      ...(!own && { directory: this.#random.pick(this.#folders) }),
    };
    let { task_id, status } = taskSchema.parse(await caller.call('opencode_execute_task', order));
    task.id = task_id;
    while (!isEnd(status)) {
      const question = { task_id, agent_id: agent, wait_ms: WAIT_MS };
      ({ status } = taskSchema.parse(await caller.call('get_task_status', question)));
    }
    task.ended = true;
  }

  /** Leaves a line in a file, which tells how often it was done; now and then the model fails first. */
  #script(key: string): Script {
    const random = this.#random;
    const status = random.pick([500, 429, 529]) ?? 500;
    const fail = { status, times: random.between(1, 2), headers: { 'retry-after-ms': '300' } };
    return [
      bash(`echo ran >> ran-${key}.txt`),
      { ...slowly('word ', random.between(200, 2_000)), ...bash('sleep 0.2') },
      { ...bash(`sleep ${random.between(1, 15) / 10}`), ...(random.chance(0.2) && { fail }) },
      write(`made-${key}.txt`, `${key}\n`),
      { ...slowly('done ', random.between(100, 800)), ...(random.chance(0.1) && { fail }) },
    ];
  }
}
