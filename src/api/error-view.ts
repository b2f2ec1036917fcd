import type { BridgeError, ErrorCode } from '../errors.ts';
import { cutWithLength } from '../text.ts';
import { errorNextStep } from './error-next-step.ts';
import type { OperationNames } from './operation-names.ts';

/** Characters of an error's message, which may quote long input. */
const MAX_MESSAGE = 4_000;

/** An error as callers see it; holds no cause and no stack. */
export interface ErrorView {
  code: ErrorCode;
  message: string;
  /** What to do now, one sentence. */
  next: string;
  retryable: boolean;
  retry_after_seconds?: number;
}

export function viewError(error: BridgeError, names: OperationNames): ErrorView {
  const { code, retryable, retryAfterSeconds } = error;
  const message = cutWithLength(error.message, MAX_MESSAGE);
  const view = { code, message, next: errorNextStep(error, names), retryable };
  return retryAfterSeconds === undefined ? view : { ...view, retry_after_seconds: retryAfterSeconds };
}
