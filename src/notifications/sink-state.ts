import type { z } from 'zod';
import type { Batch } from './sink.ts';

/** What a sink knows of its far side for one task; each change is stored before the next call. */
export class SinkState<T extends object> {
  readonly #schema: z.ZodType<T>;
  readonly #keep: Batch['save'];
  #content: T;

  constructor(schema: z.ZodType<T>, { notes, save }: Pick<Batch, 'notes' | 'save'>) {
    this.#schema = schema;
    this.#keep = save;
    this.#content = schema.parse(notes ?? {});
  }

  get now(): Readonly<T> {
    return this.#content;
  }

  /** `durably`: before something that must not be done again although a power loss comes right after it. */
  change(changes: { [K in keyof T]?: T[K] | undefined }, durably = false): void {
    const next = this.#schema.parse({ ...this.#content, ...changes });
    this.#keep(next, durably);
    this.#content = next;
  }
}
