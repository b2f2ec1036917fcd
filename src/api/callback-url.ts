import { BridgeError } from '../errors.ts';
import type { ApiServices } from './services.ts';

/** Throws INVALID_INPUT where a task must not have this `callback_url`. */
export function requireCallbackUrl(
  url: string | undefined,
  { callbackHosts }: Pick<ApiServices, 'callbackHosts'>,
): void {
  if (url === undefined) return;
  const fault = callbackHosts
    ? callbackHosts.fault(url)
    : 'is not possible here: WEBHOOK_ALLOWED_HOSTS, which names the hosts that it may lead to, is not set';
  if (fault === undefined) return;
  throw new BridgeError('INVALID_INPUT', `\`callback_url\` ${fault}.`, {
    next: 'Leave callback_url out, or have the operator allow its host (WEBHOOK_ALLOWED_HOSTS).',
  });
}
