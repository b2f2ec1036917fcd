import type { LettaApi, NewBlock } from './letta-api.ts';
import { LettaFailure } from './letta-failure.ts';
import type { LettaState } from './letta-state.ts';

/** One task's block in the memory of its agent. */
export class TaskBlock {
  readonly #api: LettaApi;
  readonly #taskId: string;
  readonly #agentId: string;
  readonly #limit: number;
  readonly #state: LettaState;
  readonly #signal: AbortSignal;

  constructor(
    api: LettaApi,
    task: { id: string; agentId: string },
    limit: number,
    state: LettaState,
    signal: AbortSignal,
  ) {
    this.#api = api;
    this.#taskId = task.id;
    this.#agentId = task.agentId;
    this.#limit = limit;
    this.#state = state;
    this.#signal = signal;
  }

  /** Creates, attaches and updates the block as far as needed, so that it holds this value. */
  async write(value: string): Promise<void> {
    const { block } = this.#state.now;
    if (block === undefined) return this.#create(value);
    try {
      await this.#ensureAttached(block);
      await this.#api.updateBlock(this.#state.now.block ?? block, value, this.#signal);
    } catch (thrown) {
      if (!(thrown instanceof LettaFailure && thrown.kind === 'block_gone')) throw thrown;
      this.#state.change({ block: undefined, attached: undefined });
      await this.#create(value);
    }
  }

  /** Detaches and deletes the block. */
  async remove(): Promise<void> {
    const { block = await this.#findUnconfirmed() } = this.#state.now;
    if (block !== undefined) await this.#api.removeBlock(block, this.#agentId, this.#signal);
    this.#state.change({ block: undefined, attached: undefined, creating: undefined });
  }

  async #create(value: string): Promise<void> {
    const found = await this.#findUnconfirmed();
    if (found === undefined) {
      this.#state.change({ creating: true }, true);
      const block = await this.#api.createBlock(this.#newBlock(value), this.#signal);
      this.#state.change({ block, creating: undefined });
    } else this.#state.change({ block: found, creating: undefined });
    const current = this.#state.now.block ?? '';
    await this.#ensureAttached(current);
    const { block = current } = this.#state.now;
    if (found !== undefined || block !== current) await this.#api.updateBlock(block, value, this.#signal);
  }

  /** A block that was created by a request whose answer was lost. */
  async #findUnconfirmed(): Promise<string | undefined> {
    if (!this.#state.now.creating) return undefined;
    const { label, tags } = this.#newBlock('');
    return this.#api.findBlock(label, tags, this.#signal);
  }

  async #ensureAttached(block: string): Promise<void> {
    if (this.#state.now.attached) return;
    try {
      await this.#api.attach(block, this.#agentId, this.#signal);
      this.#state.change({ attached: true });
    } catch (thrown) {
      if (!(thrown instanceof LettaFailure && thrown.kind === 'label_taken')) throw thrown;
      await this.#adopt(block, thrown);
    }
  }

  /** The agent has a block with that label already: it becomes the block of the task. */
  async #adopt(ours: string, cause: LettaFailure): Promise<void> {
    const theirs = await this.#api.attachedBlock(this.#agentId, this.#newBlock('').label, this.#signal);
    if (theirs === undefined) throw cause;
    if (theirs !== ours) await this.#api.removeBlock(ours, this.#agentId, this.#signal);
    this.#state.change({ block: theirs, attached: true });
  }

  #newBlock(value: string): NewBlock {
    return {
      label: `opencode_workspace_${this.#taskId}`,
      description: `State of the task ${this.#taskId} that OpenCode works on for you, as JSON. It is kept up to date for you and removed after the end; you cannot change it.`,
      tags: ['opencode', `task:${this.#taskId}`],
      limit: this.#limit,
      value,
    };
  }
}
