import { createHmac, timingSafeEqual } from 'node:crypto';

/** Who a token was made for: one task, or the OpenCode server of this process. */
export type TokenHolder = { kind: 'task'; taskId: string } | { kind: 'server'; serverId: string };

/** The tokens that OpenCode sends instead of a provider's key. Nothing is stored: a token proves itself. */
export class ProxyTokens {
  readonly #secret: Uint8Array;

  /** With the same secret the tokens of an earlier process stay valid: its containers run on. */
  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  make(holder: TokenHolder): string {
    const subject = holder.kind === 'task' ? `task.${holder.taskId}` : `server.${holder.serverId}`;
    return `${subject}.${this.#signature(subject)}`;
  }

  /** Undefined for a token that was not made here. */
  read(token: string): TokenHolder | undefined {
    const [, subject = '', kind, id = '', signature = ''] =
      /^((task|server)\.([\w-]+))\.([\w-]+)$/.exec(token) ?? [];
    const expected = Buffer.from(this.#signature(subject));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return kind === 'task' ? { kind, taskId: id } : { kind: 'server', serverId: id };
  }

  #signature(subject: string): string {
    return createHmac('sha256', this.#secret).update(subject).digest('base64url');
  }
}
