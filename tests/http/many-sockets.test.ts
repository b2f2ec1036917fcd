import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { open, statusOf } from './raw.ts';
import { startApi } from './rest.ts';
import { SocketClient } from './socket-client.ts';

const SOCKETS = 5_000;
const ROOM = 2_000;

test('of 5,000 idle WebSockets those above the limit are refused, and everybody else is served', async () => {
  await using server = await startApi();
  const { api, runner, http } = server;
  const id = await api.start();
  const turn = await runner.turnOf(id);
  const before = process.memoryUsage().rss;
  const upgrade = [
    `GET /tasks/${id}/stream?view=events HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ].join('\r\n');
  const idle: Socket[] = [];
  let refused = 0;
  for (let n = 0; n < SOCKETS; n += 1) {
    const socket = open(http.port);
    socket.write(`${upgrade}\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    if (statusOf(String(answer)) === 101) idle.push(socket.pause());
    else refused += statusOf(String(answer)) === 429 ? 1 : 0;
  }
  expect([idle.length, refused]).toEqual([ROOM, SOCKETS - ROOM]);
  // 2,000 times what both ends of a connection need, for they are in one process here.
  expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000);
  expect((await api.get('/tasks')).status).toBe(200);
  expect((await api.stream(`/tasks/${id}/events`)).status).toBe(429);
  idle.pop()?.destroy();
  await expect.poll(async () => (await api.send('HEAD', '/events')).status).toBe(200);
  const follower = new SocketClient(`${http.url}/tasks/${id}/stream?view=events`);
  await follower.until(() => true);
  turn.complete('done');
  expect((await follower.closed).code).toBe(1000);
  for (const socket of idle) socket.destroy();
});
