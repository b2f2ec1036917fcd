import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startProviderKeys } from '../provider-keys/start-provider-keys.ts';
import { RestClient } from './rest.ts';
import { startServer } from './server.ts';

const KEY = 'sk-planted-key-4711-wxyz';
const OPERATOR = 'Bearer the-operator';

let keys: Awaited<ReturnType<typeof startProviderKeys>>;
beforeEach(async () => {
  keys = await startProviderKeys({ openrouter: KEY });
});
afterEach(() => keys[Symbol.asyncDispose]());

const start = (options: object = {}) =>
  startServer({
    tokens: [{ token: 'ann-token', agentId: 'ann' }],
    providers: { admin: keys.admin, operatorToken: 'the-operator' },
    ...options,
  });

describe('/providers', () => {
  it('stores a key, shows a part of it, and removes it', async () => {
    await using server = await start();
    const api = new RestClient(server.http.url, { authorization: OPERATOR });
    const put = await api.put('/providers/anthropic', { api_key: KEY });
    expect(put).toMatchObject({
      status: 200,
      body: { provider: 'anthropic', source: 'stored', last_four: 'wxyz' },
    });
    const { body } = await api.get('/providers');
    expect(body.providers).toMatchObject([
      { provider: 'anthropic', base_url: 'https://api.anthropic.com/v1', created_at: expect.any(String) },
      { provider: 'openrouter', source: 'environment', last_four: 'wxyz' },
    ]);
    expect(JSON.stringify([put.body, body])).not.toContain('planted');
    expect((await api.delete('/providers/anthropic')).status).toBe(204);
    expect((await api.delete('/providers/anthropic')).status).toBe(404);
    expect(await api.delete('/providers/openrouter')).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('comes from the environment') },
    });
    expect(keys.admin.find('anthropic')).toBeUndefined();
  });

  it('refuses what is wrong without quoting the key, and stores nothing', async () => {
    await using server = await start();
    const api = new RestClient(server.http.url, { authorization: OPERATOR });
    for (const body of [{ api_key: `${KEY} ${KEY}` }, { api_key: KEY, kye: KEY }, { api_key: [KEY] }, {}]) {
      const answer = await api.put('/providers/openai', body);
      expect(answer.status).toBe(400);
      expect(JSON.stringify(answer.body)).not.toContain('planted');
    }
    expect((await api.put('/providers/llm', { api_key: KEY })).body.detail).toContain('`base_url` of "llm"');
    expect(keys.admin.list()).toHaveLength(1);
  });

  it.each([
    ['nobody', {}, 401],
    ['a client', { authorization: 'Bearer ann-token' }, 401],
    ['a wrong token', { authorization: 'Bearer operator' }, 401],
  ])('is closed to %s', async (_name, headers, status) => {
    await using server = await start();
    const api = new RestClient(server.http.url, headers);
    expect((await api.get('/providers')).status).toBe(status);
    expect((await api.put('/providers/openai', { api_key: KEY })).status).toBe(status);
    expect((await api.delete('/providers/openrouter')).status).toBe(status);
    expect(keys.admin.list()).toHaveLength(1);
  });

  it('is closed to everybody without OPERATOR_TOKEN, also where no tokens are needed', async () => {
    await using server = await start({ tokens: [], providers: { admin: keys.admin } });
    const api = new RestClient(server.http.url, { authorization: 'Bearer undefined' });
    expect(await api.get('/providers')).toMatchObject({
      status: 403,
      body: { next: expect.stringContaining('OPERATOR_TOKEN') },
    });
  });

  it('opens nothing else', async () => {
    await using server = await start();
    const api = new RestClient(server.http.url, { authorization: OPERATOR });
    expect((await api.get('/tasks')).status).toBe(401);
  });

  it('says so where OpenCode gets no keys from the bridge', async () => {
    await using server = await start({ providers: { operatorToken: 'the-operator' } });
    const api = new RestClient(server.http.url, { authorization: OPERATOR });
    expect((await api.get('/providers')).status).toBe(501);
    expect((await api.put('/providers/openai', { api_key: KEY })).body.code).toBe('UNSUPPORTED');
  });
});
