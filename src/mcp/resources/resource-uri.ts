/** What of a task a resource is. */
export type ResourcePart = 'status' | 'events' | 'result' | 'diff' | 'files';

/** A resource as its URI names it. */
export interface ResourceTarget {
  taskId: string;
  part: ResourcePart;
  /** Of `events`: only those after this one. */
  after: number;
  /** Of `files`: relative to the folder of the task; empty for all other parts. */
  path: string;
}

/** Characters of a path, as the tools have it; and of a URI, in which each byte of a path may take three. */
const MAX_PATH = 4_096;
const MAX_URI = 16_000;

const URI = /^task:\/\/([0-9a-z_]{1,200})(?:\/(.*))?$/s;
const EVENTS = /^events(?:\?after=(\d{1,15}))?$/;
const FILES = /^files\/(.+)$/s;

/**
 * The resource that a URI names; undefined if it can be none. There is one spelling of everything but a path, whose
 * bytes may be percent-encoded or not: clients expand `{+path}` in different ways. `?` and `#` belong to the path.
 */
export function parseResourceUri(uri: string): ResourceTarget | undefined {
  if (uri.length > MAX_URI) return undefined;
  const [, taskId, rest] = URI.exec(uri) ?? [];
  if (taskId === undefined) return undefined;
  const target = { taskId, after: 0, path: '' };
  if (rest === undefined) return { ...target, part: 'status' };
  if (rest === 'result' || rest === 'diff') return { ...target, part: rest };
  const events = EVENTS.exec(rest);
  if (events) return { ...target, part: 'events', after: Number(events[1] ?? 0) };
  const path = decoded(FILES.exec(rest)?.[1]);
  return path === undefined ? undefined : { ...target, part: 'files', path };
}

export function taskUri(taskId: string, part?: 'events' | 'result' | 'diff'): string {
  return part === undefined ? `task://${taskId}` : `task://${taskId}/${part}`;
}

/** A NUL is in no path, so that no check below has to think of it. */
function decoded(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    const text = decodeURIComponent(path);
    return text.length > MAX_PATH || text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}
