import type { SandboxView } from '../shell/sandbox-views.ts';
import { type Prepare, type Prepared, prepareCalls } from './prepare-calls.ts';

/**
 * Runs inside the embedded OpenCode (`engine-preload.ts`). To OpenCode's own tools, and to what it reads by itself such
 * as AGENTS.md, a link in the folder of a task opens no more than to commands in the sandbox: nothing that is hidden
 * from them, and for writing only what they may write. OpenCode itself judges a path by its text alone.
 *
 * Content is opened as what was checked (`/proc/self/fd/<n>`), because a process of the task may replace a folder by a
 * link at any moment.
 */

/** From the bridge. */
export interface FileGuardInput {
  /** The file with the views of the open conversations. */
  views: string;
  /** The folders in which the folders of tasks lie. */
  areas: readonly string[];
  /** OpenCode's own folders, which it uses also where they lie in the folder of a task. */
  own: readonly string[];
}

type Access = 'read' | 'write';

// Not by import: OpenCode must import these modules after their functions are replaced.
const fs = process.getBuiltinModule('node:fs');
const { dirname, basename, join, resolve } = process.getBuiltinModule('node:path');
const { fileURLToPath } = process.getBuiltinModule('node:url');
const { readFileSync, statSync, lstatSync, openSync, closeSync, readlinkSync, constants } = fs;
const realpath = fs.realpathSync.native;
/** Of Linux, without a name in Node: opens the place of a file and not its content. */
const O_PATH = 0o10000000;
/** As in Linux. */
const MAX_LINKS = 40;
const WRITING = constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;

/** Functions for the content of a file: the place of their flags or options, and the flags without them. */
const CONTENT: Record<string, { at: number; flags: string }> = {
  open: { at: 1, flags: 'r' },
  readFile: { at: 1, flags: 'r' },
  writeFile: { at: 2, flags: 'w' },
  appendFile: { at: 2, flags: 'a' },
};
/** Functions by what they do with each path among their first arguments. `entry`: a link there is not followed. */
const OTHERS: Record<string, readonly (Access | 'entry' | 'other')[]> = {
  ...each(['access', 'exists', 'stat', 'readdir', 'opendir', 'watch', 'createReadStream'], ['read']),
  ...each(['openAsBlob'], ['read']),
  ...each(['truncate', 'chmod', 'chown', 'utimes', 'createWriteStream'], ['write']),
  ...each(['mkdir', 'mkdtemp', 'rm', 'rmdir', 'unlink', 'lchown', 'lutimes'], ['entry']),
  ...each(['copyFile', 'cp'], ['read', 'write']),
  ...each(['rename', 'link'], ['entry', 'entry']),
  ...each(['symlink'], ['other', 'entry']),
};

