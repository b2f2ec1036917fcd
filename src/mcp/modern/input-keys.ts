/** How many requests are remembered as asked again. */
const MAX_REMEMBERED = 10_000;

/**
 * The keys under which clients see the open requests of a task. A key is used for one form only, so that a request
 * whose answer could not be used is asked again under another. That number is not stored: after a restart the request
 * has its first key, which a client that answered it may ignore; all other ways to answer are open still.
 */
export class InputKeys {
  readonly #asked = new Map<string, number>();

  of(taskId: string, requestId: string): string {
    const asked = this.#asked.get(`${taskId} ${requestId}`);
    return asked === undefined ? requestId : `${requestId}.${asked}`;
  }

  /** From now on the request has another key. */
  renew(taskId: string, requestId: string): void {
    const request = `${taskId} ${requestId}`;
    const asked = (this.#asked.get(request) ?? 0) + 1;
    this.#asked.delete(request);
    this.#asked.set(request, asked);
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > MAX_REMEMBERED && oldest !== undefined) this.#asked.delete(oldest);
  }
}
