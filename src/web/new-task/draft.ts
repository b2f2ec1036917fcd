import { isRecord } from '../api/problem.ts';

/** The form as it is typed. */
export interface Draft {
  description: string;
  directory: string;
  model: string;
  agent: string;
  timeLimit: string;
  costLimit: string;
  tokenLimit: string;
  /** Separated by commas or white space. */
  observers: string;
  callbackUrl: string;
  /** The agent that owns the task. */
  owner: string;
}

export type DraftField = keyof Draft;

export const EMPTY_DRAFT: Draft = {
  description: '',
  directory: '',
  model: '',
  agent: '',
  timeLimit: '',
  costLimit: '',
  tokenLimit: '',
  observers: '',
  callbackUrl: '',
  owner: '',
};

/** A request that was sent and may have made a task: the same one again has the same key, and makes no second. */
export interface Sent {
  key: string;
  /** The body as JSON, without the key. */
  body: string;
}

/** What survives a reload. */
export interface StoredDraft {
  draft: Draft;
  sent?: Sent | undefined;
}

/** The key for a body: that of the last request if it was the same, else a new one. */
export function keyFor(sent: Sent | undefined, body: string, makeKey: () => string): string {
  return sent?.body === body ? sent.key : makeKey();
}

/** Reads what another version of the page may have written; undefined if it is no draft. */
export function parseStored(text: string | null): StoredDraft | undefined {
  const stored = text === null ? undefined : jsonOf(text);
  if (!isRecord(stored) || !isRecord(stored.draft)) return undefined;
  const given = stored.draft;
  const draft = { ...EMPTY_DRAFT };
  for (const field of FIELDS) {
    const value = given[field];
    if (typeof value === 'string') draft[field] = value;
  }
  return { draft, sent: sentOf(stored.sent) };
}

const FIELDS = Object.keys(EMPTY_DRAFT) as DraftField[];

function sentOf(value: unknown): Sent | undefined {
  if (!isRecord(value) || typeof value.key !== 'string' || typeof value.body !== 'string') return undefined;
  return { key: value.key, body: value.body };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
