/** Waiting tasks, in order within an agent and by turns between agents. */
export class FairQueue {
  /** Agents in the order of their turns; a Map keeps insertion order. */
  readonly #lanes = new Map<string, string[]>();

  get size(): number {
    let size = 0;
    for (const lane of this.#lanes.values()) size += lane.length;
    return size;
  }

  /** How many tasks of one agent wait. */
  sizeOf(agentId: string): number {
    return this.#lanes.get(agentId)?.length ?? 0;
  }

  add(agentId: string, taskId: string): void {
    const lane = this.#lanes.get(agentId);
    if (lane) lane.push(taskId);
    else this.#lanes.set(agentId, [taskId]);
  }

  /** Takes the task whose turn it is; its agent goes to the end of the line. */
  next(): string | undefined {
    const [first] = this.#lanes;
    if (!first) return undefined;
    const [agentId, lane] = first;
    const taskId = lane.shift();
    this.#lanes.delete(agentId);
    if (lane.length > 0) this.#lanes.set(agentId, lane);
    return taskId;
  }

  /** Takes a task out; whether it was there. */
  remove(taskId: string): boolean {
    for (const [agentId, lane] of this.#lanes) {
      const index = lane.indexOf(taskId);
      if (index < 0) continue;
      lane.splice(index, 1);
      if (lane.length === 0) this.#lanes.delete(agentId);
      return true;
    }
    return false;
  }

  /** How many turns until the task's own, counted from 1; undefined where it does not wait. */
  position(taskId: string): number | undefined {
    const lanes = [...this.#lanes.values()];
    const own = lanes.findIndex((lane) => lane.includes(taskId));
    const rounds = lanes[own]?.indexOf(taskId);
    if (rounds === undefined) return undefined;
    const ahead = lanes.map((lane, index) => Math.min(lane.length, index < own ? rounds + 1 : rounds));
    return ahead.reduce((sum, n) => sum + n, 1);
  }
}
