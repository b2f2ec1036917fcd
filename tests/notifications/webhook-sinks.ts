import { webhookSinks } from '../../src/app/webhooks.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { Sink } from '../../src/notifications/sink.ts';
import { SECRET } from '../support/webhook-receiver.ts';

/** The sink for WEBHOOK_URL, as the bridge makes it. */
export function webhookTo(url: string, env: Record<string, string> = {}): Promise<Sink> {
  return onlySink({ WEBHOOK_URL: url, ...env });
}

/** The sink for `callback_url`, as the bridge makes it. */
export function callbackTo(hosts: string, env: Record<string, string> = {}): Promise<Sink> {
  return onlySink({ WEBHOOK_ALLOWED_HOSTS: hosts, ...env });
}

async function onlySink(env: Record<string, string>): Promise<Sink> {
  const [sink, ...more] = await webhookSinks(loadConfig({ WEBHOOK_SECRET: SECRET, ...env }));
  if (!sink || more.length > 0) throw new Error('not one sink');
  return sink;
}
