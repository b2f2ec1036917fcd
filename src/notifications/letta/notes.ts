import { z } from 'zod';
import type { Parcel } from '../sink.ts';

const notesSchema = z.object({
  /** A block is being made, or was and the answer got lost. */
  creating: z.boolean().optional(),
  block: z.string().optional(),
  attached: z.boolean().optional(),
  /** When the message about the end was about to leave; absent again where it surely did not. */
  sendingAt: z.number().optional(),
  /** When it was there. */
  toldAt: z.number().optional(),
});

type Content = z.infer<typeof notesSchema>;

/** What is known of one task's things at Letta; each change is stored before the next call. */
export class Notes {
  readonly #keep: Parcel['keep'];
  #content: Content;

  constructor({ notes, keep }: Pick<Parcel, 'notes' | 'keep'>) {
    this.#keep = keep;
    this.#content = notesSchema.parse(notes ?? {});
  }

  get now(): Readonly<Content> {
    return this.#content;
  }

  change(changes: { [K in keyof Content]: Content[K] | undefined }): void {
    const next = notesSchema.parse({ ...this.#content, ...changes });
    this.#keep(next);
    this.#content = next;
  }
}
