import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { describe, expect, test } from 'vitest';
import { connectClient } from '../mcp/bridge.ts';
import { answerOf, startServer } from './server.ts';

const PATHS = [
  '/.well-known/oauth-protected-resource',
  '/.well-known/oauth-protected-resource/mcp',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-authorization-server/mcp',
  '/.well-known/openid-configuration',
  '/mcp/.well-known/openid-configuration',
];

describe('who looks for OAuth is told that there is none, as an OAuth error', () => {
  test('at each place where clients look', async () => {
    await using server = await startServer({ tokens: [{ token: 't' }] });
    const told = {
      status: 400,
      body: {
        error: 'invalid_client_metadata',
        error_description: expect.stringMatching(/no OAuth.*Authorization: Bearer <token>.*MCP_AUTH_TOKENS/),
      },
    };
    for (const path of PATHS) expect(await answerOf(fetch(server.http.url + path)), path).toMatchObject(told);
    const register = await fetch(`${server.http.url}/register`, {
      method: 'POST',
      body: '{"client_name":"x"}',
    });
    expect(register.headers.get('cache-control')).toBe('no-store');
    expect(await answerOf(register)).toMatchObject(told);
  });

  test('where no token is asked for, that none is needed', async () => {
    await using server = await startServer();
    const { body } = await answerOf(fetch(`${server.http.url}/register`, { method: 'POST' }));
    expect(body).toMatchObject({ error_description: expect.stringMatching(/no OAuth.*no token/) });
  });

  test('nothing else is there', async () => {
    await using server = await startServer();
    for (const path of [
      '/register',
      '/.well-known/security.txt',
      '/x/.well-known/oauth-protected-resource',
    ]) {
      expect((await fetch(server.http.url + path)).status, path).toBe(404);
    }
  });

  test('not to those who may not call at all', async () => {
    await using server = await startServer();
    const headers = { origin: 'http://evil.example' };
    expect((await fetch(`${server.http.url}/register`, { method: 'POST', headers })).status).toBe(403);
  });
});

test('a real client without a token shows its user the true cause', async () => {
  await using server = await startServer({ tokens: [{ token: 't' }] });
  const transport = new StreamableHTTPClientTransport(new URL(server.url), {
    authProvider: {
      redirectUrl: 'http://localhost:1/callback',
      clientMetadata: { redirect_uris: ['http://localhost:1/callback'] },
      clientInformation: () => undefined,
      saveClientInformation: () => undefined,
      tokens: () => undefined,
      saveTokens: () => undefined,
      redirectToAuthorization: () => undefined,
      saveCodeVerifier: () => undefined,
      codeVerifier: () => '',
    },
  });
  await expect(connectClient(transport)).rejects.toThrow(/no OAuth.*Authorization: Bearer/);
});
