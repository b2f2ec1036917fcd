import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { boundedLog } from '../../../src/runners/docker/container-spec.ts';
import { DockerClient } from '../../../src/runners/docker/docker-client.ts';
import { loggedSize } from '../../../src/runners/docker/logged-size.ts';
import type { Task } from '../../../src/tasks/task.ts';
import {
  containersOf,
  type DockerBridge,
  engine,
  SCRIPTED_IMAGE,
  startScriptedDockerBridge,
} from '../../support/docker.ts';
import { bash } from '../../support/steps.ts';

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

const MB = 1_000_000;
/** Other writers to the output of the container: a command that opens it, a plugin. */
const aloud = (command: string) => bash(`{ ${command}; } > /proc/1/fd/1`);
const warnings = (bridge: DockerBridge, task: Task) =>
  bridge.events(task).flatMap((event) => (event.kind === 'warning' ? [event] : []));
const eventsOf = (bridge: DockerBridge, task: Task) => JSON.stringify(bridge.events(task), undefined, 1);

describe('the output of a container', () => {
  it('with a line without an end: it is dropped, and the task continues', async () => {
    await using bridge = await startScriptedDockerBridge();
    const task = await bridge.run([
      aloud('head -c 40000000 /dev/zero | tr "\\0" x'),
      bash('echo; echo heard'),
      { text: 'Done.' },
    ]);
    expect(task, eventsOf(bridge, task)).toMatchObject({ status: 'completed', result: { summary: 'Done.' } });
    expect(warnings(bridge, task)).toMatchObject([
      { code: 'ENGINE_OUTPUT', message: expect.stringContaining('longer than') },
    ]);
    expect(bridge.events(task)).toContainEqual(expect.objectContaining({ output: '\nheard\n' }));
  });

  it('with many empty lines: they are ignored', async () => {
    await using bridge = await startScriptedDockerBridge();
    const task = await bridge.run([aloud('head -c 300000 /dev/zero | tr "\\0" "\\n"'), { text: 'Done.' }]);
    expect(task, eventsOf(bridge, task)).toMatchObject({ status: 'completed', result: { summary: 'Done.' } });
    expect(warnings(bridge, task)).toEqual([]);
  });

  it('without an end: the container is stopped, and the task fails with the reason', async () => {
    await using bridge = await startScriptedDockerBridge({ container: { outputBytes: 5 * MB } });
    const task = await bridge.run([aloud('tr "\\0" "\\n" < /dev/zero'), { text: 'never said' }]);
    expect(task, eventsOf(bridge, task)).toMatchObject({
      status: 'failed',
      error: { code: 'CONTAINER_OUTPUT_LIMIT', message: expect.stringContaining('RUNNER_OUTPUT_LIMIT') },
    });
    await vi.waitUntil(async () => (await containersOf(task)).length === 0, { timeout: 60_000 });
  });
});

/** A program that writes a text many times; backslashes are JavaScript escapes. */
const repeat = (text: string, times: number) =>
  `node -e 'process.stdout.write("${text.replaceAll('"', '\\"')}".repeat(${times}))'`;

/** A container with a log of at most two files of this size. */
async function writer(command: string, bytes: number) {
  const api = new DockerClient(engine.host);
  const name = `letta-test-${randomUUID()}`;
  const HostConfig = { NetworkMode: 'none', LogConfig: boundedLog(bytes) };
  await api.create(name, { Image: SCRIPTED_IMAGE, Cmd: ['sh', '-c', command], HostConfig });
  await api.start(name);
  return { api, name, [Symbol.asyncDispose]: () => api.remove(name) };
}

describe('the log of a container', () => {
  it('does not fill the disk, with or without a reader', async () => {
    await using flood = await writer(repeat('flood\\n', 3_000_000), 2 * MB);
    await vi.waitUntil(async () => (await flood.api.state(flood.name))?.status === 'ended', {
      timeout: 60_000,
    });
    const { LogPath } = await engine.api.getContainer(flood.name).inspect();
    const sizes = await Promise.all([LogPath, `${LogPath}.1`].map(async (path) => (await stat(path)).size));
    expect(Math.max(...sizes)).toBeLessThan(2.1 * MB);
    await expect(stat(`${LogPath}.2`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  const BYTES = 200_000;
  it.each([
    ['empty lines', repeat('\\n', 4_000)],
    ['few of them', repeat('\\n', 700)],
    ['quotes', repeat('"\\\\\\\\\\n', 75_000)],
    ['what JSON escapes', repeat('<&>\\n', 40_000)],
    ['control characters', repeat('\\x01\\x02', 75_000)],
    ['what is no UTF-8', 'head -c 150000 /dev/zero | tr "\\0" "\\377"'],
    ['umlauts and faces', repeat('äöü🙂\\n', 30_000)],
    ['separators of lines in JSON', repeat('\\u2028\\n', 50_000)],
    ['one long line', repeat('x', 500_000)],
    ['less than it holds', repeat('text\\n', 500)],
  ])('has lost nothing that counts as less than its size: %s', async (_, command) => {
    await using container = await writer(command, BYTES);
    await using whole = await writer(command, 100 * MB);
    /** Only once it has ended: before, the engine omits an incomplete last line. */
    const read = async ({ name, api }: typeof container) => {
      await vi.waitUntil(async () => (await api.state(name))?.status === 'ended', { timeout: 60_000 });
      let [length, size] = [0, 0];
      const onOutput = (_stream: string, chunk: Buffer): void => {
        length += chunk.length;
        size += loggedSize(chunk);
      };
      await api.followLogs(name, onOutput, AbortSignal.timeout(60_000));
      return { length, size };
    };
    const [kept, complete] = [await read(container), await read(whole)];
    if (kept.size < BYTES) expect(kept.length).toBe(complete.length);
    const { LogPath } = await engine.api.getContainer(whole.name).inspect();
    expect(complete.size).toBeGreaterThanOrEqual((await stat(LogPath)).size);
  });
});
