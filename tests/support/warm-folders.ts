import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A folder for one task. */
export interface WarmFolder {
  path: string;
  /** From now on the folder is in use while this says so. */
  usedWhile(isInUse: () => boolean): void;
}

/**
 * Folders for tasks of one OpenCode server, used one after the other: OpenCode takes a second of processor time and
 * 33 MB for each folder that is new to it. A task gets an empty one in which no other works.
 */
export class WarmFolders {
  readonly path: string;
  readonly #folders = new Map<string, () => boolean>();

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  take(): WarmFolder {
    const free = [...this.#folders].find(([folder, isInUse]) => !isInUse() && isFolder(folder));
    const path = free?.[0] ?? join(this.path, `warm-${this.#folders.size + 1}`);
    mkdirSync(path, { recursive: true });
    for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
    this.#folders.set(path, () => true);
    return { path, usedWhile: (isInUse) => void this.#folders.set(path, isInUse) };
  }
}

/** A task may have moved its folder away, or put a link in its place. */
function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
