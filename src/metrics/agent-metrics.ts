import { Counter, type Registry } from 'prom-client';
import { type TaskEvent, tokensOf } from '../tasks/events.ts';
import { END_STATUSES, type Task } from '../tasks/task.ts';
import { BoundedLabels } from './bounded-labels.ts';

const MAX_AGENTS = 200;
const ENDS: ReadonlySet<string> = new Set(END_STATUSES);

/** What each agent's tasks used. Counted when a task ends, and only where an operator asks for it. */
export class AgentMetrics {
  readonly #agents = new BoundedLabels(MAX_AGENTS);
  readonly #ended: Counter<'agent' | 'outcome'>;
  readonly #tokens: Counter<'agent'>;
  readonly #cost: Counter<'agent'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#ended = new Counter({
      name: 'opencode_bridge_agent_tasks_ended_total',
      help: 'Tasks that ended, by agent and outcome.',
      labelNames: ['agent', 'outcome'],
      registers,
    });
    this.#tokens = new Counter({
      name: 'opencode_bridge_agent_tokens_total',
      help: 'Tokens of all kinds of tasks that ended, by agent.',
      labelNames: ['agent'],
      registers,
    });
    this.#cost = new Counter({
      name: 'opencode_bridge_agent_cost_usd_total',
      help: 'Cost in US dollars of tasks that ended, by agent, as OpenCode computes it.',
      labelNames: ['agent'],
      registers,
    });
  }

  /** `task` as it is now, or later. */
  observe({ kind }: TaskEvent, task: Task | undefined): void {
    if (!task || !ENDS.has(kind)) return;
    const agent = this.#agents.of(task.agentId);
    this.#ended.inc({ agent, outcome: kind });
    this.#tokens.inc({ agent }, tokensOf(task.usage));
    this.#cost.inc({ agent }, task.usage.cost_usd);
  }
}
