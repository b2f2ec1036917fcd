import { cutWithLength } from './text.ts';

/** The stable codes of all errors that callers can see, and how each is presented. */
const CODES = {
  INVALID_INPUT: { http: 400, retryable: false },
  AGENT_REQUIRED: { http: 400, retryable: false },
  AGENT_MISMATCH: { http: 403, retryable: false },
  UNAUTHORIZED: { http: 401, retryable: false },
  FORBIDDEN: { http: 403, retryable: false },
  NOT_FOUND: { http: 404, retryable: false },
  TASK_NOT_FOUND: { http: 404, retryable: false },
  REQUEST_NOT_FOUND: { http: 404, retryable: false },
  FILE_NOT_FOUND: { http: 404, retryable: false },
  REQUEST_CLOSED: { http: 409, retryable: false },
  IDEMPOTENCY_CONFLICT: { http: 409, retryable: false },
  INVALID_STATE: { http: 409, retryable: false },
  DATA_DIR_IN_USE: { http: 409, retryable: false },
  DATA_DIR_UNUSABLE: { http: 500, retryable: false },
  PAYLOAD_TOO_LARGE: { http: 413, retryable: false },
  RANGE_NOT_SATISFIABLE: { http: 416, retryable: false },
  QUEUE_FULL: { http: 429, retryable: true },
  RATE_LIMITED: { http: 429, retryable: true },
  UNSUPPORTED: { http: 501, retryable: false },
  SHUTTING_DOWN: { http: 503, retryable: true },
  ENGINE_UNAVAILABLE: { http: 502, retryable: true },
  ENGINE_UNAUTHORIZED: { http: 502, retryable: false },
  MATRIX_UNAVAILABLE: { http: 503, retryable: true },
  ENGINE_NOT_FOUND: { http: 502, retryable: false },
  ENGINE_ERROR: { http: 502, retryable: false },
  INTERNAL: { http: 500, retryable: false },
} as const satisfies Record<string, { http: number; retryable: boolean }>;

export type ErrorCode = keyof typeof CODES;

/** What an error is about, if its code does not say it; each transport has its own next step for it. */
export type ErrorReason =
  | { kind: 'task_ended' | 'task_not_ended' | 'task_queued' | 'session_busy'; taskId: string }
  | { kind: 'no_session' | 'not_a_folder' | 'not_a_file' | 'outside_task' };

export interface ErrorDetails {
  /** What to do now, one sentence, if it is the same for every transport. */
  next?: string;
  reason?: ErrorReason;
  /** Seconds after which a retry makes sense. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** A failure with a stable code; `message` quotes the offending name and value and is safe to show. */
export class BridgeError extends Error {
  override readonly name = 'BridgeError';
  readonly code: ErrorCode;
  readonly next: string | undefined;
  readonly reason: ErrorReason | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.next = details.next;
    this.reason = details.reason;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  get httpStatus(): number {
    return CODES[this.code].http;
  }

  get retryable(): boolean {
    return CODES[this.code].retryable;
  }
}

/** Turns anything thrown into a BridgeError; an unknown one becomes INTERNAL and keeps its cause. */
export function toBridgeError(thrown: unknown): BridgeError {
  if (thrown instanceof BridgeError) return thrown;
  return new BridgeError('INTERNAL', 'The bridge failed in a way it did not expect; see its log.', {
    cause: thrown,
  });
}

/** The text of anything thrown, for logs and causes. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** A value as errors quote it: JSON, at most `limit` characters. */
export function quote(value: unknown, limit = 80): string {
  return cutWithLength(printable(jsonOf(value)), limit);
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch (thrown) {
    if (thrown instanceof RangeError) return '(nested too deeply to be shown)';
    throw thrown;
  }
}

/** Text that is safe to show in a terminal: control characters except newline and tab are escaped as in JSON. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** C0 and C1 controls, line separators, and bidirectional controls. */
const UNSAFE = /(?![\n\t])[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;
