import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { startApp } from '../app/app.ts';
import { thenRelease } from '../app/release.ts';
import { loadIsolatedConfig } from '../config/isolated.ts';
import { printable } from '../errors.ts';
import { createLogger, type Logger } from '../logger.ts';
import { VERSION } from '../package.ts';
import { EXIT } from './command.ts';
import { runTask } from './demo/run-task.ts';
import { RULES } from './demo/script.ts';
import { scriptedProviderConfig } from './demo/scripted-model/provider-config.ts';
import { startScriptedModel } from './demo/scripted-model/server.ts';

/**
 * One task end to end in a throw-away folder: the bridge, the real OpenCode, a real MCP client over HTTP.
 * Only the model's words are scripted.
 */
export async function demo(): Promise<number> {
  const root = await mkdtemp(join(tmpdir(), 'letta-opencode-plugin-demo-'));
  const logger = createLogger('error');
  const inFolder = async (): Promise<boolean> => {
    const model = await startScriptedModel({ rules: RULES });
    return thenRelease(
      () => run(root, model.url, logger),
      () => model.close(),
      logger,
    );
  };
  const completed = await thenRelease(inFolder, () => rm(root, { recursive: true, force: true }), logger);
  return completed ? EXIT.ok : EXIT.failed;
}

async function run(root: string, modelUrl: string, logger: Logger): Promise<boolean> {
  const config = loadIsolatedConfig(await environment(root, modelUrl));
  print('Starting the bridge with its embedded OpenCode server…');
  const app = await startApp(config, logger);
  const work = async (): Promise<boolean> => {
    const { url } = await app.listen();
    const client = new Client({ name: 'letta-opencode-plugin-demo', version: VERSION });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
    print(`An MCP client is connected to ${url}/mcp.`);
    const completed = await runTask(client, print);
    await client.close();
    return completed;
  };
  return thenRelease(work, () => app.close(), logger);
}

/** Everything under one folder, and OpenCode kept from looking anything up on the network. */
async function environment(root: string, modelUrl: string): Promise<Record<string, string>> {
  const home = join(root, 'home');
  await mkdir(home);
  return {
    HOME: home,
    TMPDIR: home,
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_STATE_HOME: join(home, 'state'),
    XDG_CACHE_HOME: join(home, 'cache'),
    DATA_DIR: join(root, 'data'),
    MCP_PORT: '0',
    OPENCODE_SERVER_ENABLED: 'true',
    SHUTDOWN_GRACE_MS: '0',
    OPENCODE_CONFIG_CONTENT: JSON.stringify(scriptedProviderConfig(modelUrl)),
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    npm_config_registry: 'http://127.0.0.1:1/',
  };
}

function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}
