import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOpencodeClient, type Message } from '@opencode-ai/sdk/v2/client';
import { releaseAll } from '../../src/app/release.ts';
import { type Script, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { authorization } from '../../src/runners/opencode-server/endpoint.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { logger, startBridge } from '../support/bridge.ts';
import type { Releases } from '../support/manage.ts';
import { RecordingNotices } from '../support/notices.ts';
import { startOpenCode } from '../support/opencode.ts';
import { startFaultyProxy } from '../support/proxy.ts';
import { tempDir } from '../support/temp.ts';

export const PLUGIN = join(import.meta.dirname, '../../.opencode/plugin/matrix-notifications.js');
const TOKEN = 'of-the-plugin';

export type Person = Awaited<ReturnType<typeof startPerson>>;

/** Somebody who works with OpenCode in a project that has the plugin, beside a bridge that uses the same server. */
export async function startPerson() {
  const releases: Releases = [];
  const close = (): Promise<void> => releaseAll(releases, logger);
  try {
    return await build(releases, close);
  } catch (thrown) {
    await close().catch(() => undefined);
    throw thrown;
  }
}

async function build(releases: Releases, close: () => Promise<void>) {
  const project = await tempDir('project-');
  releases.push(project.remove);
  await mkdir(join(project.path, '.opencode/plugin'), { recursive: true });
  await cp(PLUGIN, join(project.path, '.opencode/plugin/matrix-notifications.js'));

  const model = await startScriptedModel();
  releases.push(() => model.close());
  const port = await freePort();
  const line = await startFaultyProxy(`http://127.0.0.1:${port}`);
  releases.push(() => line.close());
  /** How often the plugin has posted, and what it gets instead of the bridge's answer. */
  const way: { posts: number; fault: ReturnType<typeof line.fault> } = { posts: 0, fault: undefined };
  line.fault = (_method, path) => {
    if (path === '/matrix/notify') way.posts += 1;
    return way.fault;
  };
  const env = {
    MATRIX_API_URL: `${line.url}/matrix/`,
    MATRIX_API_TOKEN: TOKEN,
    // Where there is a plugin, OpenCode waits for an npm install, which has no registry here.
    npm_config_fetch_retries: '0',
  };
  const engine = await startOpenCode({ modelUrl: model.url, env });
  releases.push(engine.stop);
  const bridge = await startBridge({ on: { endpoint: engine, model }, roots: [project.path] });
  releases.push(bridge.close);
  const notices = new RecordingNotices();
  const services = {
    execution: bridge.execution,
    blockId: String,
    block: async () => undefined,
    version: '0',
    mode: 'opencode-server',
    startedAt: 0,
    dependencies: () => [],
  };
  const http = await startHttpServer({
    ...{ host: '127.0.0.1', port, allowedHosts: [], allowedOrigins: [], tokens: [{ token: TOKEN }] },
    ...{ maxBodyBytes: 1_000_000, services, logger, notices },
  });
  releases.push(() => http.close());

  const directory = project.path;
  const client = createOpencodeClient({
    baseUrl: engine.url,
    headers: authorization(engine),
    throwOnError: true,
  });
  const open = async (title: string): Promise<string> =>
    (await client.session.create({ directory, title }, { throwOnError: true })).data.id;
  /** The last message of the turn, when OpenCode says that it is over. */
  const prompt = async (sessionID: string, steps: Script): Promise<Message> => {
    const parts = [{ type: 'text' as const, text: `Do this: ${scriptText(steps)}` }];
    return (await client.session.prompt({ sessionID, directory, parts }, { throwOnError: true })).data.info;
  };
  /** What the plugin has written to OpenCode's log. */
  const complaints = async (): Promise<string[]> => {
    const log = await readFile(join(engine.home, 'data/opencode/log/opencode.log'), 'utf8');
    return log.split('\n').filter((text) => text.includes('MATRIX_API_URL'));
  };
  return { client, complaints, bridge, notices, way, model, env, directory, open, prompt, close };
}
