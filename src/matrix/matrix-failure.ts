import { ConnectionError, MatrixError } from 'matrix-js-sdk/lib/http-api/index.js';
import { DeliveryError } from '../delivery-error.ts';
import { messageOf } from '../errors.ts';
import { head } from '../text.ts';

const TEXT_LIMIT = 200;

/** A call that the homeserver refused, or that did not reach it. */
export class MatrixFailure extends DeliveryError {
  /** The Matrix error code, such as M_FORBIDDEN; absent where the answer has none. */
  readonly errcode: string | undefined;
  /** Absent where there was no answer. */
  readonly status: number | undefined;

  constructor(
    message: string,
    details: { errcode?: string; status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, details);
    this.errcode = details.errcode;
    this.status = details.status;
  }

  /** Whether the server limits the rate. */
  get limited(): boolean {
    return this.status === 429;
  }
}

/** An error of the SDK in the operation `what`, as a MatrixFailure. */
export function matrixFailure(what: string, thrown: unknown): MatrixFailure {
  if (thrown instanceof MatrixFailure) return thrown;
  if (!(thrown instanceof MatrixError)) {
    const { cause } = thrown instanceof ConnectionError ? thrown : {};
    return new MatrixFailure(`Matrix: ${what}: ${reasonOf(cause ?? thrown)}`, { cause: thrown });
  }
  const { errcode = 'no error code', httpStatus: status = 0, error = '' } = thrown;
  const hint = errcode === 'M_UNKNOWN_TOKEN' ? ' (MATRIX_ACCESS_TOKEN)' : '';
  const retryAfterMs = status === 429 ? retryAfter(thrown) : undefined;
  return new MatrixFailure(
    `Matrix: ${what}: HTTP ${status} ${errcode}${hint} ${head(error, TEXT_LIMIT)}`.trim(),
    {
      errcode,
      status,
      cause: thrown,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
  );
}

function retryAfter(error: MatrixError): number | undefined {
  try {
    return error.getRetryAfterMs() ?? undefined;
  } catch {
    return undefined;
  }
}

/** The cause of a `fetch` error has the socket error. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return messageOf(cause ?? thrown) || messageOf(thrown);
}
