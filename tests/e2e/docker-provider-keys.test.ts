import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { containerEnv, containerOf, engine, IMAGE, removeContainers } from '../support/docker.ts';
import { bash, slowly, subagent } from '../support/steps.ts';
import { KEY, modelOf, startProviderKeysWorld } from './provider-keys-world.ts';

beforeEach((context) => context.skip(engine.absent !== undefined, engine.absent));

/** What a task can read of its container. */
const LOOK = `{ env; cat /proc/[0-9]*/environ; grep -rhs plante[d] /opencode /home /tmp .; } 2>/dev/null |
tr '\\0' '\\n' | grep -ac 'plante[d]'; echo looked`;

const contentSchema = z.object({
  provider: z.object({ chat: z.object({ options: z.object({ baseURL: z.string(), apiKey: z.string() }) }) }),
});

let world: Awaited<ReturnType<typeof startProviderKeysWorld>>;
beforeAll(async () => {
  if (engine.absent !== undefined) return;
  const env = containerEnv('http://127.0.0.1:1/v1');
  const content = JSON.stringify({ autoupdate: false, share: 'disabled', snapshot: false });
  world = await startProviderKeysWorld((root) => ({
    ...env,
    OPENCODE_CONFIG_CONTENT: content,
    PATH: process.env.PATH ?? '',
    HOME: root,
    OPENCODE_SERVER_ENABLED: 'false',
    DOCKER_HOST: engine.host,
    RUNNER_IMAGE: IMAGE,
    RUNNER_NETWORK: 'host',
    // A key that is passed on by name stays here too.
    ANTHROPIC_API_KEY: `${KEY}-of-the-environment`,
    RUNNER_ENV_PASSTHROUGH: [...Object.keys(env), 'ANTHROPIC_API_KEY'].join(),
  }));
  await world.set('openai-chat');
});
afterAll(async () => {
  if (engine.absent !== undefined) return;
  await removeContainers(`${world.root}/bridge`);
  await world[Symbol.asyncDispose]();
});

/** Starts a task, and waits until the model has been asked. */
async function start(script: string): Promise<string> {
  const asked = world.provider.requests.length;
  const id = await world.api().start({ task_description: script, model: modelOf('openai-chat') });
  await vi.waitFor(() => expect(world.provider.requests.length).toBeGreaterThan(asked), { timeout: 60_000 });
  return id;
}

/** What a container has in the place of a provider's key. */
async function tokenIn(id: string): Promise<{ environment: string; baseURL: string; apiKey: string }> {
  const { Config } = await (await containerOf({ id })).inspect();
  const [, content = ''] = /^OPENCODE_CONFIG_CONTENT=(.*)$/ms.exec(
    Config.Env.find((line) => line.startsWith('OPENCODE_CONFIG_CONTENT=')) ?? '',
  ) ?? [''];
  const { options } = contentSchema.parse(JSON.parse(content)).provider.chat;
  return { environment: JSON.stringify(Config), ...options };
}

async function callWith({ baseURL, apiKey }: { baseURL: string; apiKey: string }): Promise<number> {
  const answer = await fetch(`${baseURL}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm1', stream: false, messages: [{ role: 'user', content: 'Hi' }] }),
  });
  await answer.text();
  return answer.status;
}

describe('in Docker mode', () => {
  it('a task works, and finds no key in its container; docker inspect shows none', async () => {
    const id = await start(scriptText([bash(LOOK), slowly('words ', 2_000)]));
    const { environment } = await tokenIn(id);
    expect(environment).not.toContain('planted');
    expect(environment).not.toContain('ANTHROPIC_API_KEY');
    await world.api().stream(`/tasks/${id}/events`);
    const { body } = await world.api().get(`/tasks/${id}/events`);
    expect(body.events.at(-1), JSON.stringify(body)).toMatchObject({ kind: 'completed' });
    expect(JSON.stringify(body)).toContain('0\\nlooked\\n');
    expect(await world.traces(KEY, environment)).toEqual([]);
  });

  it('its token is good for this task alone, and worth nothing after its end', async () => {
    const id = await start(scriptText([slowly('words ', 60_000)]));
    const token = await tokenIn(id);
    expect(await callWith(token)).toBe(200);
    const other = `${id.slice(0, -1)}${id.endsWith('0') ? 1 : 0}`;
    expect(await callWith({ ...token, apiKey: token.apiKey.replace(id, other) })).toBe(401);
    await world.api().post(`/tasks/${id}/cancel`, { reason: 'enough' });
    expect(await callWith(token)).toBe(403);
    expect(world.provider.requests.at(-1)?.outcome).not.toBe('open');
  });

  it('a bridge that is killed and started again serves the container that ran on', async () => {
    const id = await start(scriptText([bash('sleep 4'), { text: 'Done.' }]));
    await world.restart();
    await world.api().stream(`/tasks/${id}/events`);
    const { body } = await world.api().get(`/tasks/${id}`);
    expect(body, JSON.stringify(body)).toMatchObject({ status: 'completed', result: { summary: 'Done.' } });
  });

  it('a limit of tokens holds for subagents too, whom OpenCode does not report here', async () => {
    const script = scriptText([subagent([slowly('words ', 60_000)])]);
    const task = await world.run('openai-chat', script, { max_tokens: 140 });
    expect(task, JSON.stringify(task)).toMatchObject({
      status: 'failed',
      error: { code: 'BUDGET_EXCEEDED' },
    });
  });
});
