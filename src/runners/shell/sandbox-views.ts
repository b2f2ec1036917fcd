import { rename, writeFile } from 'node:fs/promises';
import type { Mount } from './mounts.ts';

/** What commands see of the machine in one conversation, for the file tools of OpenCode, which run outside. */
export interface SandboxView {
  directory: string;
  /** The deepest mount that a path lies in decides. `hidden`: commands do not see what is there. */
  mounts: { kind: 'hidden' | 'read-only' | 'writable'; path: string }[];
}

/**
 * Keeps the views of the open conversations in a file, which the embedded OpenCode reads at each access to a file in
 * the folder of a task (`file-guard.ts`).
 */
export class SandboxViews {
  readonly file: string;
  readonly #views = new Map<string, SandboxView>();
  #last = Promise.resolve();
  /** The write that has not begun. */
  #next: Promise<void> | undefined;

  constructor(file: string) {
    this.file = file;
  }

  /** Resolves when OpenCode knows the view. */
  add(sessionId: string, directory: string, mounts: readonly Mount[]): Promise<void> {
    // The /tmp of commands is their own: the machine's is hidden from them.
    const kinds = mounts.map(
      ({ kind, path }) => ({ kind: kind === 'scratch' ? 'hidden' : kind, path }) as const,
    );
    this.#views.set(sessionId, { directory, mounts: kinds });
    return this.#write();
  }

  /** A view that stays, as on a full disk, harms nobody: no turn runs there. */
  async remove(sessionId: string): Promise<void> {
    if (this.#views.delete(sessionId)) await this.#write().catch(() => undefined);
  }

  /** One write after the other; what is added during one shares the next. */
  #write(): Promise<void> {
    this.#next ??= this.#last.then(async () => {
      this.#next = undefined;
      await writeFile(`${this.file}.new`, JSON.stringify([...this.#views.values()]), { mode: 0o600 });
      await rename(`${this.file}.new`, this.file);
    });
    this.#last = this.#next.catch(() => undefined);
    return this.#next;
  }
}
