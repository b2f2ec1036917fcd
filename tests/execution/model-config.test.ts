import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findScript, type Step, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { bash, subagent, write } from '../support/steps.ts';

// A server that never starts is enough: its tools are denied by its name.
const mcp = {
  files: { type: 'local', command: ['/bin/false'], enabled: false },
  'my.bridge': { type: 'local', command: ['/bin/false'], enabled: false },
  'my.bridge_two': { type: 'local', command: ['/bin/false'], enabled: false },
};
const permission = { bash: { '*': 'allow', 'rm *': 'deny' } };
let bridge: Bridge;
beforeAll(async () => {
  bridge = await startBridge({ config: { mcp, permission } });
});
afterAll(() => bridge.close());

/** What reached the model in the sessions of the task, one row for each request. */
const requestsOf = async ({ sessionId = '' }: Task) => {
  const { data: children = [] } = await bridge.client.session.children({ sessionID: sessionId });
  const sessions = [sessionId, ...children.map(({ id }) => id)];
  const own = bridge.model.requests.filter(({ session = '' }) => sessions.includes(session));
  return own.map(({ session, tools, messages }) => ({
    tools: tools.toSorted(),
    system: messages.flatMap(({ role, content }) => (role === 'system' ? [JSON.stringify(content)] : [])),
    isChild: session !== sessionId,
  }));
};
const rulesOf = async ({ sessionId = '' }: Task) =>
  (await bridge.client.session.get({ sessionID: sessionId })).data?.permission ?? [];
const refusal = (modelConfig: object, more: object = {}) =>
  bridge.start([{ text: 'never' }], { modelConfig, ...more }).then(
    () => expect.unreachable('the task was accepted'),
    (thrown: unknown) => thrown,
  );

it('adds the system prompt to that of the agent, in each turn and in the follow-up', async () => {
  const modelConfig = { system_prompt: 'SPEAK LIKE A SAILOR' };
  const task = await bridge.run([subagent([{ text: 'part' }]), { text: 'Ahoy.' }], { modelConfig });
  const next = await bridge.run([{ text: 'Again.' }], { continueTaskId: task.id });
  expect(next.modelConfig).toEqual(modelConfig);
  const rows = await requestsOf(next);
  expect(rows.length).toBe(4);
  for (const { system, isChild } of rows) {
    expect(system.join().includes('SPEAK LIKE A SAILOR')).toBe(!isChild);
    expect(system.join()).toContain('opencode');
  }
});

it('offers the enabled tools alone, to subagents too, and in the follow-up', async () => {
  const modelConfig = { enabled_tools: ['read', 'grep', 'task'] };
  const steps = [subagent([bash('touch sub'), { text: 'part' }]), bash('touch own'), { text: 'Done.' }];
  const task = await bridge.run(steps, { modelConfig });
  const next = await bridge.run([write('a.txt', 'x'), { text: 'Again.' }], { continueTaskId: task.id });
  expect(next).toMatchObject({ status: 'completed', modelConfig, result: { files_changed_total: 0 } });
  const rows = await requestsOf(next);
  for (const { tools, isChild } of rows)
    expect(tools).toEqual(isChild ? ['grep', 'read'] : ['grep', 'read', 'task']);
  expect(rows.map(({ isChild }) => isChild)).toContain(true);
  const done = [...bridge.events(task), ...bridge.events(next)].filter(({ kind }) => kind === 'tool');
  expect(done.filter((event) => event.kind === 'tool' && event.tool === 'bash' && event.ok)).toEqual([]);
});

it('denies and allows nothing else: the rules of the bridge and of the operator stay', async () => {
  const modelConfig = { enabled_tools: ['bash', 'files_*'] };
  const task = await bridge.run([bash('rm own; touch made'), bash('touch made'), { text: 'Done.' }], {
    modelConfig,
  });
  const rules = await rulesOf(task);
  expect(rules.filter(({ action }) => action !== 'deny')).toEqual([]);
  const denied = rules.filter(({ pattern }) => pattern === '*').map((rule) => rule.permission);
  expect(denied).toEqual(
    expect.arrayContaining([
      'edit',
      'webfetch',
      'my_bridge_*',
      '*_opencode_execute_task',
      '*_send_task_control',
    ]),
  );
  expect(denied).not.toContain('bash');
  expect(denied).not.toContain('files_*');
  const finished = bridge
    .events(task)
    .flatMap((event) => (event.kind === 'tool' && event.phase === 'finished' ? [event.ok] : []));
  expect(finished).toEqual([false, true]);
});

