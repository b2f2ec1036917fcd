import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { BlockStore } from '../store/block-store.ts';
import type { EventLog } from '../store/event-log.ts';
import type { PositionedEvent } from '../store/task-store.ts';
import { type BlockBounds, project, type WorkspaceBlock, workspaceBlockSchema } from './block.ts';

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'timeout', 'cancelled']);

/** Events in one step: each may serialize the whole block of its task several times. */
const PAGE = 32;

/** Follows the log and projects it into a block for each task. Continues where an earlier process stopped. */
export class WorkspaceManager {
  readonly #log: EventLog;
  readonly #store: BlockStore;
  readonly #bounds: BlockBounds;
  readonly #logger: Logger;
  /** Blocks of tasks that have not ended. */
  readonly #live = new Map<string, WorkspaceBlock>();
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();
  /** Resolves after the next step; rejects when no step will follow. */
  #progressed = Promise.withResolvers<void>();

  constructor(log: EventLog, store: BlockStore, bounds: BlockBounds, logger: Logger) {
    this.#log = log;
    this.#store = store;
    this.#bounds = bounds;
    this.#logger = logger;
  }

  start(): void {
    this.#following = this.#follow().catch((thrown) => {
      this.#logger.error({ err: messageOf(thrown) }, 'workspace blocks are no longer updated');
    });
    void this.#following.then(() => {
      this.#progressed.promise.catch(() => {});
      this.#progressed.reject(new Error('workspace blocks are no longer updated'));
    });
  }

  /** The id of a task's block; it depends only on the task's id. */
  blockId(taskId: string): string {
    return taskId.replace(/^task_/, 'block_');
  }

  block(taskId: string): WorkspaceBlock | undefined {
    const stored = this.#store.load(taskId);
    return stored === undefined ? undefined : workspaceBlockSchema.parse(stored);
  }

  /** The task's block, complete up to the present end of the log. */
  async current(taskId: string): Promise<WorkspaceBlock | undefined> {
    while (this.#log.store.eventsAfter(this.#store.cursor(), 1).length > 0) await this.#progressed.promise;
    return this.block(taskId);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const pages = this.#log.tail(this.#store.cursor(), this.#stop.signal, PAGE);
    for await (const page of pages) this.#project(page);
  }

  #project(page: readonly PositionedEvent[]): void {
    const blocks = new Map<string, WorkspaceBlock>();
    for (const { event } of page) {
      const id = this.blockId(event.taskId);
      const block = project(this.#live.get(id) ?? this.block(event.taskId), event, this.#bounds);
      if (!block) continue;
      blocks.set(id, block);
      this.#live.set(id, block);
    }
    this.#store.save(blocks, page.at(-1)?.position ?? 0);
    this.#progressed.resolve();
    this.#progressed = Promise.withResolvers();
    for (const { event } of page) if (ENDS.has(event.kind)) this.#live.delete(this.blockId(event.taskId));
  }
}
