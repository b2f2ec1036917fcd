import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Script } from '../../src/cli/demo/scripted-model/script.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import type { Order } from '../support/manage.ts';
import { processesOf } from '../support/processes.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, slowly } from '../support/steps.ts';

const SOON = { 'retry-after-ms': '200' };
let bridge: Bridge;
let directory: string;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine() });
  directory = join(bridge.workspaceDir, 'warm');
  await mkdir(directory, { recursive: true });
  await bridge.run([{ text: 'warm' }], { directory });
});
afterAll(() => bridge.close());

const run = (steps: Script, order?: Order) => bridge.run(steps, { directory, ...order });
const took = ({ startedAt = 0, endedAt = 0 }: Task) => endedAt - startedAt;
const retries = (task: Task) => bridge.events(task).filter(({ kind }) => kind === 'retrying');

it.each([
  [401, 'PROVIDER_AUTH', 'HTTP 401: no key'],
  [403, 'PROVIDER_AUTH', 'HTTP 403: no key'],
  [400, 'PROVIDER_ERROR', 'HTTP 400: no key'],
  [404, 'PROVIDER_ERROR', 'HTTP 404: no key'],
])('provider %i', async (status, code, message) => {
  const task = await run([{ fail: { status, message: 'no key' } }], { timeoutMs: 20_000 });
  expect(task).toMatchObject({
    status: 'failed',
    error: { code, message: expect.stringContaining(message) },
  });
  expect(await bridge.busy(task)).toEqual([]);
});

it('provider 401 after work was done: the work is told', async () => {
  const task = await run([bash('echo half > half.txt'), { fail: { status: 401 } }]);
  expect(task).toMatchObject({
    status: 'failed',
    error: { code: 'PROVIDER_AUTH' },
    result: { files_changed: [{ path: 'half.txt', change: 'added' }] },
  });
});

it('provider 500 without end: retries are seen, the limit holds', async () => {
  // Five retries take longer than the limit, and the first comes well before it on a busy machine too.
  const fail = { status: 500, message: 'overloaded', headers: { 'retry-after-ms': '2000' } };
  const task = await run([{ fail }], { timeoutMs: 5_000 });
  expect(task.status).toBe('timeout');
  expect(took(task), 'not as long as five retries').toBeLessThan(10_000);
  expect(retries(task)[0]).toMatchObject({ attempt: 1, message: expect.stringContaining('overloaded') });
  expect(await bridge.busy(task)).toEqual([]);
});

it('provider 500 until OpenCode gives up: failed', async () => {
  const task = await run([{ fail: { status: 500, message: 'overloaded', headers: SOON } }]);
  expect(task).toMatchObject({
    status: 'failed',
    error: { code: 'PROVIDER_ERROR', message: expect.stringContaining('overloaded') },
  });
  expect(retries(task).length).toBeGreaterThanOrEqual(3);
});

it('provider 500 that recovers: completed, with the retries in the log', async () => {
  const fail = { status: 500, times: 2, headers: SOON };
  const task = await run([{ fail, text: 'recovered' }]);
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'recovered' } });
  expect(retries(task)).toHaveLength(2);
});

it('provider 429 with retry-after: waits and goes on', async () => {
  const fail = { status: 429, times: 1, headers: { 'retry-after': '1' } };
  const task = await run([{ fail, text: 'recovered' }]);
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'recovered' } });
  expect(retries(task)).toHaveLength(1);
});

it('a cut stream is no end of a turn', async () => {
  const task = await run([{ text: 'half of a sentence', chunks: 4, cut: true }], { timeoutMs: 5_000 });
  expect(['failed', 'timeout']).toContain(task.status);
  expect(took(task), 'soon after its limit').toBeLessThan(20_000);
  expect(await bridge.busy(task)).toEqual([]);
});

it('an overflow of the context ends readably', async () => {
  const fail = { status: 400, code: 'context_length_exceeded', message: 'maximum context length exceeded' };
  const task = await run([{ fail, text: 'x' }], { timeoutMs: 20_000 });
  expect(['completed', 'failed']).toContain(task.status);
  expect(bridge.events(task)).toContainEqual(
    expect.objectContaining({ kind: 'warning', code: 'ContextOverflowError' }),
  );
  if (task.status === 'failed') expect(task.error?.message).toContain('context');
  expect(bridge.events(task)).not.toContainEqual(expect.objectContaining({ text: 'Scripted summary' }));
});

