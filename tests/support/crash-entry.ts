import { readFileSync } from 'node:fs';
import { WebhookClient } from '../../src/notifications/webhook/webhook-client.ts';
import { DockerClient } from '../../src/runners/docker/docker-client.ts';
import { OpenCodeApi } from '../../src/runners/opencode-server/api.ts';
import { SqliteDeliveryStore } from '../../src/store/sqlite/sqlite-delivery-store.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';

/**
 * The program with a point at which it kills itself, like `kill -9`: CRASH_AT is "before" or "after", and a
 * kind of event that is stored, a call of OpenCode, of Docker or of a receiver of webhooks, the "acknowledged" of a
 * delivery, or one of these with "#2" for its second time. SIGUSR2 reads the point from the file CRASH_FILE instead, so
 * that a bridge can do something else before.
 */
let [when = '', what = '', nth = '1'] = parse(process.env.CRASH_AT);
let seen = 0;

process.on('SIGUSR2', () => {
  const at = readFileSync(process.env.CRASH_FILE ?? '', 'utf8');
  [when = '', what = '', nth = '1'] = parse(at);
  seen = 0;
  process.stderr.write(`crashes ${at}\n`);
});

function parse(at = ''): string[] {
  const [time = '', point = ''] = at.split(' ');
  return [time, ...point.split('#')];
}

function around<T>(matches: boolean, work: () => T): T {
  if (!matches) return work();
  seen += 1;
  const here = seen === Number(nth);
  if (here && when === 'before') process.kill(process.pid, 'SIGKILL');
  const result = work();
  if (here && when === 'after') process.kill(process.pid, 'SIGKILL');
  return result;
}

const { append } = SqliteTaskStore.prototype;
SqliteTaskStore.prototype.append = function (taskId, bodies, ...rest) {
  return around(
    bodies.some((body) => nameOf(body) === what),
    () => append.call(this, taskId, bodies, ...rest),
  );
};

const { save } = SqliteDeliveryStore.prototype;
SqliteDeliveryStore.prototype.save = function (progress) {
  return around(what === 'acknowledged', () => save.call(this, progress));
};

const calls = [
  [OpenCodeApi.prototype, 'createSession'],
  [OpenCodeApi.prototype, 'prompt'],
  [DockerClient.prototype, 'create'],
  [DockerClient.prototype, 'start'],
  [WebhookClient.prototype, 'post'],
] as const;
for (const [prototype, name] of calls) {
  const call: (...args: unknown[]) => Promise<unknown> = Reflect.get(prototype, name);
  const patched = async function (this: unknown, ...args: unknown[]): Promise<unknown> {
    if (name !== what) return call.apply(this, args);
    if (when === 'before') around(true, () => undefined);
    const result = await call.apply(this, args);
    if (when === 'after') around(true, () => undefined);
    return result;
  };
  Object.defineProperty(prototype, name, { value: patched });
}

function nameOf(body: TaskEventBody): string {
  return body.kind === 'tool' ? `tool-${body.phase}` : body.kind;
}

await import('../../src/index.ts');
