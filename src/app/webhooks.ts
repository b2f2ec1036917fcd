import type { Config } from '../config/config.ts';
import { DeliveryError } from '../delivery-error.ts';
import type { Sink } from '../notifications/sink.ts';
import { CallbackHosts } from '../notifications/webhook/callback-hosts.ts';
import type { Task } from '../tasks/task.ts';
import { formatTraceparent, spanOf } from '../tasks/trace-context.ts';

/** Which `callback_url` tasks may have; undefined: none. */
export function callbackHosts({ webhooks: { allowedHosts } }: Config): CallbackHosts | undefined {
  return allowedHosts.length === 0 ? undefined : new CallbackHosts(allowedHosts);
}

/** The sinks for WEBHOOK_URL and for `callback_url`, as far as they are configured. */
export async function webhookSinks(config: Config): Promise<Sink[]> {
  const { url, secrets, allowPrivate } = config.webhooks;
  const hosts = callbackHosts(config);
  if (url === undefined && !hosts) return [];
  const { proxies } = config;
  const { WebhookSink } = await import('../notifications/webhook/webhook-sink.ts');
  const { WebhookClient } = await import('../notifications/webhook/webhook-client.ts');
  const sinks: Sink[] = [];
  // Traces of the bridge have a span of the task; without them the caller's own span is handed on.
  const traceparent = (task: Task): string | undefined =>
    config.tracing.endpoint === undefined ? task.traceparent : formatTraceparent(spanOf(task));
  if (url !== undefined) {
    const target = new URL(url);
    const client = new WebhookClient({ proxies });
    sinks.push(new WebhookSink({ name: 'webhook', target: () => target, traceparent, secrets, client }));
  }
  if (hosts) {
    const client = new WebhookClient({ proxies, addresses: { allowPrivate } });
    const target = (task: Task) => callbackOf(task, hosts);
    sinks.push(new WebhookSink({ name: 'callback', target, traceparent, secrets, client }));
  }
  return sinks;
}

/** The list of hosts may have become shorter since the task was accepted. */
function callbackOf({ callbackUrl }: Task, hosts: CallbackHosts): URL | undefined {
  if (callbackUrl === undefined) return undefined;
  const fault = hosts.fault(callbackUrl);
  if (fault !== undefined) throw new DeliveryError(`callback_url ${fault}`, { final: true });
  return new URL(callbackUrl);
}
