import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { RestClient } from '../http/rest.ts';
import { findEncoded } from '../support/encodings.ts';
import { type Span, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { sharedOpenCode } from '../support/shared-engine.ts';
import { bash, subagent, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, externalEnv, type Program, startProgram } from './program.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';

let folder: Awaited<ReturnType<typeof tempDir>>;
let environment: Record<string, string>;
beforeEach(async () => {
  folder = await tempDir('tracing-');
  environment = externalEnv(folder.path, await sharedOpenCode());
});
afterEach(() => folder.remove());

async function serve(variables: Record<string, string>) {
  const program = startProgram('serve', { ...environment, ...variables });
  const [, url = ''] = await program.says(/"url":"(http:[^"]+)\/mcp"/);
  return { program, api: new RestClient(url, { 'x-agent-id': 'ann' }) };
}

async function stop({ child, exit }: Program): Promise<void> {
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
}

const ids = ({ traceId, spanId }: Span) => ({ traceId, spanId });

it('a task is a span in the trace of its caller, with what it did below it, and no content', async () => {
  await using receiver = await startOtlpReceiver();
  await using hooks = await startOtlpReceiver();
  const model = await startScriptedModel();
  onTestFinished(() => model.close());
  const { program, api } = await serve({
    // The embedded engine inherits from the bridge.
    ...bridgeEnv(folder.path, model.url),
    OPENCODE_SERVER_URL: '',
    OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20planted-token-of-traces,x-tenant=t',
    OTEL_SERVICE_NAME: 'our-bridge',
    WEBHOOK_URL: `${hooks.url}/hook`,
    WEBHOOK_SECRET: `whsec_${Buffer.alloc(24, 1).toString('base64')}`,
  });
  const steps = [
    write('planted-file-name.txt', 'planted-content'),
    subagent([bash('env | grep -c OTEL_; true'), { text: 'sub done' }]),
    bash('echo planted-output; exit 3'),
    { text: 'planted-answer' },
  ];
  const answer = await api.post(
    '/tasks/execute',
    { task_description: `planted-prompt ${scriptText(steps)}`, model: 'mock/m1' },
    { traceparent: `00-${TRACE}-${CALLER}-01` },
  );
  const id = z.string().parse(answer.body.execution_id);
  const { events } = await api.stream(`/tasks/${id}/events`);
  await vi.waitUntil(
    () => receiver.named('deliver to webhook').length > 0 && receiver.named('task').length > 0,
    {
      timeout: 60_000,
    },
  );
  await stop(program);

  const [task] = receiver.named('task');
  if (!task) throw new Error('no span of the task');
  expect(task).toMatchObject({
    traceId: TRACE,
    parentSpanId: CALLER,
    attributes: {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.request.model': 'm1',
      'gen_ai.provider.name': 'mock',
      'gen_ai.usage.input_tokens': expect.any(Number),
      'opencode_bridge.task.id': id,
      'opencode_bridge.agent.id': 'ann',
      'opencode_bridge.task.outcome': 'completed',
    },
  });
  const [queue, turn] = [receiver.named('queue')[0], receiver.named('turn')[0]];
  expect([queue?.parentSpanId, turn?.parentSpanId]).toEqual([task.spanId, task.spanId]);
  const chats = receiver.named('chat mock/m1');
  expect(chats.length).toBe(6);
  for (const chat of chats) expect(chat).toMatchObject({ parentSpanId: turn?.spanId });
  const sum = chats.reduce(
    (total, { attributes }) => total + Number(attributes['gen_ai.usage.output_tokens']),
    0,
  );
  expect(sum).toBe(task.attributes['gen_ai.usage.output_tokens']);
  const [caller] = receiver.named('execute_tool task');
  const commands = receiver.named('execute_tool bash');
  expect(
    commands.find(({ parentSpanId }) => parentSpanId === caller?.spanId),
    'of the subagent',
  ).toBeDefined();
  expect(commands.find(({ status }) => status.code === 2)).toMatchObject({
    parentSpanId: turn?.spanId,
    attributes: { 'process.exit.code': 3, 'gen_ai.tool.name': 'bash' },
  });
  for (const span of receiver.spans) {
    expect(span.traceId, span.name).toBe(TRACE);
    expect(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano), span.name).toBe(true);
    expect(BigInt(span.startTimeUnixNano) > 0n).toBe(true);
  }
  expect(receiver.requests[0]).toMatchObject({
    headers: { authorization: 'Bearer planted-token-of-traces', 'x-tenant': 't' },
    resource: { 'service.name': 'our-bridge', 'service.version': expect.any(String) },
  });
  expect(hooks.received.map(({ headers }) => headers.traceparent)).toContain(`00-${TRACE}-${task.spanId}-01`);

  const sent = receiver.requests.map(({ body }) => body).join('\n');
  for (const secret of ['prompt', 'file-name', 'content', 'output', 'answer'].map(
    (word) => `planted-${word}`,
  ))
    expect(findEncoded(sent, secret), secret).toEqual([]);
  expect(program.stderr()).not.toContain('planted-token-of-traces');
  const output = events.flatMap(({ data }) => JSON.stringify(data)).join();
  expect(output, 'commands of the task see no variable of traces').toContain('"output":"0\\n"');
});

