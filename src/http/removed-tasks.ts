/** How many are remembered. */
const MAX = 10_000;

/** The tasks that were removed lately, so that a repeated removal by who may see them succeeds as the first one did. */
export class RemovedTasks {
  /** The agent of each task. */
  readonly #agents = new Map<string, string>();

  add(agentId: string, taskId: string): void {
    this.#agents.set(taskId, agentId);
    const [oldest] = this.#agents.keys();
    if (this.#agents.size > MAX && oldest !== undefined) this.#agents.delete(oldest);
  }

  /** `agentId` undefined: of any agent. */
  has(agentId: string | undefined, taskId: string): boolean {
    const agent = this.#agents.get(taskId);
    return agent !== undefined && (agentId === undefined || agent === agentId);
  }
}
