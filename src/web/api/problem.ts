/** What the bridge says of a request that failed; `UNREACHABLE` if there was no answer. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  /** Stable code, as in docs/api.md. */
  readonly code: string;
  /** What to do next. */
  readonly next: string | undefined;

  constructor(status: number, code: string, detail: string, next?: string, options?: ErrorOptions) {
    super(detail, options);
    this.status = status;
    this.code = code;
    this.next = next;
  }
}

/** The problem in a response of `application/problem+json`, or one made from its status. */
export async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => undefined);
  const { code, detail, next } = isRecord(body) ? body : {};
  return new Problem(
    response.status,
    typeof code === 'string' ? code : 'INTERNAL',
    typeof detail === 'string' ? detail : `The bridge answered ${response.status} ${response.statusText}.`,
    typeof next === 'string' ? next : undefined,
  );
}

export function unreachable(cause: unknown): Problem {
  const message = 'The bridge does not answer.';
  return new Problem(0, 'UNREACHABLE', message, 'Check that it runs; the page tries again.', { cause });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
