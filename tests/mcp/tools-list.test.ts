import { expect, test } from 'vitest';
import { MAX_ANSWER } from '../../src/mcp/answer-limits.ts';
import { startScriptedBridge } from './bridge.ts';

/** Bytes that the era of 2026-07-28 adds to the list. */
const MODERN = 200;

test('the tools are those of the committed list, which stays under 8,000 bytes in both eras', async () => {
  await using bridge = await startScriptedBridge();
  const { client } = await bridge.client();
  const list = await client.listTools();
  expect(Buffer.byteLength(JSON.stringify(list))).toBeLessThan(8_000 - MODERN);
  await expect(`${JSON.stringify(list, null, 2)}\n`).toMatchFileSnapshot('tools-list.snap');
});

test('every tool says what it is, in text and by annotations', async () => {
  await using bridge = await startScriptedBridge();
  const { client } = await bridge.client();
  for (const tool of (await client.listTools()).tools) {
    expect(tool.title, tool.name).toBeTruthy();
    expect(tool.description, tool.name).toBeTruthy();
    expect(tool.outputSchema?.type, tool.name).toBe('object');
    expect(typeof tool.annotations?.readOnlyHint, tool.name).toBe('boolean');
  }
});

test('the instructions are short, and no list announces changes', async () => {
  await using bridge = await startScriptedBridge();
  const { client } = await bridge.client();
  const instructions = client.getInstructions() ?? '';
  expect(instructions).toContain('opencode_execute_task');
  expect(Buffer.byteLength(instructions)).toBeLessThan(1_000);
  expect(client.getServerCapabilities()).toEqual({
    tools: {},
    resources: { subscribe: true },
    prompts: {},
    completions: {},
  });
});

test('Claude Code finds every tool: two are shown from the start, a search finds the others', async () => {
  await using bridge = await startScriptedBridge();
  const { client } = await bridge.client();
  const { tools } = await client.listTools();
  const shown = tools.filter(({ _meta }) => _meta?.['anthropic/alwaysLoad'] === true).map(({ name }) => name);
  expect(shown).toEqual(['opencode_execute_task', 'get_task_status']);
  for (const { name, _meta } of tools.filter((tool) => !shown.includes(tool.name)))
    expect(_meta, name).toMatchObject({ 'anthropic/searchHint': expect.stringMatching(/\w{2,}/) });
  const [execute] = tools;
  for (const word of ['delegate', 'coding task']) expect(execute?.description?.toLowerCase()).toContain(word);
  const sized = tools.filter(({ _meta }) => _meta?.['anthropic/maxResultSizeChars'] === MAX_ANSWER);
  expect(sized.map(({ name }) => name)).toEqual([
    'get_task_status',
    'get_task_history',
    'get_task_files',
    'read_task_file',
  ]);
});

test('what strict clients need of schemas is there: bounds, items of lists, the next step', async () => {
  await using bridge = await startScriptedBridge();
  const { client } = await bridge.client();
  const { tools } = await client.listTools();
  const input = (name: string) => tools.find((tool) => tool.name === name)?.inputSchema;
  expect(input('opencode_execute_task')?.properties).toMatchObject({
    max_tokens: { type: 'integer', minimum: 1, maximum: 1_000_000_000 },
    max_cost_usd: { type: 'number' },
  });
  expect(input('answer_task_request')?.properties).toMatchObject({
    answers: { type: 'array', items: { type: 'array', items: { type: 'string' } } },
  });
  expect(JSON.stringify(tools)).not.toMatch(/900719925474099|"type":"array"(?![^{}]*"items":)/);
  const called = ['opencode_execute_task', 'get_task_status', 'send_task_control', 'answer_task_request'];
  for (const { name, outputSchema } of tools.filter((tool) => called.includes(tool.name))) {
    expect(outputSchema?.properties, name).toHaveProperty('next', { type: 'string' });
  }
});

test.each([
  [{ max_tokens: 0 }, '`max_tokens` 0 is less than 1.'],
  [{ max_tokens: 2e9 }, '`max_tokens` 2000000000 is more than 1000000000.'],
  [{ max_cost_usd: 0 }, '`max_cost_usd` 0 is not more than 0.'],
  [{ max_cost_usd: -1 }, '`max_cost_usd` -1 is not more than 0.'],
])('a limit of %j is refused by the schema', async (limit, message) => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const { error } = await client.call('opencode_execute_task', { task_description: 'x', ...limit });
  expect(error).toMatchObject({ code: 'INVALID_INPUT', message });
});
