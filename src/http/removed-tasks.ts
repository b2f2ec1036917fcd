/** How many are remembered. */
const MAX = 10_000;

/** The tasks that their agents removed lately, so that a repeated removal succeeds as the first one did. */
export class RemovedTasks {
  readonly #keys = new Set<string>();

  add(agentId: string, taskId: string): void {
    this.#keys.add(keyOf(agentId, taskId));
    const [oldest] = this.#keys;
    if (this.#keys.size > MAX && oldest !== undefined) this.#keys.delete(oldest);
  }

  has(agentId: string, taskId: string): boolean {
    return this.#keys.has(keyOf(agentId, taskId));
  }
}

/** Unambiguous, because task ids have no spaces. */
function keyOf(agentId: string, taskId: string): string {
  return `${taskId} ${agentId}`;
}
