import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { OpenCodeClientManager } from '../../src/runners/opencode-server/client-manager.ts';
import { logger } from '../support/bridge.ts';

const ANSWERS: Record<string, string> = {
  '/config/providers': '{"providers":[]}',
  '/agent': '[]',
  '/config': '{}',
};

it('OpenCode is asked for models and agents only once it listens', async () => {
  const asked: { path: string; early: boolean }[] = [];
  let isListening = false;
  // As OpenCode does, it accepts a request before it listens, and never answers it.
  const server = createServer(({ url = '' }, res) => {
    const path = url.split('?')[0] ?? '';
    asked.push({ path, early: !isListening });
    if (isListening || path === '/ping')
      res.setHeader('content-type', 'application/json').end(ANSWERS[path] ?? '[]');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const started = Promise.withResolvers<void>();
  const manager = new OpenCodeClientManager({
    endpoint: { url: `http://127.0.0.1:${port}`, username: 'o', listening: () => started.promise },
    healthIntervalMs: 60_000,
    maxRetries: 0,
    maxRssMb: 0,
    retryDelayMs: 1,
    instanceLingerMs: 1,
    asksOutside: true,
    turnLimits: { startMs: 1_000, stallMs: 1_000 },
    logger,
  });
  try {
    const answer = manager.choices('/w');
    // What it asked before that would have arrived by now.
    for (let round = 0; round < 3; round += 1) await fetch(`http://127.0.0.1:${port}/ping`);
    isListening = true;
    started.resolve();
    expect(await answer).toMatchObject({ models: [], agents: [] });
    expect(asked.filter(({ path, early }) => early && path !== '/ping')).toEqual([]);
    expect(asked.map(({ path }) => path)).toContain('/config/providers');
  } finally {
    await manager.close();
    server.closeAllConnections();
    server.close();
  }
});
