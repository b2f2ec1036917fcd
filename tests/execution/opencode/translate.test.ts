import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  permissionRequest,
  questionRequest,
  sumUsage,
  taskError,
  toolEvents,
  unknownAgent,
} from '../../../src/runners/opencode-protocol/translate.ts';
import type { AssistantMessage, ToolPart } from '../../../src/runners/opencode-protocol/wire.ts';

const time = { start: 1_000, end: 1_250 };

function part(tool: string, state: ToolPart['state']): ToolPart {
  return { id: 'prt', sessionID: 'ses', messageID: 'msg', type: 'tool', callID: 'call', tool, state };
}

const completed = (
  tool: string,
  input: Record<string, unknown>,
  output = '',
  metadata: Record<string, unknown> = {},
) =>
  toolEvents(part(tool, { status: 'completed', input, output, title: 'Title', metadata, time }), '/project');

it('tells nothing of a call that is only being written', () => {
  expect(toolEvents(part('bash', { status: 'pending', input: {} }), '/project')).toEqual([]);
});

it('names a call by what it does', () => {
  const title = (tool: string, input: Record<string, unknown>) =>
    toolEvents(part(tool, { status: 'running', input }), '/project');
  expect(title('bash', { command: 'ls', description: 'List' })).toMatchObject([
    { kind: 'tool', phase: 'started', call_id: 'call', tool: 'bash', title: 'ls' },
  ]);
  expect(title('read', { filePath: '/project/a' })).toMatchObject([{ title: '/project/a' }]);
  expect(title('task', { description: 'A part' })).toMatchObject([{ title: 'A part' }]);
  expect(title('odd', {})).toMatchObject([{ title: 'odd' }]);
  expect(title('bash', { command: 'x'.repeat(1_000) })).toMatchObject([{ title: 'x'.repeat(200) }]);
});

it.each([
  [0, true],
  [3, false],
  [undefined, true],
  [null, true],
])('a command with exit code %s', (exit, ok) => {
  const [event] = completed('bash', { command: 'x' }, 'out', { exit });
  expect(event).toMatchObject({
    phase: 'finished',
    ok,
    output: 'out',
    duration_ms: 250,
    exit_code: exit ?? undefined,
  });
});

it('keeps the end of a long output', () => {
  const [event] = completed('bash', { command: 'x' }, `${'a'.repeat(5_000)}END`);
  expect(event).toMatchObject({ output: expect.stringMatching(/^…a+END$/) });
});

it('names a file that was written, from its folder where it is inside', () => {
  expect(completed('write', { filePath: '/project/sub/a b.txt' })[1]).toEqual({
    kind: 'file_changed',
    path: 'sub/a b.txt',
    tool: 'write',
  });
  expect(completed('edit', { filePath: '/etc/x' })[1]).toMatchObject({ path: '/etc/x' });
  expect(completed('read', { filePath: '/project/a' })).toHaveLength(1);
});

it('tells of a call that failed', () => {
  const failed = part('read', {
    status: 'error',
    input: { filePath: '/project/a' },
    error: 'File not found',
    time,
  });
  expect(toolEvents(failed, '/project')).toMatchObject([
    { phase: 'finished', ok: false, output: 'File not found' },
  ]);
});

it('makes requests of what OpenCode asks', () => {
  const asked = { id: 'per_1', sessionID: 'ses', permission: 'bash', patterns: ['ls'], metadata: {} };
  expect(permissionRequest(asked)).toMatchObject({ type: 'permission', title: 'Allow bash: ls' });
  expect(permissionRequest({ ...asked, metadata: { command: 'ls | head' } }).title).toBe(
    'Allow bash: ls | head',
  );
  const question = { question: 'Which?', header: 'H', options: [{ label: 'A', description: 'a' }] };
  expect(questionRequest({ id: 'que_1', sessionID: 'ses', questions: [question] })).toMatchObject({
    type: 'question',
    title: 'Which?',
    questions: [question],
  });
});

it('sums what messages used', () => {
  const count = fc.nat(1_000_000);
  const used = fc.record({ input: count, output: count, reasoning: count, read: count, write: count });
  fc.assert(
    fc.property(fc.array(used), (uses) => {
      const sum = sumUsage(
        uses.map(({ input, output, reasoning, read, write }) =>
          message({ input, output, reasoning, cache: { read, write } }),
        ),
      );
      expect(sum.input_tokens).toBe(uses.reduce((total, { input }) => total + input, 0));
      expect(sum.cache_write_tokens).toBe(uses.reduce((total, { write }) => total + write, 0));
      expect(sum.cost_usd).toBeCloseTo(uses.length * 0.1, 8);
    }),
  );
});

it.each([
  [{ name: 'ProviderAuthError', data: { message: 'no' } }, 'PROVIDER_AUTH'],
  [{ name: 'APIError', data: { message: 'no', statusCode: 401 } }, 'PROVIDER_AUTH'],
  [{ name: 'APIError', data: { message: 'no', statusCode: 403 } }, 'PROVIDER_AUTH'],
  [{ name: 'APIError', data: { message: 'no', statusCode: 500 } }, 'PROVIDER_ERROR'],
  [{ name: 'APIError', data: { message: 'no' } }, 'PROVIDER_ERROR'],
  [{ name: 'ContextOverflowError', data: { message: 'no' } }, 'CONTEXT_OVERFLOW'],
  [{ name: 'ContentFilterError', data: { message: 'no' } }, 'CONTENT_FILTERED'],
  [{ name: 'MessageOutputLengthError' }, 'OUTPUT_LIMIT'],
  [{ name: 'MessageAbortedError', data: { message: 'Aborted' } }, 'ABORTED_EXTERNALLY'],
  [{ name: 'UnknownError', data: { message: 'Error: Model not found: a/b.' } }, 'MODEL_NOT_FOUND'],
  [{ name: 'SomethingNew' }, 'ENGINE_ERROR'],
])('%o is %s', (error, code) => {
  expect(taskError(error)).toMatchObject({ code, message: expect.stringMatching(/\S/) });
});

it('says no more than the first line of an error', () => {
  const data = { message: 'Error: first line\n    at stack' };
  expect(taskError({ name: 'UnknownError', data }).message).toBe('OpenCode reported: first line');
});

it('names the agents there are', () => {
  expect(unknownAgent('nope', ['build', 'plan'])).toEqual({
    code: 'AGENT_NOT_FOUND',
    message: 'OpenCode knows no agent "nope".',
    next: 'Name one of build, plan, or leave `agent` out.',
  });
});

function message(tokens: AssistantMessage['tokens']): AssistantMessage {
  const head = { id: 'a', sessionID: 'ses', role: 'assistant', parentID: 'u', time: { created: 1 } } as const;
  return { ...head, cost: 0.1, tokens };
}
