import { isIP } from 'node:net';
import { quote } from '../../errors.ts';
import { isLoopback } from '../../loopback.ts';

/** An entry of WEBHOOK_ALLOWED_HOSTS. */
export interface AllowedHost {
  /** As `URL` normalises it. */
  hostname: string;
  /** Absent: the default ports of http and https. */
  port?: string | undefined;
}

const MAX_LENGTH = 2_000;

/** Which addresses a task may have its events sent to. */
export class CallbackHosts {
  readonly #allowed: readonly AllowedHost[];

  constructor(allowed: readonly AllowedHost[]) {
    this.#allowed = allowed;
  }

  /** Why a `callback_url` is refused, to append to its name; undefined where it is allowed. Its path may be secret. */
  fault(text: string): string | undefined {
    if (text.length > MAX_LENGTH) return `has ${text.length} characters, at most ${MAX_LENGTH} are taken`;
    if (!URL.canParse(text)) return `${quote(text)} is not a URL`;
    const { protocol, username, password, host, hostname, port } = new URL(text);
    if (!/^https?:$/.test(protocol))
      return `has the scheme ${quote(protocol)}, only http and https are taken`;
    if (username || password) return 'must not hold credentials: verify the signature instead';
    const isAllowed = this.#allowed.some(
      (entry) => entry.hostname === hostname && isPort(entry.port, port, protocol),
    );
    return isAllowed
      ? undefined
      : `names ${quote(host)}, which is not in WEBHOOK_ALLOWED_HOSTS (an entry without a port allows 80 and 443)`;
  }
}

/** Whether the entry for a host is itself an address, or a name that can only be this machine. */
export function isExplicit(hostname: string): boolean {
  return isLoopback(hostname) || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) > 0;
}

/** `URL` leaves out the default port of its scheme. */
function isPort(allowed: string | undefined, port: string, protocol: string): boolean {
  const actual = port || (protocol === 'https:' ? '443' : '80');
  return allowed === undefined ? actual === '80' || actual === '443' : Number(allowed) === Number(actual);
}