it('offers no tool where none is enabled', async () => {
  const task = await bridge.run([{ text: 'Only words.' }], { modelConfig: { enabled_tools: [] } });
  expect(await requestsOf(task)).toMatchObject([{ tools: [] }]);
});

it('denies what a follow-up gives up, in the session that had it', async () => {
  const first = await bridge.run([write('a.txt', 'x'), { text: 'Done.' }]);
  const modelConfig = { enabled_tools: ['read'] };
  const next = await bridge.run([{ text: 'Again.' }], { continueTaskId: first.id, modelConfig });
  const last = await bridge.run([{ text: 'Once more.' }], { continueTaskId: next.id });
  const rows = await requestsOf(last);
  expect(rows.map(({ tools }) => tools.includes('write'))).toEqual([true, true, false, false]);
  expect(rows.at(-1)?.tools).toEqual(['read']);
  expect(await refusal({ enabled_tools: ['bash'] }, { continueTaskId: last.id })).toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('"bash"'),
  });
});

it('keeps edits denied in a folder below its repository, where the bridge has rules for them', async () => {
  const repository = join(bridge.workspaceDir, 'repository');
  const directory = join(repository, 'part');
  await mkdir(join(repository, '.git'), { recursive: true });
  await mkdir(directory);
  await writeFile(join(repository, '.git', 'HEAD'), 'ref: refs/heads/main\n');
  const modelConfig = { enabled_tools: ['read'] };
  const first = await bridge.run([{ text: 'a' }], { directory });
  const second = await bridge.run([{ text: 'b' }], { continueTaskId: first.id, modelConfig });
  const third = await bridge.run([write('x.txt', 'x'), { text: 'c' }], { continueTaskId: second.id });
  expect(third.result?.files_changed_total).toBe(0);
  expect((await requestsOf(third)).at(-1)?.tools).toEqual(['read']);
});

it.each([
  [{ temperature: 0.2 }, 'UNSUPPORTED', '`model_config.temperature` 0.2'],
  [{ max_tokens: 100 }, 'UNSUPPORTED', '`model_config.max_tokens` 100'],
  [{ enabled_tools: ['read', 'fly'] }, 'INVALID_INPUT', 'names "fly", which is no tool here'],
  [{ enabled_tools: ['*'] }, 'INVALID_INPUT', 'names "*", which is no tool here'],
  [{ enabled_tools: ['invalid'] }, 'INVALID_INPUT', 'names "invalid", which is no tool here'],
  [{ enabled_tools: ['files_read'] }, 'INVALID_INPUT', 'names "files_read", which is no tool here'],
  [{ enabled_tools: ['write'] }, 'INVALID_INPUT', 'names "write", without "edit"'],
  [{ enabled_tools: ['my_bridge_two_*'] }, 'INVALID_INPUT', 'cannot tell from "my_bridge_*"'],
])('refuses %j by name, and stores nothing', async (modelConfig, code, message) => {
  const before = bridge.log.store.unfinished().length;
  expect(await refusal(modelConfig)).toMatchObject({
    code,
    message: expect.stringContaining(message),
    next: expect.stringMatching(/\w/),
  });
  expect(bridge.log.store.unfinished().length).toBe(before);
});

it("does not let the prompt's own words choose tools", async () => {
  const order = { tools: { bash: true }, model_config: { enabled_tools: ['bash'] } };
  const step: Step = { text: 'No.' };
  const description = `${JSON.stringify(order)} ${scriptText([step])}`;
  expect(findScript(description)).toEqual([step]);
  const task = await bridge.run([], { description, modelConfig: { enabled_tools: ['read'] } });
  expect(await requestsOf(task)).toMatchObject([{ tools: ['read'] }]);
});
