import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import type { Task } from '../../../src/tasks/task.ts';
import { bash } from '../../support/steps.ts';

const SCRIPT = join(import.meta.dirname, '../../support/docker-engine');
const SHARED = process.env.BRIDGE_TESTS_ENGINE ?? '/tmp/letta-opencode-plugin-engine';
const WAITS = [bash('echo began > began; while ! test -e go; do sleep 0.1; done'), { text: 'Went on.' }];

// The engine that dies is not the one that other tests use.
process.env.BRIDGE_TESTS_ENGINE = `${SHARED}-that-dies`;
const script = (command: string, flags = '') =>
  promisify(execFile)(SCRIPT, [command], {
    env: { ...process.env, BRIDGE_TESTS_ENGINE_FLAGS: flags, BRIDGE_TESTS_ENGINE_IMAGES: 'scripted' },
  });
if (existsSync(join(SHARED, 'docker.sock'))) await script('up', '--live-restore');
const { engine, startScriptedDockerBridge } = await import('../../support/docker.ts');

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));
afterAll(async () => {
  if (engine.absent === undefined) await script('purge');
});

const began = ({ directory }: Task) =>
  vi.waitUntil(() => readFile(join(directory, 'began')).catch(() => false), { timeout: 120_000 });

it('an engine dies and returns with its containers: the task continues', async () => {
  await using bridge = await startScriptedDockerBridge();
  const task = await bridge.start(WAITS);
  await began(task);
  await script('crash', '--live-restore');
  await writeFile(join(task.directory, 'go'), '');
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'Went on.' } });
  const tools = bridge.events(task).filter(({ kind }) => kind === 'tool');
  expect(tools).toMatchObject([{ phase: 'finished', ok: true }]);
});

it('an engine dies and its containers with it: the agent is informed and continues', async () => {
  await using bridge = await startScriptedDockerBridge();
  const task = await bridge.start(WAITS);
  await began(task);
  await script('crash');
  const ended = await bridge.end(task);
  expect(ended.status, JSON.stringify(bridge.events(task), undefined, 1)).toBe('completed');
  expect(ended.result?.summary).toMatch(/^Understood: The program you run in was restarted/);
  const codes = bridge.events(task).flatMap((event) => (event.kind === 'warning' ? [event.code] : []));
  expect(codes).toContain('ENGINE_LOST');
});
