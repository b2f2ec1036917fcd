import { once } from 'node:events';
import { request } from 'node:http';
import { WebSocket } from 'ws';

/**
 * `node followers-host.ts <url> <task> <followers> <events>`: follows a task from a process of its own, half of the followers
 * by WebSocket and half by server-sent events. Writes "ready" when all have the first event, then how many got every one.
 */
const [, , url = '', task = '', followers = '2', events = '1'] = process.argv;
const half = Number(followers) / 2;
const total = Number(events);
const begun = Array.from({ length: 2 * half }, () => Promise.withResolvers<void>());

const sockets = begun.slice(0, half).map(async ({ resolve }) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/tasks/${task}/stream?view=events`);
  let count = 0;
  socket.on('message', () => {
    count += 1;
    resolve();
  });
  const [code] = await once(socket, 'close');
  return code === 1000 && count === total;
});
const streams = begun.slice(half).map(async ({ resolve }) => {
  const [response] = await once(
    request(`${url}/tasks/${task}/events`, { headers: { accept: 'text/event-stream' }, agent: false }).end(),
    'response',
  );
  let count = 0;
  let last = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    resolve();
    // An empty line ends an event; its two line breaks may come in two chunks.
    if (last === '\n' && chunk.startsWith('\n')) count += 1;
    for (let at = chunk.indexOf('\n\n'); at >= 0; at = chunk.indexOf('\n\n', at + 2)) count += 1;
    last = chunk.endsWith('\n\n') ? '' : chunk.slice(-1);
  });
  await once(response, 'end');
  return count === total;
});

await Promise.all(begun.map(({ promise }) => promise));
process.stdout.write('ready\n');
const complete = (await Promise.all([...sockets, ...streams])).filter(Boolean).length;
process.stdout.write(`${complete}\n`);
