import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { BlockStore } from '../store/block-store.ts';
import type { EventLog } from '../store/event-log.ts';
import type { PositionedEvent } from '../store/task-store.ts';
import { type BlockBounds, project, type WorkspaceBlock, workspaceBlockSchema } from './block.ts';

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'timeout', 'cancelled']);

/** Events that are taken in one go: each may cost writing its task's whole block several times. */
const AT_ONCE = 32;

/** Follows the log and keeps each task's block up to date; restarts where it stopped. */
export class WorkspaceManager {
  readonly #log: EventLog;
  readonly #store: BlockStore;
  readonly #bounds: BlockBounds;
  readonly #logger: Logger;
  /** Blocks of tasks that have not ended. */
  readonly #live = new Map<string, WorkspaceBlock>();
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();
  /** Resolves when more of the log is in the blocks; rejects when no more will be. */
  #taken = Promise.withResolvers<void>();

  constructor(log: EventLog, store: BlockStore, bounds: BlockBounds, logger: Logger) {
    this.#log = log;
    this.#store = store;
    this.#bounds = bounds;
    this.#logger = logger;
  }

  start(): void {
    this.#following = this.#follow().catch((thrown) => {
      this.#logger.error({ err: messageOf(thrown) }, 'workspace blocks are no longer kept up to date');
    });
    void this.#following.then(() => {
      this.#taken.promise.catch(() => {});
      this.#taken.reject(new Error('workspace blocks are no longer kept up to date'));
    });
  }

  /** The id of a task's block, which is known before the block is. */
  blockId(taskId: string): string {
    return taskId.replace(/^task_/, 'block_');
  }

  block(taskId: string): WorkspaceBlock | undefined {
    const stored = this.#store.load(taskId);
    return stored === undefined ? undefined : workspaceBlockSchema.parse(stored);
  }

  /** The task's block with everything in it that is in the log by now. */
  async current(taskId: string): Promise<WorkspaceBlock | undefined> {
    while (this.#log.store.eventsAfter(this.#store.cursor(), 1).length > 0) await this.#taken.promise;
    return this.block(taskId);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const pages = this.#log.tail(this.#store.cursor(), this.#stop.signal, AT_ONCE);
    for await (const page of pages) this.#take(page);
  }

  #take(page: readonly PositionedEvent[]): void {
    const blocks = new Map<string, WorkspaceBlock>();
    for (const { event } of page) {
      const id = this.blockId(event.taskId);
      const block = project(this.#live.get(id) ?? this.block(event.taskId), event, this.#bounds);
      if (!block) continue;
      blocks.set(id, block);
      this.#live.set(id, block);
    }
    this.#store.save(blocks, page.at(-1)?.position ?? 0);
    this.#taken.resolve();
    this.#taken = Promise.withResolvers();
    for (const { event } of page) if (ENDS.has(event.kind)) this.#live.delete(this.blockId(event.taskId));
  }
}