function each<T>(names: string[], value: T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

export class FileGuard {
  readonly #input: FileGuardInput;
  #views: readonly SandboxView[] = [];
  #version = '';

  constructor(input: FileGuardInput) {
    this.#input = input;
  }

  /** Replaces functions of `node:fs`, `node:fs/promises` and Bun. */
  install(bun: object): void {
    const replaceAll = (base: string, prepare: Prepare): void => {
      prepareCalls(fs, base, 'callback', prepare);
      prepareCalls(fs, `${base}Sync`, 'sync', prepare);
      prepareCalls(fs.promises, base, 'promise', prepare);
    };
    for (const [name, places] of Object.entries(OTHERS))
      replaceAll(name, (args) => this.#checked(name, args, places));
    for (const name of Object.keys(CONTENT)) replaceAll(name, (args) => this.#pinned(name, args));
    const resolving: Prepare = (args) => this.#resolved(args);
    replaceAll('realpath', resolving);
    prepareCalls(fs.realpath, 'native', 'callback', resolving);
    prepareCalls(fs.realpathSync, 'native', 'sync', resolving);
    prepareCalls(bun, 'file', 'sync', (args) => this.#checked('open', args, ['read']));
    prepareCalls(bun, 'write', 'promise', (args) => this.#checked('open', args, ['write']));
  }

  /**
   * A path for reading that stays what it is now, in this process and as the working folder of a child. Throws EACCES
   * where it is hidden.
   */
  pin(path: string): { path: string; release?: () => void } {
    const { args, release } = this.#pinned('open', [path, 'r']);
    return { path: String(args[0]), ...(release && { release }) };
  }

  #checked(name: string, args: unknown[], places: readonly (Access | 'entry' | 'other')[]): Prepared {
    for (const [index, access] of places.entries()) {
      const path = pathOf(args[index]);
      const view = path === undefined || access === 'other' ? undefined : this.#viewOf(path);
      if (path === undefined || !view) continue;
      const place = access === 'entry' ? join(realOf(dirname(path)), basename(path)) : realOf(path);
      admit(view, place, access === 'read' ? 'read' : 'write', name, path);
    }
    return { args };
  }

  /** The result counts: OpenCode goes on with it, and a link may have come in between. */
  #resolved(args: unknown[]): Prepared {
    const path = pathOf(args[0]);
    const view = path === undefined ? undefined : this.#viewOf(path);
    if (path === undefined || !view) return { args };
    const inspect = (result: unknown): void => admit(view, pathOf(result) ?? path, 'read', 'realpath', path);
    return { args, inspect };
  }

  #pinned(name: string, args: unknown[]): Prepared {
    const path = pathOf(args[0]);
    const view = path === undefined ? undefined : this.#viewOf(path);
    const content = CONTENT[name];
    if (path === undefined || !view || !content) return { args };
    const flags = flagsOf(args[content.at]) ?? content.flags;
    const access = writes(flags) ? 'write' : 'read';
    const existing = openPlace(path, creates(flags));
    const fd = existing ?? openSync(dirname(path), O_PATH);
    const release = (): void => closeSync(fd);
    try {
      const place = readlinkSync(`/proc/self/fd/${fd}`);
      if (existing !== undefined) {
        admit(view, place, access, name, path);
        return { args: [`/proc/self/fd/${fd}`, ...args.slice(1)], release };
      }
      admit(view, join(place, basename(path)), access, name, path);
      // Only as a new file: what is there by now may be a link.
      const created = withFlags(args, content.at, name === 'open', exclusive(flags));
      return { args: [`/proc/self/fd/${fd}/${basename(path)}`, ...created.slice(1)], release };
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  /** The view of the task in whose folder the path lies, by its text. */
  #viewOf(path: string): SandboxView | undefined {
    const { areas, own } = this.#input;
    if (!areas.some((area) => isInside(area, path))) return undefined;
    if (own.some((folder) => isInside(folder, path))) return undefined;
    this.#refresh();
    return deepest(this.#views, path, (view) => view.directory);
  }

  /** The bridge puts a new file in place of the old one before a turn begins. */
  #refresh(): void {
    const { views } = this.#input;
    const { ino, mtimeMs, size } = statSync(views, { throwIfNoEntry: false }) ?? {};
    const version = `${ino} ${mtimeMs} ${size}`;
    if (version === this.#version) return;
    this.#views = ino === undefined ? [] : JSON.parse(readFileSync(views, 'utf8'));
    this.#version = version;
  }
}

/** Throws EACCES where commands do not see the place, or for writing may not write it. */
function admit(view: SandboxView, place: string, access: Access, name: string, path: string): void {
  const mount = deepest(view.mounts, place, (it) => it.path);
  const kind = mount?.kind ?? 'read-only';
  if (kind === 'writable' || (kind === 'read-only' && access === 'read')) return;
  const message = `EACCES: permission denied, ${name} '${path}': it leads to a place that this task may not ${access}`;
  throw Object.assign(new Error(message), { errno: -13, code: 'EACCES', syscall: name, path });
}

/** The path without links; where nothing exists, as it would be made. Most paths that are asked for do not exist. */
function realOf(path: string, links = 0): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  const parent = dirname(path);
  if (!found && parent !== path) return join(realOf(parent, links), basename(path));
  try {
    return realpath(path);
  } catch (thrown) {
    const target = links < MAX_LINKS ? targetOf(path) : undefined;
    if (target === undefined) throw thrown;
    return realOf(resolve(parent, target), links + 1);
  }
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** A descriptor of what exists; undefined where nothing does and `mayBeMissing`. */
function openPlace(path: string, mayBeMissing: boolean): number | undefined {
  try {
    return openSync(path, O_PATH);
  } catch (thrown) {
    if (mayBeMissing && thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')
      return undefined;
    throw thrown;
  }
}

function pathOf(given: unknown): string | undefined {
  if (typeof given === 'string') return resolve(given);
  if (given instanceof URL) return given.protocol === 'file:' ? fileURLToPath(given) : undefined;
  return given instanceof Uint8Array ? resolve(Buffer.from(given).toString()) : undefined;
}

/** Of `open`, or of an object with options. */
function flagsOf(given: unknown): string | number | undefined {
  if (typeof given === 'number') return given;
  if (typeof given === 'string') return /^[rwax+s]+$/.test(given) ? given : undefined;
  const flag = typeof given === 'object' && given !== null && 'flag' in given ? given.flag : undefined;
  return typeof flag === 'string' || typeof flag === 'number' ? flag : undefined;
}

function writes(flags: string | number): boolean {
  return typeof flags === 'number' ? (flags & WRITING) !== 0 : /[wa+]/.test(flags);
}

function creates(flags: string | number): boolean {
  return typeof flags === 'number' ? (flags & constants.O_CREAT) !== 0 : /[wa]/.test(flags);
}

function exclusive(flags: string | number): string | number {
  if (typeof flags === 'number') return flags | constants.O_EXCL;
  return flags.includes('x') ? flags : flags.replace(/[wa]/, '$&x');
}

/** The arguments with these flags: as such for `open`, else in the options, which are an object or the encoding. */
function withFlags(args: unknown[], at: number, bare: boolean, flag: string | number): unknown[] {
  const given = args[at];
  const options = typeof given === 'string' ? { encoding: given } : typeof given === 'object' ? given : {};
  const rest = typeof given === 'function' ? args.slice(at) : args.slice(at + 1);
  return [...args.slice(0, at), bare ? flag : { ...options, flag }, ...rest];
}

function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** The one with the longest of the paths that `path` lies in. */
function deepest<T>(all: readonly T[], path: string, folderOf: (one: T) => string): T | undefined {
  let found: T | undefined;
  for (const one of all) {
    const folder = folderOf(one);
    if (isInside(folder, path) && (!found || folder.length > folderOf(found).length)) found = one;
  }
  return found;
}
