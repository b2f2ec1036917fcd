import { describe, expect, test } from 'vitest';
import { startScriptedBridge } from './bridge.ts';
import { PROVIDERS } from './provider-schemas.ts';

const property = (schema: object) => ({ type: 'object', properties: { x: schema } });

/** What some provider refuses, and which. */
const REFUSED: [name: string, schema: object, by: (keyof typeof PROVIDERS)[]][] = [
  [
    'a union',
    property({ anyOf: [{ type: 'string' }, { type: 'number' }] }),
    ['Gemini', 'OpenAI strict', 'Letta'],
  ],
  ['a constant', property({ type: 'string', const: 'x' }), ['Gemini', 'OpenAI strict']],
  ['a list of types', property({ type: ['string', 'null'] }), ['Gemini', 'OpenAI strict', 'Letta']],
  ['a default', property({ type: 'string', default: 'x' }), ['Gemini', 'OpenAI strict']],
  ['an exclusive bound', property({ type: 'number', exclusiveMinimum: 0 }), ['Gemini']],
  ['a closed object', { type: 'object', properties: {}, additionalProperties: false }, ['Gemini']],
  [
    'a map',
    property({ type: 'object', additionalProperties: { type: 'string' } }),
    ['Gemini', 'OpenAI strict', 'Letta'],
  ],
  ['a length', property({ type: 'string', maxLength: 3 }), ['OpenAI strict']],
  ['a list of anything', property({ type: 'array' }), ['Gemini', 'OpenAI strict', 'Letta']],
  [
    'a list within a list of anything',
    property({ type: 'array', items: { type: 'array' } }),
    ['Gemini', 'OpenAI strict', 'Letta'],
  ],
  ['no type', property({}), ['Gemini', 'OpenAI strict', 'Letta']],
  ['a required field that does not exist', { type: 'object', properties: {}, required: ['x'] }, ['Letta']],
];

describe.each(Object.entries(PROVIDERS))('%s', (provider, taken) => {
  test('takes the input schema of every tool', async () => {
    await using bridge = await startScriptedBridge();
    const { client } = await bridge.client();
    for (const { name, inputSchema } of (await client.listTools()).tools) {
      expect(taken.safeParse(inputSchema).error?.issues, name).toBeUndefined();
    }
  });

  test.each(REFUSED)('is known to take or refuse %s', (_name, schema, by) => {
    expect(taken.safeParse(schema).success).toBe(!by.some((it) => it === provider));
  });
});
