import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { Problem } from '../api/client.ts';
import { eventStream } from '../api/event-stream.ts';
import { Backoff } from '../api/reconnect.ts';
import { hasEnded, type TaskRow, type TaskStatus } from '../api/task.ts';
import type { Filter } from './filter.ts';
import { Listing, loadOpenRows } from './listing.ts';
import { compareRows, movesRow } from './row.ts';

/** connecting → live ⇄ lost. */
type Connection = 'connecting' | 'live' | 'lost';

interface StatesMessage {
  tasks: TaskRow[];
  /** Tasks that are gone. */
  removed?: string[];
}

/**
 * The rows that are known, kept true by the stream of states. A row is a signal of its own, so that a change of one
 * draws this one alone; `ids` changes only when rows come, go or move.
 *
 * Order of loading: the first page gives the cursor of the stream, so a change after the page comes by the stream.
 * Whatever is read later may overlap with it; `last_seq` decides which state of a task is newer.
 */
export class TaskList {
  readonly connection = signal<Connection>('connecting');
  /** Why the bridge does not let the page follow. */
  readonly refusal = signal<Problem | undefined>(undefined);
  readonly listing: Signal<Listing>;
  readonly ids: ReadonlySignal<readonly string[]>;
  readonly counts: ReadonlySignal<ReadonlyMap<TaskStatus, number>>;
  /** The row at which the keys are; it stays the same when rows move, and while other pages are shown. */
  readonly current = signal<string | undefined>(undefined);
  /** The row in the order of the Tab key. */
  readonly tabStop = computed(() => {
    const { value } = this.current;
    return value !== undefined && this.ids.value.includes(value) ? value : this.ids.value[0];
  });
  readonly #rows = new Map<string, Signal<TaskRow>>();
  /** A page that was read before must not bring them back; an id is never used again. */
  readonly #removed = new Set<string>();
  readonly #listings = new Map<string, Listing>();
  /** Rises when rows come, go or move. */
  readonly #moves = signal(0);
  #cursor: string | undefined;
  /** Is over when the first page is there, if that was asked for before the list is followed. */
  #prepared: Promise<void> | undefined;
  #ids: readonly string[] = [];

  constructor(filter: Filter) {
    this.listing = signal(this.#listingOf(filter));
    this.ids = computed(() => this.#sorted());
    this.counts = computed(() => this.#counted());
  }

  /** Asks for the first page, for whoever follows the list afterwards. */
  prepare(): Promise<void> {
    this.#prepared = this.load('first', new AbortController().signal);
    return this.#prepared;
  }

  row(id: string): ReadonlySignal<TaskRow> | undefined {
    return this.#rows.get(id);
  }

  /** Whether `counts` has all tasks of a status: those that are open are always known. */
  isCounted(status: TaskStatus): boolean {
    if (!hasEnded(status)) return true;
    return [[], [status]].some((statuses) => this.#listingOf({ statuses, text: '' }).isComplete);
  }

  /** Shows another filter; what was loaded for it before is there at once. */
  select(filter: Filter, signal: AbortSignal): void {
    this.listing.value = this.#listingOf(filter);
    this.#loadUnlessLoaded(signal);
  }

  #loadUnlessLoaded(signal: AbortSignal): void {
    const { pages, loading } = this.listing.value;
    if (pages.value === 0 && !loading.value) void this.load('first', signal);
  }

  async load(from: 'first' | 'next', signal: AbortSignal): Promise<void> {
    const page = await this.listing.value.load(from, signal);
    if (!page) return;
    this.#cursor ??= page.events_cursor;
    this.#put(page.tasks);
  }

  /** Follows the states of all tasks until `signal` aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    this.connection.value = 'connecting';
    while (!signal.aborted) {
      try {
        if (this.#prepared || this.#cursor === undefined) await this.#begin(signal);
        const opened = (): void => {
          backoff.reset();
          this.connection.value = 'live';
          this.refusal.value = undefined;
          this.#loadUnlessLoaded(signal);
        };
        if (this.#cursor !== undefined) await this.#receive(signal, opened);
      } catch (thrown) {
        if (signal.aborted) return;
        if (!(thrown instanceof Problem)) throw thrown;
        this.refusal.value = thrown.status > 0 ? thrown : undefined;
        // The cursor is none of this bridge.
        if (thrown.status === 400) this.#cursor = undefined;
      }
      if (signal.aborted) return;
      this.connection.value = 'lost';
      await backoff.wait(signal);
    }
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const listing = this.listing.value;
    await this.#prepared;
    this.#prepared = undefined;
    if (this.#cursor === undefined) await this.load('first', signal);
    // An open task may be older than the page.
    if (listing.hasMore || listing.filter.text !== '' || listing.filter.statuses.length > 0) {
      void loadOpenRows(signal).then(
        (rows) => this.#put(rows),
        () => {},
      );
    }
  }

  async #receive(signal: AbortSignal, opened: () => void): Promise<void> {
    const options = { lastEventId: this.#cursor, signal, opened };
    for await (const { id, data } of eventStream('/events', options)) {
      const { tasks, removed = [] }: StatesMessage = JSON.parse(data);
      if (id) this.#cursor = id;
      this.#put(tasks);
      this.#remove(removed);
      const listing = this.listing.value;
      if (tasks.filter((row) => listing.mustAsk(row)).length > 0) void this.load('first', signal);
    }
  }

  #put(rows: readonly TaskRow[]): void {
    let moved = false;
    for (const row of rows) {
      if (this.#removed.has(row.task_id)) continue;
      const known = this.#rows.get(row.task_id);
      if (!known) {
        this.#rows.set(row.task_id, signal(row));
        moved = true;
      } else if (row.last_seq > known.peek().last_seq) {
        moved ||= movesRow(known.peek(), row);
        known.value = row;
      }
    }
    if (moved) this.#moves.value += 1;
  }

  #remove(ids: readonly string[]): void {
    for (const id of ids) this.#removed.add(id);
    if (ids.filter((id) => this.#rows.delete(id)).length > 0) this.#moves.value += 1;
  }

  #listingOf(filter: Filter): Listing {
    const key = JSON.stringify(filter);
    const known = this.#listings.get(key);
    if (known) return known;
    const listing = new Listing(filter);
    this.#listings.set(key, listing);
    return listing;
  }

  #sorted(): readonly string[] {
    this.#moves.value;
    const listing = this.listing.value;
    listing.pages.value;
    const rows = [...this.#rows.values()].map((row) => row.peek()).filter((row) => listing.includes(row));
    const ids = rows.sort(compareRows).map(({ task_id }) => task_id);
    // The same array for the same order: who reads it is not drawn again.
    const same = ids.length === this.#ids.length && ids.every((id, index) => id === this.#ids[index]);
    if (!same) this.#ids = ids;
    return this.#ids;
  }

  #counted(): ReadonlyMap<TaskStatus, number> {
    this.#moves.value;
    const counts = new Map<TaskStatus, number>();
    for (const row of this.#rows.values()) {
      const { status } = row.peek();
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
    return counts;
  }
}
