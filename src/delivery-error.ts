/** Why a remote service did not accept a call, where the caller knows more than a message. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  /** How long the remote service asks to wait before the next call. */
  readonly retryAfterMs: number | undefined;
  /** It can never succeed: the task is given up. */
  readonly final: boolean;

  constructor(message: string, details: { retryAfterMs?: number; final?: boolean; cause?: unknown } = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.retryAfterMs = details.retryAfterMs;
    this.final = details.final ?? false;
  }
}
