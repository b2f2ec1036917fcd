import type { LookupFunction } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebhookClient } from '../../src/notifications/webhook/webhook-client.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { startForwardProxy } from '../support/forward-proxy.ts';
import { startReceiver } from '../support/webhook-receiver.ts';
import { created } from '../tasks/created.ts';
import { Delivering, until } from './delivering.ts';
import { callbackTo } from './webhook-sinks.ts';

const STARTED: TaskEventBody = { kind: 'started' };
const COMPLETED: TaskEventBody = {
  kind: 'completed',
  result: { summary: 'Done.', files_changed: [], files_changed_total: 0, finish: 'stop' },
};
const PRIVATE = { addresses: { allowPrivate: false } };
const never = new AbortController().signal;

let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.stop());

const portOf = () => receiver.host.split(':')[1];

function create(bridge: Delivering, taskId: string, callback_url: string | undefined): void {
  bridge.log.create(taskId, created({ callback_url }), 'print');
  bridge.log.append(taskId, STARTED, COMPLETED);
}

it.each(['127.0.0.1', 'localhost'])('a task has its own receiver, at an entry for %s', async (name) => {
  const host = `${name}:${portOf()}`;
  const sink = await callbackTo(host);
  await using bridge = await Delivering.to(() => sink);
  create(bridge, 'task_1', `http://${host}/a`);
  create(bridge, 'task_2', undefined);
  create(bridge, 'task_3', `http://${host}/b`);
  for (const id of ['task_1', 'task_2', 'task_3']) await bridge.settled(id);
  expect(receiver.messagesOf('task_1').map(({ id }) => id)).toEqual([
    'callback_task_1_1',
    'callback_task_1_2',
    'callback_task_1_3',
  ]);
  expect(receiver.messagesOf('task_2')).toEqual([]);
  expect(receiver.requests.toSorted().map((request) => request.split(' ')[1])).toEqual([
    ...['/a', '/a', '/a', '/b', '/b', '/b'],
  ]);
  expect(bridge.delivery.health()).toMatchObject({ name: 'callback', status: 'ok', detail: 'up to date' });
});

it('a host that is no longer in the list gets nothing, and the task is given up', async () => {
  const sink = await callbackTo('hooks.example.org');
  await using bridge = await Delivering.to(() => sink);
  create(bridge, 'task_1', receiver.url);
  await bridge.settled('task_1');
  expect(bridge.delivery.health().detail).toBe('up to date; given up: 1');
  expect(receiver.requests).toEqual([]);
});

it('a receiver that hangs for one task does not delay another', async () => {
  const sink = await callbackTo(receiver.host);
  await using bridge = await Delivering.to(() => sink);
  receiver.fault = ({ data }) => (data.task_id === 'task_2' ? undefined : 'hang');
  create(bridge, 'task_1', receiver.url);
  await until(() => receiver.requests.length === 1);
  create(bridge, 'task_2', receiver.url);
  await bridge.settled('task_2');
  expect(receiver.messagesOf('task_2')).toHaveLength(3);
});

it('a receiver that hangs for more tasks of one agent than there are calls does not stop those of another', async () => {
  const sink = await callbackTo(receiver.host);
  await using bridge = await Delivering.to(() => sink);
  receiver.fault = ({ data }) => (data.agent_id === 'agent-1' ? 'hang' : undefined);
  const create = (taskId: string, agent_id: string) =>
    bridge.log.create(taskId, created({ agent_id, callback_url: receiver.url }), 'print');
  for (let n = 0; n < 60; n += 1) create(`task_a${n}`, 'agent-1');
  await until(() => receiver.requests.length > 16);
  for (let n = 0; n < 30; n += 1) {
    create(`task_b${n}`, 'agent-2');
    await until(() => receiver.messagesOf(`task_b${n}`).length === 1);
  }
  receiver.fault = () => undefined;
  await until(() => receiver.messagesOf('task_a59').length === 1);
});

it('a redirect to the metadata service or to the bridge is not followed', async () => {
  await using trap = await startReceiver();
  const sink = await callbackTo(`${receiver.host},${trap.host}`);
  await using bridge = await Delivering.to(() => sink);
  const places = ['http://169.254.169.254/latest/meta-data/', trap.url];
  receiver.fault = () => ({ status: 307, headers: { Location: places[receiver.requests.length % 2] ?? '' } });
  create(bridge, 'task_1', receiver.url);
  await until(() => receiver.requests.length > 2);
  expect(trap.requests).toEqual([]);
  expect(bridge.delivery.health().detail).toContain('HTTP 307, and redirects are not followed');
});

