import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { CLOSE_CODES } from '../../src/http/websocket/close-codes.ts';
import { RestClient, startApi } from '../http/rest.ts';

const PAGE = join(import.meta.dirname, '../../docs/websocket.md');
/** Beside the tests, so that it finds the packages. */
const MODULE = join(import.meta.dirname, `websocket-example-${process.pid}.mjs`);
afterAll(() => rm(MODULE, { force: true }));

const TOKEN = { authorization: 'Bearer secret-of-ann' };
const example = z.custom<(...args: unknown[]) => Promise<unknown>>((it) => typeof it === 'function');
const exampleSchema = z.object({ follow: example, followFor: example });

test('the examples follow a task to its end', async () => {
  const code = [...(await readFile(PAGE, 'utf8')).matchAll(/```js\n([\s\S]*?)```/g)].map(([, text]) => text);
  await writeFile(MODULE, code.join('\n').replace('async function follow(', 'export async function follow('));
  const { follow, followFor } = exampleSchema.parse(await import(MODULE));
  await using server = await startApi({ tokens: [{ token: 'secret-of-ann', agentId: 'ann' }] });
  const api = new RestClient(server.http.url, TOKEN);
  const id = await api.start();
  const turn = await server.runner.turnOf(id);
  const frames: unknown[] = [];
  const events: unknown[] = [];
  const closed = follow(server.http.url, TOKEN, id, (frame: unknown) => frames.push(frame));
  const followed = followFor(server.http.url, TOKEN, id, (event: unknown) => events.push(event));
  turn.tool('bash', 'make', 'made');
  turn.complete('done');
  expect(await closed).toEqual({ code: 1000, reason: 'ended' });
  await followed;
  expect(frames).toContainEqual(expect.objectContaining({ type: 'stdout', data: 'made\n' }));
  const { body } = await api.get(`/tasks/${id}/events`);
  expect(events).toEqual(body.events);
});

test('the page has every close code', async () => {
  const page = await readFile(PAGE, 'utf8');
  for (const [reason, { code, about }] of Object.entries(CLOSE_CODES)) {
    const row = page.split('\n').find((line) => line.startsWith(`| ${code} |`));
    expect(row).toContain(about);
    if (reason !== 'tooLarge') expect(row).toContain(`\`${reason}\``);
  }
});
