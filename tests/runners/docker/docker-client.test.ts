import { randomUUID } from 'node:crypto';
import util from 'node:util';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { DockerClient } from '../../../src/runners/docker/docker-client.ts';
import { engine, SCRIPTED_IMAGE } from '../../support/docker.ts';

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

/** A container in which eight shells exceed the CPU limit. */
const BUSY = 'for i in 1 2 3 4 5 6 7 8; do (while :; do /bin/true; done) & done; wait';

async function start(cpus: number) {
  const api = new DockerClient(engine.host);
  const name = `letta-test-${randomUUID()}`;
  const HostConfig = { NetworkMode: 'none', NanoCpus: cpus * 1e9 };
  await api.create(name, { Image: SCRIPTED_IMAGE, Cmd: ['sh', '-c', BUSY], HostConfig });
  await api.start(name);
  return { api, name, [Symbol.asyncDispose]: () => api.remove(name) };
}

it('pauses a container that has used up its CPU quota, every time', async () => {
  await using busy = await start(0.05);
  for (let time = 0; time < 5; time += 1) {
    await busy.api.pause(busy.name);
    expect(await busy.api.state(busy.name)).toMatchObject({ status: 'paused' });
    await busy.api.unpause(busy.name);
    expect(await busy.api.state(busy.name)).toMatchObject({ status: 'running' });
  }
});

it('has its transport look at no socket of other requests, which it does for a message that nobody reads', async () => {
  await using busy = await start(0.05);
  const inspected = vi.spyOn(util, 'inspect');
  try {
    await busy.api.state(busy.name);
    const texts = inspected.mock.results.map(({ value }) => String(value));
    expect(texts.join()).toContain(`/containers/${busy.name}/json`);
    expect(texts.join().length).toBeLessThan(2_000);
  } finally {
    inspected.mockRestore();
  }
});

describe('a container that somebody removes', () => {
  const spec = { Image: SCRIPTED_IMAGE, Cmd: ['true'], HostConfig: { NetworkMode: 'none' } };
  const create = async (api: DockerClient) => {
    const name = `letta-test-${randomUUID()}`;
    await api.create(name, spec);
    return name;
  };

  it('is not started, and that is no error, at whatever moment of the removal', async () => {
    const api = new DockerClient(engine.host);
    for (let round = 0; round < 10; round += 1) {
      const name = await create(api);
      await Promise.all([api.remove(name), api.start(name), api.start(name)]);
      await api.start(name);
      expect(await api.state(name)).toBeUndefined();
    }
  });

  it('is gone once any of several removals has resolved, so its name is free', async () => {
    const api = new DockerClient(engine.host);
    for (let round = 0; round < 5; round += 1) {
      const name = await create(api);
      const others = [api.remove(name), api.remove(name)];
      await api.remove(name);
      await api.create(name, spec);
      await Promise.all(others);
      await api.remove(name);
    }
  });
});
