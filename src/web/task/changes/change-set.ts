import { effect, signal } from '@preact/signals';
import type { FileChange } from '../../../tasks/events.ts';
import { api, EVERY_AGENT, Problem, send } from '../../api/client.ts';
import type { TaskEvent } from '../../api/task.ts';
import { taskPath } from '../../links.ts';
import type { TaskLog } from '../task-log.ts';
import { type FileDiff, parseDiff } from './diff-parser.ts';

/** Bytes that are read of the diff of the whole task, and of the one of a file that was not within it. */
const MAX_DIFF = 2_000_000;
const MAX_FILE_DIFF = 10_000_000;
/** Files that are listed. */
const MAX_FILES = 20_000;
/** While the task works, changes are read at most once in this time. */
const REFRESH_MS = 1_000;

/** The diff of one file. */
export interface LoadedDiff {
  parts: readonly FileDiff[];
  /** There is more of it. */
  cut: boolean;
  /** It was read by itself, and is read again by who shows it. */
  single: boolean;
}

/**
 * What a task changed, read again while it works. States: idle → waiting (until REFRESH_MS after the last reading) →
 * reading → idle, or → waiting if something changed meanwhile.
 */
export class ChangeSet {
  readonly #taskId: string;
  /** Undefined until they are known. */
  readonly files = signal<readonly FileChange[] | undefined>(undefined);
  /** The number of all. */
  readonly total = signal(0);
  readonly diffs = signal<ReadonlyMap<string, LoadedDiff>>(new Map());
  /** Why there is no list, and why there are no diffs. */
  readonly problem = signal<Problem | undefined>(undefined);
  readonly diffProblem = signal<Problem | undefined>(undefined);
  /** Rises with each reading; what else shows files reads them again then. */
  readonly revision = signal(0);
  #state: 'idle' | 'waiting' | 'reading' = 'idle';
  #again = false;
  #stop = new AbortController();
  #patch: string | undefined;

  constructor(taskId: string) {
    this.#taskId = taskId;
  }

  /** Reads the changes now, and after each event that may have changed a file, until the returned function is called. */
  follow(log: TaskLog): () => void {
    this.#stop = new AbortController();
    this.#state = 'idle';
    let seen = log.lastSeq;
    void this.#read();
    const stopEffect = effect(() => {
      if (log.version.value === 0) return;
      const changed = [...log.since(seen)].some(mayChangeFiles);
      seen = log.lastSeq;
      if (changed) this.#readSoon();
    });
    return () => {
      stopEffect();
      this.#stop.abort();
    };
  }

  /** The diff of a file that the diff of the whole task, which has a limit, does not contain. */
  async load(path: string): Promise<void> {
    try {
      const { patch, cut } = await this.#readPatch(path);
      const parts = parseDiff(patch).filter((file) => file.path === path);
      this.diffs.value = new Map(this.diffs.value).set(path, { parts, cut, single: true });
    } catch (thrown) {
      this.diffProblem.value = problemIn(thrown);
    }
  }

  #readSoon(): void {
    if (this.#state === 'reading') this.#again = true;
    if (this.#state !== 'idle') return;
    this.#state = 'waiting';
    setTimeout(() => void this.#read(), REFRESH_MS);
  }

  async #read(): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    this.#state = 'reading';
    await Promise.all([this.#readList(), this.#readDiffs()]);
    if (signal.aborted) return;
    this.#state = 'idle';
    this.revision.value += 1;
    if (this.#again) this.#readSoon();
    this.#again = false;
  }

  async #readList(): Promise<void> {
    try {
      const files: FileChange[] = [];
      let cursor: number | undefined;
      do {
        const page: { changes?: FileChange[]; total?: number; next_cursor?: number } = await api.get(
          `${taskPath(this.#taskId)}/files`,
          { cursor },
          this.#stop.signal,
        );
        files.push(...(page.changes ?? []));
        this.total.value = page.total ?? files.length;
        cursor = page.next_cursor;
      } while (cursor !== undefined && files.length < MAX_FILES);
      this.files.value = files;
      this.problem.value = undefined;
    } catch (thrown) {
      this.problem.value = problemIn(thrown);
    }
  }

  async #readDiffs(): Promise<void> {
    try {
      const { patch, cut } = await this.#readPatch();
      this.diffProblem.value = undefined;
      if (patch === this.#patch && !cut) return;
      this.#patch = patch;
      const diffs = new Map<string, LoadedDiff>();
      for (const file of parseDiff(patch)) {
        diffs.set(file.path, {
          parts: [...(diffs.get(file.path)?.parts ?? []), file],
          cut: false,
          single: false,
        });
      }
      // The last one breaks off; it is read by itself when it is shown.
      const last = cut ? [...diffs.keys()].at(-1) : undefined;
      if (last !== undefined) diffs.delete(last);
      for (const [path, diff] of this.diffs.value) if (diff.single && !diffs.has(path)) diffs.set(path, diff);
      this.diffs.value = diffs;
    } catch (thrown) {
      this.diffProblem.value = problemIn(thrown);
    }
  }

  async #readPatch(path?: string): Promise<{ patch: string; cut: boolean }> {
    const response = await send(`${taskPath(this.#taskId)}/diff`, {
      query: { agent_id: EVERY_AGENT, limit: path === undefined ? MAX_DIFF : MAX_FILE_DIFF, path },
      headers: { Accept: '*/*' },
      signal: this.#stop.signal,
    });
    return { patch: await response.text(), cut: response.headers.has('Next-Offset') };
  }
}

/** A command may write files that no event reports; the end brings them all. */
function mayChangeFiles(event: TaskEvent): boolean {
  switch (event.kind) {
    case 'file_changed':
    case 'completed':
    case 'failed':
    case 'timeout':
    case 'cancelled':
      return true;
    case 'tool':
      return event.phase === 'finished' && event.tool === 'bash';
    default:
      return false;
  }
}

/** Undefined for a reading that was given up because nobody looks any more. */
export function problemIn(thrown: unknown): Problem | undefined {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof DOMException && thrown.name === 'AbortError') return undefined;
  return new Problem(0, 'INTERNAL', String(thrown));
}
