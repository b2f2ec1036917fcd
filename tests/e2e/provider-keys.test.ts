import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { BUILT_IN_MODELS, hermeticHome } from '../support/opencode.ts';
import { DIALECT_NAMES } from '../support/scripted-provider/dialect.ts';
import { bash, slowly, subagent } from '../support/steps.ts';
import { KEY, OPERATOR, startProviderKeysWorld } from './provider-keys-world.ts';

/** What a hostile command can look at without asking: environments, and OpenCode's own records. */
const LOOK = `{ env; cat /proc/self/environ; for p in /proc/[0-9]*; do cat $p/environ; done; set; } 2>/dev/null |
tr '\\0' '\\n' | grep -ac 'plante[d]\\|serve[r]\\.[0-9a-f]'; echo looked`;

let world: Awaited<ReturnType<typeof startProviderKeysWorld>>;
beforeAll(async () => {
  world = await startProviderKeysWorld((root) => ({
    ...hermeticHome(root, 'http://127.0.0.1:1/v1'),
    ...BUILT_IN_MODELS,
    OPENCODE_CONFIG_CONTENT: JSON.stringify({ autoupdate: false, share: 'disabled', snapshot: false }),
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_HEALTH_CHECK_INTERVAL_MS: '500',
    EXTERNAL_DIRECTORY_POLICY: 'allow',
    PERMISSION_POLICY: 'allow',
    PROVIDER_PROXY: 'true',
  }));
  await world.setAll();
  await world.says(/the providers have changed.*the embedded OpenCode server listens/s);
});
afterAll(() => world[Symbol.asyncDispose]());

describe('in server mode with the proxy', () => {
  it.each(DIALECT_NAMES)('a task on %s works, and finds neither key nor token', async (dialect) => {
    const before = world.provider.requests.length;
    const task = await world.run(dialect, scriptText([bash(LOOK), { text: 'Done.', chunks: 3 }]));
    expect(task, JSON.stringify(task)).toMatchObject({ status: 'completed', result: { summary: 'Done.' } });
    const { body } = await world.api().get(`/tasks/${task.task_id}/events`);
    const outputs = body.events.flatMap(({ output }: { output?: string }) => output ?? []);
    expect(outputs).toContain('0\nlooked\n');
    const requests = world.provider.requests.slice(before);
    expect(requests.length).toBeGreaterThanOrEqual(2);
    for (const request of requests) {
      expect(request).toMatchObject({ dialect, outcome: 'ended' });
      expect(JSON.stringify(request.headers)).toContain(KEY);
      expect(JSON.stringify([request.headers, request.body])).not.toMatch(/server\.[0-9a-f-]{36}/);
    }
  });

  it('a subagent works too', async () => {
    const task = await world.run(
      'anthropic',
      scriptText([subagent([{ text: 'Found.' }]), { text: 'Done.' }]),
    );
    expect(task, JSON.stringify(task)).toMatchObject({ status: 'completed' });
    expect(world.provider.requests.some(({ headers }) => headers['x-parent-session-id'] !== undefined)).toBe(
      true,
    );
  });

  it('a limit of tokens ends an answer in its middle, of a subagent too', async () => {
    const endless = slowly('word ', 60_000);
    // What a step states is 120 tokens, of which the call of the subagent is one.
    const cases = [
      { script: [endless], max_tokens: 20 },
      { script: [subagent([endless])], max_tokens: 140 },
    ];
    for (const { script, max_tokens } of cases) {
      const task = await world.run('openai-responses', scriptText(script), { max_tokens });
      expect(task, JSON.stringify(task)).toMatchObject({
        status: 'failed',
        error: { code: 'BUDGET_EXCEEDED', message: expect.stringContaining('as its providers count them') },
      });
      expect(world.provider.requests.at(-1)?.outcome).toBe('broken');
    }
  });

  it.each([
    ['429 with Retry-After', { status: 429, times: 1, headers: { 'retry-after': '1' } }],
    ['529', { status: 529, times: 1, headers: { 'retry-after': '1' } }],
  ])('%s is tried again by OpenCode, as without the proxy', async (_name, fail) => {
    const script = scriptText([{ text: 'Done.', fail }]);
    const task = await world.run('anthropic', script);
    expect(task, JSON.stringify(task)).toMatchObject({ status: 'completed', result: { summary: 'Done.' } });
  });

  it('a key is rotated while tasks run, and none of them fails', async () => {
    const steps = [...Array.from({ length: 8 }, () => bash('true')), { text: 'Done.' }];
    const running = DIALECT_NAMES.map((dialect) => world.run(dialect, scriptText(steps)));
    const rotated = `${KEY}-rotated`;
    // As a provider does: both keys are good until the earlier one is revoked.
    world.provider.accept(rotated);
    await Promise.all(DIALECT_NAMES.map((dialect) => world.set(dialect, rotated)));
    world.provider.revoke(KEY);
    for (const task of await Promise.all(running)) expect(task).toMatchObject({ status: 'completed' });
    expect(JSON.stringify(world.provider.requests.at(-1)?.headers)).toContain(rotated);
  });

  it('a restart of the bridge keeps the keys, and rotates how they are encrypted', async () => {
    const { ENCRYPTION_KEY: previous = '' } = world.env;
    const newest = Buffer.alloc(32, 9).toString('base64');
    await world.restart({ ENCRYPTION_KEY: newest, ENCRYPTION_KEY_PREVIOUS: previous });
    await world.restart({ ENCRYPTION_KEY: newest });
    expect((await world.operator().get('/providers')).body.providers).toHaveLength(DIALECT_NAMES.length);
    const task = await world.run('openrouter', scriptText([{ text: 'Done.' }]));
    expect(task, JSON.stringify(task)).toMatchObject({ status: 'completed' });
  });

  it('the keys are nowhere in what the bridge wrote or said', async () => {
    expect(await world.traces(KEY)).toEqual([]);
    expect(await world.traces(OPERATOR)).toEqual([]);
  });
});
