import { tokensOf } from '../tasks/events.ts';
import { isEnd, type Task } from '../tasks/task.ts';
import { ProxyRefusal } from './proxy-refusal.ts';

/** What the proxy may ask and say of tasks. */
export interface ProxyTasks {
  get(taskId: string): Task | undefined;
  /** Called once the task has used all tokens of its limit: it must end now. */
  onBudgetSpent(taskId: string, tokens: number): void;
}

/** One call of a provider, while its answer passes. */
export interface ProviderCall {
  /** Aborts when the task must not go on with it. */
  readonly signal: AbortSignal;
  /** Takes how many tokens it has used so far. */
  used(tokens: number): void;
  end(): void;
}

/** The calls of one task. */
interface Meter {
  /** Tokens of calls that are over, and those that were in the task's log before. */
  spent: number;
  readonly open: Map<AbortController, number>;
}

/** Counts the tokens that tasks use, and aborts their calls at their budget and at their end. */
export class TaskMeters {
  readonly #tasks: ProxyTasks;
  readonly #meters = new Map<string, Meter>();

  constructor(tasks: ProxyTasks) {
    this.#tasks = tasks;
  }

  /** Throws a ProxyRefusal where the task has ended or has used its budget. */
  begin(taskId: string): ProviderCall {
    const task = this.#tasks.get(taskId);
    if (!task) throw new ProxyRefusal(403, 'task_unknown', `There is no task ${taskId}.`);
    if (isEnd(task.status)) throw new ProxyRefusal(403, 'task_ended', `The task ${taskId} has ended.`);
    const meter = this.#meterOf(task);
    const { maxTokens = Infinity } = task.limits;
    if (totalOf(meter) >= maxTokens) {
      this.#tasks.onBudgetSpent(taskId, totalOf(meter));
      const message = `The task ${taskId} has used its ${maxTokens} tokens (max_tokens).`;
      throw new ProxyRefusal(403, 'budget_exceeded', message);
    }
    return this.#open(task, meter);
  }

  /** Aborts what the task has open, and forgets it. */
  end(taskId: string): void {
    const meter = this.#meters.get(taskId);
    this.#meters.delete(taskId);
    for (const controller of meter?.open.keys() ?? []) controller.abort();
  }

  #open(task: Task, meter: Meter): ProviderCall {
    const controller = new AbortController();
    meter.open.set(controller, 0);
    return {
      signal: controller.signal,
      used: (tokens) => {
        meter.open.set(controller, tokens);
        if (totalOf(meter) <= (task.limits.maxTokens ?? Infinity)) return;
        for (const open of meter.open.keys()) open.abort();
        this.#tasks.onBudgetSpent(task.id, totalOf(meter));
      },
      end: () => {
        meter.spent += meter.open.get(controller) ?? 0;
        meter.open.delete(controller);
      },
    };
  }

  /** A meter that begins after a restart of the bridge goes on from the task's log. */
  #meterOf({ id, usage }: Task): Meter {
    const meter = this.#meters.get(id) ?? { spent: tokensOf(usage), open: new Map() };
    this.#meters.set(id, meter);
    return meter;
  }
}

function totalOf({ spent, open }: Meter): number {
  return [...open.values()].reduce((sum, tokens) => sum + tokens, spent);
}
