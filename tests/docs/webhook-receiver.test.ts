import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SENT_KINDS } from '../../src/notifications/webhook/payload.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { Delivering, until } from '../notifications/delivering.ts';
import { webhookTo } from '../notifications/webhook-sinks.ts';
import { SECRET } from '../support/webhook-receiver.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/webhooks.md'), 'utf8');
const [, code = ''] = /```js\n(.*?)```/s.exec(page) ?? [];

it('the receiver of docs/webhooks.md runs, takes what the bridge sends, and nothing else', async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const env = { PATH: process.env.PATH, PORT: `${port}`, WEBHOOK_SECRET: SECRET };
  const args = ['--input-type=module', '--eval', code];
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  try {
    const isUp = () =>
      fetch(url).then(
        ({ status }) => status === 401,
        () => false,
      );
    await until(isUp);
    const forged = { 'webhook-id': 'a', 'webhook-timestamp': `${Math.floor(Date.now() / 1_000)}` };
    const headers = { ...forged, 'webhook-signature': 'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=' };
    expect((await fetch(url, { method: 'POST', body: '{}', headers })).status).toBe(401);
    const sink = await webhookTo(url);
    await using bridge = await Delivering.to(() => sink);
    bridge.create('task_1', 'agent-1', { kind: 'started' }, { kind: 'cancelled', by: 'agent-1' });
    await bridge.settled('task_1');
    await until(() => printed.split('\n').length > 3);
    expect(printed).toBe(
      [
        'webhook_task_1_1 task.created cancelled\n',
        'webhook_task_1_2 task.started cancelled\n',
        'webhook_task_1_3 task.cancelled cancelled\n',
      ].join(''),
    );
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

it('that receiver has ten lines', () => {
  const lines = code.split('\n').filter((line) => line !== '' && !line.startsWith('import '));
  expect(lines).toHaveLength(10);
});

it('the page lists the kinds of events that are sent', () => {
  const [, list = ''] = /Sent are (.*?)\. /.exec(page) ?? [];
  expect(list.match(/(?<=`)\w+(?=`)/g)).toEqual([...SENT_KINDS]);
});
