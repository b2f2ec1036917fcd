import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BridgeError } from '../../src/errors.ts';
import { RestClient, startApi } from './rest.ts';

const LISTS = {
  models: [{ id: 'a/b', name: 'B', provider: 'A' }],
  agents: [{ name: 'build', description: 'Builds.' }, { name: 'plan' }],
};

test('has lists, defaults and limits, and the folders of the own tasks', async () => {
  await using server = await startApi({ limits: { maxQueued: 7, defaultMaxCostUsd: 5 } });
  const { runner, bridge } = server;
  const asked: string[] = [];
  runner.choices = async (directory) => {
    asked.push(directory);
    return { ...LISTS, model: 'a/b' };
  };
  const folder = join(bridge.workspaceDir, 'project');
  await mkdir(folder);
  const [ann, bob] = ['ann', 'bob'].map((agent) => new RestClient(server.http.url, { 'x-agent-id': agent }));
  await ann?.start({ directory: folder });
  await ann?.start();
  const { body } = (await ann?.get('/options')) ?? {};
  expect(body).toMatchObject({
    ...LISTS,
    default_model: 'a/b',
    directories: { roots: [], suggestions: [folder] },
    limits: { max_queued: 7, max_cost_usd: { default: 5 } },
  });
  expect((await bob?.get('/options'))?.body.directories.suggestions).toEqual([]);
  expect((await bob?.get('/options?agent_id=bob'))?.status).toBe(200);
  expect((await server.api.get('/options?agent_id=*')).body.directories.suggestions).toEqual([folder]);
  expect(asked).toEqual([bridge.workspaceDir, bridge.workspaceDir, bridge.workspaceDir, bridge.workspaceDir]);
});

test('an OpenCode that does not answer leaves the rest, and says why', async () => {
  await using server = await startApi();
  server.runner.choices = async () => {
    throw new BridgeError('ENGINE_UNAVAILABLE', 'OpenCode does not answer.');
  };
  const { status, body } = await server.api.get('/options');
  expect(status).toBe(200);
  expect(body).toMatchObject({ lists_missing: 'OpenCode does not answer.', limits: expect.any(Object) });
  expect(body).not.toHaveProperty('models');
  expect(body).not.toHaveProperty('agents');
});

test("another agent's folder does not exist", async () => {
  await using server = await startApi();
  const ann = new RestClient(server.http.url, { 'x-agent-id': 'ann' });
  const { directory } = (await ann.get(`/tasks/${await ann.start()}`)).body;
  await mkdir(directory, { recursive: true });
  const foreign = await server.api.get(`/options?directory=${directory}`);
  expect(foreign).toMatchObject({ status: 400, body: { detail: expect.stringContaining('does not exist') } });
  expect((await ann.get(`/options?directory=${directory}`)).status).toBe(200);
});
