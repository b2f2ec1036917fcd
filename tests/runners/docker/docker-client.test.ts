import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it, vi } from 'vitest';
import { DockerClient } from '../../../src/runners/docker/docker-client.ts';
import { engine, SCRIPTED_IMAGE } from '../../support/docker.ts';

vi.setConfig({ testTimeout: 180_000 });
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