it('an unknown model', async () => {
  const task = await run([{ text: 'x' }], { model: 'mock/nope' });
  expect(task).toMatchObject({
    status: 'failed',
    error: { code: 'MODEL_NOT_FOUND', message: expect.stringContaining('mock/nope') },
  });
  const provider = await run([{ text: 'x' }], { model: 'nobody/nope' });
  expect(provider).toMatchObject({ status: 'failed', error: { code: 'MODEL_NOT_FOUND' } });
});

it('an unknown agent', async () => {
  const task = await run([{ text: 'x' }], { agent: 'nope' });
  expect(task).toMatchObject({
    status: 'failed',
    error: {
      code: 'AGENT_NOT_FOUND',
      message: expect.stringContaining('"nope"'),
      next: expect.stringContaining('build'),
    },
  });
  expect(took(task), 'not as long as a turn may take to start').toBeLessThan(20_000);
});

it('a bad model or agent does not stick to the session', async () => {
  for (const order of [{ model: 'mock/nope' }, { agent: 'nope' }]) {
    const bad = await run([{ text: 'x' }], order);
    const good = { continueTaskId: bad.id, model: 'mock/m1', agent: 'build' };
    const task = await bridge.run([{ text: 'now it works' }], good);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'now it works' } });
  }
});

it('another agent of OpenCode', async () => {
  const task = await run([{ text: 'planned' }], { agent: 'plan' });
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'planned' } });
});

it.each(['headers', 'mid'] as const)('a model that hangs (%s) ends at the limit', async (hang) => {
  const task = await run([{ text: 'half a word', hang }], { timeoutMs: 1_500 });
  expect(task.status).toBe('timeout');
  expect(took(task)).toBeGreaterThanOrEqual(1_500);
  expect(took(task), 'soon after its limit').toBeLessThan(16_500);
  expect(await bridge.busy(task)).toEqual([]);
});

it('an answer cut at the output limit is not completed', async () => {
  const task = await run([{ text: 'so far', finish: 'length' }]);
  expect(task).toMatchObject({
    status: 'failed',
    error: { code: 'OUTPUT_LIMIT' },
    result: { summary: 'so far', finish: 'length' },
  });
});

it('an answer that the provider filtered is not completed', async () => {
  const task = await run([{ text: 'I cann', finish: 'content_filter' }], { timeoutMs: 10_000 });
  expect(task).toMatchObject({ status: 'failed', error: { code: 'CONTENT_FILTERED' } });
});

it('a session that somebody aborts in OpenCode', async () => {
  // In a folder where the bridge itself has aborted nothing: there an abort before the first part would not count.
  const task = await bridge.start([slowly('bla ', 20_000)]);
  await bridge.untilAsked(task);
  const { directory, sessionId: sessionID = '' } = bridge.now(task);
  await bridge.client.session.abort({ sessionID, directory });
  expect(await bridge.end(task)).toMatchObject({ status: 'failed', error: { code: 'ABORTED_EXTERNALLY' } });
});

it('a session that somebody deletes in OpenCode', async () => {
  const task = await bridge.start([bash('sleep 41')], { directory });
  await bridge.until(task, ({ kind }) => kind === 'tool');
  const began = performance.now();
  await bridge.client.session.delete({ sessionID: bridge.now(task).sessionId ?? '' });
  const ended = await bridge.end(task);
  expect(ended).toMatchObject({
    status: 'failed',
    error: { code: 'ENGINE_NOT_FOUND', next: expect.stringContaining('deleted in OpenCode') },
  });
  expect(performance.now() - began, 'not as long as the command').toBeLessThan(20_000);
  const left = (await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 41'));
  expect(left).toEqual([]);
});

it('a session that is gone when it is to be continued', async () => {
  const first = await run([{ text: 'x' }]);
  await bridge.client.session.delete({ sessionID: first.sessionId ?? '' });
  const task = await bridge.run([{ text: 'y' }], { continueTaskId: first.id });
  expect(task).toMatchObject({ status: 'failed', error: { code: 'ENGINE_NOT_FOUND' } });
});