it('a task that a killed bridge began goes on in a new trace, with a link to its first', async () => {
  await using receiver = await startOtlpReceiver();
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
  const first = await serve(variables);
  const id = await first.api.start({ task_description: scriptText([bash('sleep 3'), { text: 'done' }]) });
  await first.api.stream(`/tasks/${id}/events`, ({ data }) => JSON.stringify(data).includes('sleep 3'));
  await vi.waitUntil(() => receiver.named('queue').length > 0, { timeout: 60_000 });
  const queue = receiver.named('queue')[0];
  first.program.child.kill('SIGKILL');
  await first.program.exit;
  const second = await serve(variables);
  await second.api.stream(`/tasks/${id}/events`);
  await vi.waitUntil(() => receiver.named('resumed task').length > 0, { timeout: 60_000 });
  await stop(second.program);
  const [resumed] = receiver.named('resumed task');
  if (!resumed) throw new Error('no span of the resumed task');
  expect(resumed.traceId).not.toBe(queue?.traceId);
  expect(resumed).toMatchObject({
    parentSpanId: '',
    links: [{ traceId: queue?.traceId, spanId: queue?.parentSpanId }],
    attributes: { 'opencode_bridge.task.id': id, 'opencode_bridge.task.outcome': 'completed' },
  });
  const below = receiver.spans.filter(({ traceId }) => traceId === resumed.traceId).map(ids);
  expect(below.length).toBeGreaterThan(1);
});

it('a receiver that hangs holds up neither a task nor the stop', async () => {
  await using receiver = await startOtlpReceiver({ hangs: true });
  const { program, api } = await serve({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  const id = await api.start({ task_description: scriptText([{ text: 'done' }]) });
  await api.stream(`/tasks/${id}/events`);
  const began = performance.now();
  await stop(program);
  expect(performance.now() - began, 'not as long as an export may take').toBeLessThan(8_000);
});

it('without a receiver nothing is loaded', async () => {
  // In a bundle a comment says of which file the code below it is.
  const load =
    "import { registerHooks } from 'node:module'; registerHooks({ load(url, context, next) { const loaded = next(url, context); if (String(loaded.source).includes('node_modules/@opentelemetry/sdk-trace')) process.stderr.write('LOADED ' + url + '\\n'); return loaded; } });";
  const hook = `data:text/javascript,${encodeURIComponent(load)}`;
  const options = { NODE_OPTIONS: `--import ${hook}` };
  const off = await serve(options);
  await stop(off.program);
  expect(off.program.stderr()).not.toContain('LOADED');
  await using receiver = await startOtlpReceiver();
  const on = await serve({ ...options, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  await stop(on.program);
  expect(on.program.stderr()).toContain('LOADED');
});
