import { expect, test } from 'vitest';
import { startBridge } from './bridge.ts';

test('the tools are those of the committed list, which stays under 8,000 bytes', async () => {
  await using bridge = await startBridge();
  const { client } = await bridge.client();
  const list = await client.listTools();
  expect(Buffer.byteLength(JSON.stringify(list))).toBeLessThan(8_000);
  await expect(`${JSON.stringify(list, null, 2)}\n`).toMatchFileSnapshot('tools-list.snap');
});

test('every tool says what it is, in text and by annotations', async () => {
  await using bridge = await startBridge();
  const { client } = await bridge.client();
  for (const tool of (await client.listTools()).tools) {
    expect(tool.title, tool.name).toBeTruthy();
    expect(tool.description, tool.name).toBeTruthy();
    expect(tool.outputSchema?.type, tool.name).toBe('object');
    expect(typeof tool.annotations?.readOnlyHint, tool.name).toBe('boolean');
  }
});

test('the instructions are short, and only tools are offered', async () => {
  await using bridge = await startBridge();
  const { client } = await bridge.client();
  const instructions = client.getInstructions() ?? '';
  expect(instructions).toContain('opencode_execute_task');
  expect(Buffer.byteLength(instructions)).toBeLessThan(1_000);
  expect(client.getServerCapabilities()).toEqual({ tools: {} });
});
