/** Queued tasks: first in, first out within an agent, round robin between agents. */
export class FairQueue {
  /** Agents in the order of their turns; a Map keeps insertion order. */
  readonly #waiting = new Map<string, string[]>();

  get size(): number {
    let size = 0;
    for (const tasks of this.#waiting.values()) size += tasks.length;
    return size;
  }

  /** The task that was accepted first; ids sort by the time at which they were made. */
  get oldest(): string | undefined {
    let oldest: string | undefined;
    for (const [first] of this.#waiting.values()) {
      if (first !== undefined && (oldest === undefined || first < oldest)) oldest = first;
    }
    return oldest;
  }

  /** The ids of all queued tasks. */
  ids(): string[] {
    return [...this.#waiting.values()].flat();
  }

  /** How many tasks of one agent are queued. */
  sizeOf(agentId: string): number {
    return this.#waiting.get(agentId)?.length ?? 0;
  }

  add(agentId: string, taskId: string): void {
    const tasks = this.#waiting.get(agentId);
    if (tasks) tasks.push(taskId);
    else this.#waiting.set(agentId, [taskId]);
  }

  /** Removes and returns the next task; its agent becomes the last one. */
  next(): string | undefined {
    const [first] = this.#waiting;
    if (!first) return undefined;
    const [agentId, tasks] = first;
    const taskId = tasks.shift();
    this.#waiting.delete(agentId);
    if (tasks.length > 0) this.#waiting.set(agentId, tasks);
    return taskId;
  }

  /** Removes a task; returns whether it was there. */
  remove(taskId: string): boolean {
    for (const [agentId, tasks] of this.#waiting) {
      const index = tasks.indexOf(taskId);
      if (index < 0) continue;
      tasks.splice(index, 1);
      if (tasks.length === 0) this.#waiting.delete(agentId);
      return true;
    }
    return false;
  }

  /** The position of a task in the order of starts, counted from 1; undefined if it is not queued. */
  position(taskId: string): number | undefined {
    const queues = [...this.#waiting.values()];
    const own = queues.findIndex((tasks) => tasks.includes(taskId));
    const rounds = queues[own]?.indexOf(taskId);
    if (rounds === undefined) return undefined;
    const ahead = queues.map((tasks, index) => Math.min(tasks.length, index < own ? rounds + 1 : rounds));
    return ahead.reduce((sum, n) => sum + n, 1);
  }
}
