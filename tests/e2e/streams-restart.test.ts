import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { RestClient } from '../http/rest.ts';
import { SocketClient } from '../http/socket-client.ts';
import { sharedOpenCode } from '../support/shared-engine.ts';
import { bash, slowly } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { externalEnv, type Program, startProgram } from './program.ts';

let folder: Awaited<ReturnType<typeof tempDir>>;
let environment: Record<string, string>;
beforeAll(async () => {
  folder = await tempDir('streams-');
  environment = externalEnv(folder.path, await sharedOpenCode());
});
afterAll(() => folder.remove());

async function serve(port: number): Promise<Program> {
  const program = startProgram('serve', { ...environment, MCP_PORT: String(port) });
  await program.says(/"url":"(http:[^"]+)\/mcp"/);
  return program;
}

test('a bridge that is killed while streams are open: each goes on where it was', async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const api = new RestClient(url);
  const first = await serve(port);
  const steps = [bash('echo one'), bash('echo two; sleep 2'), slowly('word ', 1_000)];
  const id = await api.start({ task_description: `Do it: ${scriptText(steps)}` });

  const seen: number[] = [];
  const stream = await api.fetch('GET', `/tasks/${id}/events`, undefined, { accept: 'text/event-stream' });
  const reading = (async () => {
    for await (const chunk of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      for (const [, seq] of chunk.matchAll(/^id: (\d+)$/gm)) seen.push(Number(seq));
    }
  })().then(
    () => 'ended',
    () => 'cut off',
  );
  const states = api.stream('/events').catch(() => ({ events: [] }));
  const socket = new SocketClient(`${url}/tasks/${id}/stream?view=events`);
  await socket.until(({ event }) => event?.kind === 'tool' && event.phase === 'finished');
  await vi.waitUntil(() => seen.length >= 5, 60_000);

  first.child.kill('SIGKILL');
  await first.exit;
  expect(await reading).toBe('cut off');
  expect((await socket.closed).code).toBe(1006);
  await states;

  const second = await serve(port);
  try {
    const rest = await api.stream(`/tasks/${id}/events`, undefined, { 'last-event-id': String(seen.at(-1)) });
    seen.push(...rest.events.map((event) => Number(event.id)));
    const seqs = socket.frames.filter(({ type }) => type === 'event').map(({ event }) => event.seq);
    const resumed = new SocketClient(`${url}/tasks/${id}/stream?view=events&after_seq=${seqs.at(-1)}`);
    await resumed.closed;
    seqs.push(...resumed.frames.filter(({ type }) => type === 'event').map(({ event }) => event.seq));
    const { body } = await api.get(`/tasks/${id}`);
    expect(body.status).toBe('completed');
    const all = Array.from({ length: body.last_seq }, (_, index) => index + 1);
    expect(seen).toEqual(all);
    expect(seqs).toEqual(all);
  } finally {
    second.child.kill('SIGTERM');
    await second.exit;
  }
});
