import { type Check, failed } from './check.ts';

const LIMIT_MS = 5_000;

/** The receiver at WEBHOOK_URL, where it is set: any answer to a request without effect will do. Tasks run without it. */
export const webhook: Check = async ({ webhooks: { url }, proxies }) => {
  if (url === undefined) return [];
  const check = 'webhook';
  const { WebhookClient } = await import('../../notifications/webhook/webhook-client.ts');
  const target = new URL(url);
  try {
    await new WebhookClient({ proxies }).head(target, AbortSignal.timeout(LIMIT_MS));
    return [{ check, status: 'ok', detail: `${target.host} answers` }];
  } catch (thrown) {
    const next =
      'Correct WEBHOOK_URL, or start its server (docs/webhooks.md). Tasks run, but it gets no events.';
    return [{ ...failed(check, thrown, next), status: 'warn' }];
  }
};
