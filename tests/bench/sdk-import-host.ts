import { enableCompileCache } from 'node:module';

/** `node sdk-import-host.ts <cache>`: what the import of each SDK of MCP takes a process that has zod, as the bridge has. */
const [, , cache] = process.argv;
// As the bridge does.
enableCompileCache(cache);
await import('zod');

async function cost(load: () => Promise<unknown>) {
  const [began, held] = [performance.now(), process.memoryUsage.rss()];
  await load();
  return { ms: performance.now() - began, mb: (process.memoryUsage.rss() - held) / 2 ** 20 };
}

const sessions = await cost(async () => {
  await import('@modelcontextprotocol/sdk/types.js');
  await import('@modelcontextprotocol/sdk/validation/ajv');
  await import('@modelcontextprotocol/sdk/server/index.js');
  await import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js');
});
const modern = await cost(() => import('@modelcontextprotocol/server'));
process.stdout.write(`${JSON.stringify({ sessions, modern })}\n`);
