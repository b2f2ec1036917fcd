/** An error answer of the homeserver. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;

  constructor(status: number, errcode: string, error: string, more: Record<string, unknown> = {}) {
    super(error);
    this.status = status;
    this.body = { errcode, error, ...more };
  }
}

export const forbidden = (why: string) => new Refusal(403, 'M_FORBIDDEN', why);
export const notFound = (what: string) => new Refusal(404, 'M_NOT_FOUND', `${what} not found.`);
