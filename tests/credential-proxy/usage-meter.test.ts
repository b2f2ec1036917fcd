import fc from 'fast-check';
import { expect, it } from 'vitest';
import { UsageMeter } from '../../src/credential-proxy/usage-meter.ts';

/** Complete answers as the references of the APIs show them, and the tokens that they state. */
const STREAMS: Record<string, { text: string; tokens: number }> = {
  'Anthropic messages': {
    text: [
      'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":50,"cache_read_input_tokens":40,"cache_creation_input_tokens":10,"output_tokens":1}}}',
      'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"ü \\"usage\\""}}',
      'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":20}}',
      'event: message_stop\ndata: {"type":"message_stop"}',
    ].join('\n\n'),
    tokens: 120,
  },
  'chat completions': {
    text: [
      ': OPENROUTER PROCESSING',
      'data: {"choices":[{"delta":{"content":"x"}}],"usage":null}',
      'data: {"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"cost":0.1}}',
      'data: [DONE]',
    ].join('\r\n\r\n'),
    tokens: 120,
  },
  responses: {
    text: [
      'event: response.created\ndata: {"type":"response.created","response":{"usage":null}}',
      'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":100,"output_tokens":20,"input_tokens_details":{"cached_tokens":40}}}}',
    ].join('\n\n'),
    tokens: 120,
  },
};

it.each(Object.entries(STREAMS))('counts %s, wherever its chunks end', (_name, { text, tokens }) => {
  const bytes = Buffer.from(`${text}\n\n`);
  const cuts = fc.array(fc.nat(bytes.length), { maxLength: 20 });
  fc.assert(
    fc.property(cuts, (places) => {
      const meter = new UsageMeter('text/event-stream; charset=utf-8');
      const edges = [0, ...places.sort((a, b) => a - b), bytes.length];
      for (const [index, edge] of edges.entries()) meter.write(bytes.subarray(edges[index - 1] ?? 0, edge));
      meter.end();
      expect(meter.tokens).toBe(tokens);
    }),
    { seed: 7 },
  );
});

it('counts an answer that is no stream', () => {
  const meter = new UsageMeter('application/json');
  meter.write(Buffer.from('{"usage":{"input_tokens":3,'));
  meter.write(Buffer.from('"output_tokens":4}}'));
  meter.end();
  expect(meter.tokens).toBe(7);
});

it('counts each data line of a stream until its usage is known', () => {
  const meter = new UsageMeter('text/event-stream');
  meter.write(Buffer.from('data: {"a":1}\n\ndata: {"a":2}\n\n'));
  expect(meter.tokens).toBe(2);
});

it.each([
  ['no JSON', 'data: {"usage": nonsense\n\n'],
  [
    'usage of another shape',
    'data: {"usage":[1]}\n\ndata: {"usage":{"prompt_tokens":-5,"completion_tokens":"9"}}\n\n',
  ],
  ['a line without end', `data: ${'x'.repeat(5 * 2 ** 20)}`],
])('%s does no harm', (_name, text) => {
  const meter = new UsageMeter('text/event-stream');
  meter.write(Buffer.from(text));
  meter.end();
  expect(meter.tokens).toBeLessThan(4);
});
