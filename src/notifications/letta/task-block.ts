import type { LettaApi, NewBlock } from './letta-api.ts';
import { LettaFailure } from './letta-failure.ts';
import type { Notes } from './notes.ts';

/** One task's block in the memory of its agent. */
export class TaskBlock {
  readonly #api: LettaApi;
  readonly #taskId: string;
  readonly #agentId: string;
  readonly #limit: number;
  readonly #notes: Notes;
  readonly #signal: AbortSignal;

  constructor(
    api: LettaApi,
    task: { id: string; agentId: string },
    limit: number,
    notes: Notes,
    signal: AbortSignal,
  ) {
    this.#api = api;
    this.#taskId = task.id;
    this.#agentId = task.agentId;
    this.#limit = limit;
    this.#notes = notes;
    this.#signal = signal;
  }

  /** Makes the agent's block hold this value, whatever is there of it by now. */
  async write(value: string): Promise<void> {
    const { block } = this.#notes.now;
    if (block === undefined) return this.#make(value);
    try {
      await this.#ensureAttached(block);
      await this.#api.updateBlock(this.#notes.now.block ?? block, value, this.#signal);
    } catch (thrown) {
      if (!(thrown instanceof LettaFailure && thrown.kind === 'block_gone')) throw thrown;
      this.#notes.change({ block: undefined, attached: undefined });
      await this.#make(value);
    }
  }

  /** Detaches and deletes it. */
  async remove(): Promise<void> {
    const { block = await this.#lost() } = this.#notes.now;
    if (block !== undefined) await this.#api.removeBlock(block, this.#agentId, this.#signal);
    this.#notes.change({ block: undefined, attached: undefined, creating: undefined });
  }

  async #make(value: string): Promise<void> {
    const lost = await this.#lost();
    if (lost === undefined) {
      this.#notes.change({ creating: true }, true);
      const block = await this.#api.createBlock(this.#draft(value), this.#signal);
      this.#notes.change({ block, creating: undefined });
    } else this.#notes.change({ block: lost, creating: undefined });
    const made = this.#notes.now.block ?? '';
    await this.#ensureAttached(made);
    const { block = made } = this.#notes.now;
    if (lost !== undefined || block !== made) await this.#api.updateBlock(block, value, this.#signal);
  }

  /** A block that was made without our hearing of it. */
  async #lost(): Promise<string | undefined> {
    if (!this.#notes.now.creating) return undefined;
    const { label, tags } = this.#draft('');
    return this.#api.findBlock(label, tags, this.#signal);
  }

  async #ensureAttached(block: string): Promise<void> {
    if (this.#notes.now.attached) return;
    try {
      await this.#api.attach(block, this.#agentId, this.#signal);
      this.#notes.change({ attached: true });
    } catch (thrown) {
      if (!(thrown instanceof LettaFailure && thrown.kind === 'label_taken')) throw thrown;
      await this.#adopt(block, thrown);
    }
  }

  /** The agent has a block of that label already: that one is the task's from now on. */
  async #adopt(ours: string, cause: LettaFailure): Promise<void> {
    const theirs = await this.#api.attachedBlock(this.#agentId, this.#draft('').label, this.#signal);
    if (theirs === undefined) throw cause;
    if (theirs !== ours) await this.#api.removeBlock(ours, this.#agentId, this.#signal);
    this.#notes.change({ block: theirs, attached: true });
  }

  #draft(value: string): NewBlock {
    return {
      label: `opencode_workspace_${this.#taskId}`,
      description: `State of the task ${this.#taskId} that OpenCode works on for you, as JSON. It is kept up to date for you and removed after the end; you cannot change it.`,
      tags: ['opencode', `task:${this.#taskId}`],
      limit: this.#limit,
      value,
    };
  }
}
