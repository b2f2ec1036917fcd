import { createHash } from 'node:crypto';

// https://git-scm.com/docs/index-format, versions 2 to 4 with SHA-1 ids.
const HEADER = 12;
const OID_LENGTH = 20;
/** Bytes of an entry before its name; the last two are flags. */
const FIXED = 62;
const STAGE = 0x3000;
const LONG_NAME = 0xfff;
const GITLINK = 0o160000;
const ASSUME_VALID = 0x8000;
const EXTENDED = 0x4000;
const SKIP_WORKTREE = 0x4000;

export interface IndexEntry {
  /** Byte position of the entry in the file. */
  at: number;
  mode: number;
  oid: string;
  /** As latin1: one character for each byte. */
  path: string;
}

/** The entries of a git index; undefined where it is damaged or needs other files too (a split or sparse index). */
export function readIndex(file: Buffer): IndexEntry[] | undefined {
  try {
    return parse(file);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // a read past the end
    throw error;
  }
}

/** The folders (latin1) that the index holds as nested repositories. */
export function nestedRepositories(file: Buffer): string[] {
  return (readIndex(file) ?? []).filter(({ mode }) => mode === GITLINK).map(({ path }) => path);
}

/**
 * The index without the flags that hide changes from git; undefined where it cannot be read. Where `rehash` is true the
 * stats of all entries are cleared, so that git reads every file again.
 */
export function clearIndexFlags(
  file: Buffer,
  rehash: (entries: IndexEntry[]) => boolean,
): Buffer | undefined {
  const entries = readIndex(file);
  if (entries === undefined) return undefined;
  const clearStats = rehash(entries);
  const copy = Buffer.from(file);
  for (const { at } of entries) {
    const flags = copy.readUInt16BE(at + 60);
    copy.writeUInt16BE(flags & ~ASSUME_VALID, at + 60);
    if (flags & EXTENDED) copy.writeUInt16BE(copy.readUInt16BE(at + 62) & ~SKIP_WORKTREE, at + 62);
    if (clearStats) copy.fill(0, at, at + 24);
  }
  const body = copy.subarray(0, -OID_LENGTH);
  createHash('sha1').update(body).digest().copy(copy, body.length);
  return copy;
}

/** The index of one folder (latin1, forward slashes), as if it were the root of the repository. Keeps stages and stats. */
export function indexOfFolder(file: Buffer, folder: string): Buffer | undefined {
  const entries = readIndex(file);
  if (entries === undefined) return undefined;
  const inside = entries.filter(({ path }) => path.startsWith(`${folder}/`));
  const header = Buffer.from('DIRC\0\0\0\x02\0\0\0\0', 'latin1');
  header.writeUInt32BE(inside.length, 8);
  const body = Buffer.concat([
    header,
    ...inside.map((entry) => rebasedEntry(file, entry, folder.length + 1)),
  ]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

/** The entry in version 2 format, without the first bytes of its name. */
function rebasedEntry(file: Buffer, { at, path }: IndexEntry, dropped: number): Buffer {
  const name = Buffer.from(path.slice(dropped), 'latin1');
  const entry = Buffer.alloc((FIXED + name.length + 8) & ~7);
  file.copy(entry, 0, at, at + FIXED);
  const stage = file.readUInt16BE(at + FIXED - 2) & STAGE;
  entry.writeUInt16BE(stage | Math.min(name.length, LONG_NAME), FIXED - 2);
  name.copy(entry, FIXED);
  return entry;
}

function parse(file: Buffer): IndexEntry[] | undefined {
  const version = file.readUInt32BE(4);
  if (file.toString('latin1', 0, 4) !== 'DIRC' || version < 2 || version > 4) return undefined;
  const entries: IndexEntry[] = [];
  let at = HEADER;
  let previous = '';
  for (let left = file.readUInt32BE(8); left > 0; left -= 1) {
    let nameAt = at + (file.readUInt16BE(at + 60) & EXTENDED ? 64 : 62);
    let prefix = '';
    if (version === 4) {
      const [dropped, next] = readOffset(file, nameAt);
      prefix = previous.slice(0, previous.length - dropped);
      nameAt = next;
    }
    const end = file.indexOf(0, nameAt);
    if (end < 0) return undefined;
    previous = prefix + file.toString('latin1', nameAt, end);
    const oid = file.toString('hex', at + 40, at + 60);
    entries.push({ at, mode: file.readUInt32BE(at + 24), oid, path: previous });
    at = version === 4 ? end + 1 : at + ((end - at + 8) & ~7);
  }
  return hasRequiredExtension(file, at) ? undefined : entries;
}

// An extension with a lower-case name is required to understand the index: a split or sparse index.
function hasRequiredExtension(file: Buffer, start: number): boolean {
  for (let at = start; at < file.length - OID_LENGTH; at += 8 + file.readUInt32BE(at + 4)) {
    if (file.readUInt8(at) >= 0x61) return true;
  }
  return false;
}

function readOffset(file: Buffer, start: number): [value: number, next: number] {
  let at = start;
  let byte = file.readUInt8(at++);
  let value = byte & 127;
  while (byte & 128) {
    byte = file.readUInt8(at++);
    value = ((value + 1) << 7) + (byte & 127);
  }
  return [value, at];
}