/** A resolver that gives these answers, one after the other. */
function answering(...addresses: string[]) {
  const asked: string[] = [];
  const lookup: LookupFunction = (hostname, options, callback) => {
    const address = addresses[Math.min(asked.push(hostname), addresses.length) - 1] ?? '';
    if (options.all) callback(null, [{ address, family: 4 }]);
    else callback(null, address, 4);
  };
  return { lookup, asked };
}

const post = (client: WebhookClient, url: string) => client.post(new URL(url), '{}', {}, never);

it.each(['169.254.169.254', '127.0.0.1', '10.0.0.1', '0.0.0.0'])(
  'a name that resolves to %s is not called, by http or https',
  async (address) => {
    const { lookup, asked } = answering(address);
    const client = new WebhookClient({ addresses: { allowPrivate: false, lookup } });
    for (const scheme of ['http', 'https']) {
      await expect(post(client, `${scheme}://hooks.example.org:${portOf()}/secret`)).rejects.toThrow(
        `hooks.example.org:${portOf()}: it resolves to ${address}, which is not a public address`,
      );
    }
    expect([asked.length, receiver.requests, receiver.connections]).toEqual([2, [], 0]);
  },
);

it('a name that is bound to another address after it was checked does not change where a connection goes', async () => {
  // The first answer is checked and used; the second one, which another lookup would get, is a trap.
  const { lookup, asked } = answering('127.0.0.1', '169.254.169.254');
  const client = new WebhookClient({ addresses: { allowPrivate: true, lookup } });
  const url = `http://hooks.example.org:${portOf()}/`;
  await expect(post(client, url)).rejects.toThrow('answered HTTP 400');
  expect([asked, receiver.requests]).toEqual([['hooks.example.org'], ['POST /']]);
  expect(receiver.headers.host).toBe(`hooks.example.org:${portOf()}`);
  await receiver.stop();
  await expect(post(client, url)).rejects.toThrow('it resolves to 169.254.169.254');
});

it('a real name of this machine is refused too', async () => {
  const client = new WebhookClient(PRIVATE);
  await expect(post(client, `http://localhost.:${portOf()}/`)).rejects.toThrow(
    /localhost\.:\d+: (it resolves to|ENOTFOUND|EAI_AGAIN)/,
  );
  expect(receiver.requests).toEqual([]);
});

it('goes through the proxy of the environment, which resolves the name; not where NO_PROXY names it', async () => {
  await using proxy = await startForwardProxy();
  proxy.place = () => receiver.host;
  const { lookup, asked } = answering('127.0.0.1');
  const addresses = { allowPrivate: false, lookup };
  const rules = { http: proxy.url, https: proxy.url };
  const client = new WebhookClient({ addresses, proxies: { ...rules, none: '' } });
  await expect(post(client, 'http://hooks.example.org/')).rejects.toThrow('answered HTTP 400');
  expect([proxy.asked, asked]).toEqual([['hooks.example.org'], []]);
  const direct = new WebhookClient({ addresses, proxies: { ...rules, none: 'hooks.example.org' } });
  await expect(post(direct, 'http://hooks.example.org/')).rejects.toThrow('it resolves to 127.0.0.1');
  expect(proxy.asked).toHaveLength(1);
});

it('never goes through a proxy to this machine', async () => {
  await using proxy = await startForwardProxy();
  const client = new WebhookClient({ ...PRIVATE, proxies: { http: proxy.url, none: '' } });
  await expect(post(client, receiver.url)).rejects.toThrow('answered HTTP 400');
  expect([proxy.asked, receiver.requests.length]).toEqual([[], 1]);
});

it('says that a proxy is unusable', async () => {
  const client = new WebhookClient({ ...PRIVATE, proxies: { none: '', fault: 'HTTP_PROXY is wrong' } });
  await expect(post(client, 'http://hooks.example.org/')).rejects.toThrow(
    'hooks.example.org: PROXY_UNUSABLE',
  );
});
