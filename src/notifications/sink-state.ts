import type { z } from 'zod';
import type { Batch } from './sink.ts';

/** A sink's state for one task; each change is stored before the sink's next step. */
export class SinkState<T extends object> {
  readonly #schema: z.ZodType<T>;
  readonly #save: Batch['save'];
  #current: T;

  constructor(schema: z.ZodType<T>, { state, save }: Pick<Batch, 'state' | 'save'>) {
    this.#schema = schema;
    this.#save = save;
    this.#current = schema.parse(state ?? {});
  }

  get now(): Readonly<T> {
    return this.#current;
  }

  /** `durably`: the change survives a power loss, for use before a step that must not be done twice. */
  change(changes: { [K in keyof T]?: T[K] | undefined }, durably = false): void {
    const next = this.#schema.parse({ ...this.#current, ...changes });
    this.#save(next, durably);
    this.#current = next;
  }
}
